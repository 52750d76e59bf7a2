package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

// patience is how long one mutant's tests may take.
const patience = 90 * time.Second

// specimen is one mutant and the tests that hunt it.
type specimen struct {
	root, mutant string
	hunt
	binary string // where its tests are built
}

// try builds the tests without the protection, runs them, and says what became of
// them. Only tests that ran and failed have caught it: neither what does not
// compile, nor a panic, nor a test that hung.
func (s specimen) try(ctx context.Context) (caught bool, line string) {
	if out, err := s.build(ctx); err != nil {
		return false, fmt.Sprintf("%s: DOES NOT BUILD: %v\n%s", s.mutant, err, out)
	}
	defer os.Remove(s.binary)
	begun := time.Now()
	out, err := s.run(ctx)
	took := time.Since(begun).Seconds()
	failed := failures(out)
	switch exit, ran := errors.AsType[*exec.ExitError](err); {
	case err == nil:
		return false, fmt.Sprintf("%s: SURVIVED %s of internal/%s", s.mutant, s.tests, s.pkg)
	case !ran || exit.ExitCode() != 1 || len(failed) == 0 || bytes.Contains(out, []byte("\npanic: ")):
		return false, fmt.Sprintf("%s: BROKE the tests of internal/%s instead of failing them: %v\n%s", s.mutant, s.pkg, err, tail(out))
	}
	return true, fmt.Sprintf("%s: caught by %s in %.1f s", s.mutant, strings.Join(failed, ", "), took)
}

func (s specimen) build(ctx context.Context) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-ldflags=-s -w", "-tags", "mutant,mutant_"+s.mutant,
		"-o", s.binary, "./internal/"+s.pkg)
	cmd.Dir = s.root
	return cmd.CombinedOutput()
}

func (s specimen) run(ctx context.Context) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, patience+10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, "-test.run", s.tests, "-test.count=1", "-test.timeout", patience.String())
	cmd.Dir = filepath.Join(s.root, "internal", s.pkg)
	return cmd.CombinedOutput()
}

var failedTest = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// failures names the tests that failed, each once.
func failures(out []byte) []string {
	var names []string
	for _, found := range failedTest.FindAllSubmatch(out, -1) {
		if name := string(found[1]); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// tail is the end of what a test wrote.
func tail(out []byte) []byte { return out[max(0, len(out)-4000):] }

// mutants names the mutants that there are: one file of internal/protect each.
func mutants(root string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(root, "internal", "protect", "mutant_*.go"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("find the mutants in internal/protect: %d files: %w", len(files), err)
	}
	var names []string
	for _, file := range files {
		names = append(names, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), "mutant_"), ".go"))
	}
	return names, nil
}

// moduleRoot is the folder above this one that holds go.mod.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		above := filepath.Dir(folder)
		if above == folder {
			return "", errNoRoot
		}
		folder = above
	}
}
