package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Each protection is one constant, one mutant and what catches it.
func TestProtectionsMutantsAndTestsAreTheSame(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	files, err := mutants(root)
	if err != nil {
		t.Fatal(err)
	}
	constants := protections(t, root)
	slices.Sort(constants)
	if d := cmp.Diff(constants, files); d != "" {
		t.Errorf("constants of protect.go (-) and files mutant_*.go (+):\n%s", d)
	}
	var hunted []string
	for _, h := range table() {
		hunted = append(hunted, h.mutant)
	}
	slices.Sort(hunted)
	if d := cmp.Diff(constants, slices.Compact(hunted)); d != "" {
		t.Errorf("constants of protect.go (-) and lines of the table (+):\n%s", d)
	}
	for _, name := range files {
		text, err := os.ReadFile(filepath.Join(root, "internal", "protect", "mutant_"+name+".go"))
		want := fmt.Sprintf("//go:build mutant && mutant_%[1]s\n\npackage protect\n\nconst removed = %[1]q\n", name)
		if err != nil || string(text) != want {
			t.Errorf("mutant_%s.go: %v, got\n%s\nwant\n%s", name, err, text, want)
		}
	}
}

// Each protection is used, and each test that is named is there.
func TestNothingIsNamedInVain(t *testing.T) {
	t.Parallel()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	source := map[string]*strings.Builder{} // by folder; tests apart
	err = filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" {
			return err
		}
		text, err := os.ReadFile(path)
		folder, _ := filepath.Rel(filepath.Join(root, "internal"), filepath.Dir(path))
		if strings.HasSuffix(path, "_test.go") {
			folder += " tests"
		}
		if source[folder] == nil {
			source[folder] = &strings.Builder{}
		}
		source[folder].Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for folder, text := range source {
		if strings.HasSuffix(folder, " tests") || strings.HasPrefix(folder, "protect") {
			continue
		}
		for _, found := range regexp.MustCompile(`\bprotect\.(\w+)`).FindAllStringSubmatch(text.String(), -1) {
			used[found[1]] = true
		}
	}
	for name := range names(t, root) {
		if !used[name] {
			t.Errorf("nothing is protected by protect.%s", name)
		}
	}
	for _, h := range table() {
		tests := source[h.pkg+" tests"]
		for test := range strings.SplitSeq(h.tests, "|") {
			if name := strings.Trim(test, "^$"); tests == nil || !strings.Contains(tests.String(), "\nfunc "+name+"(t *testing.T)") {
				t.Errorf("%s: internal/%s has no test %s", h.mutant, h.pkg, name)
			}
		}
	}
}

// protections gives what the constants of protect.go are compared with.
func protections(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	for _, mutant := range names(t, root) {
		all = append(all, mutant)
	}
	return all
}

// names maps the constants of protect.go to their mutants.
func names(t *testing.T, root string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(root, "internal", "protect", "protect.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		compared, ok := spec.Values[0].(*ast.BinaryExpr)
		if !ok || compared.Op != token.NEQ {
			t.Fatalf("%s is not removed != its mutant", spec.Names[0])
		}
		literal, ok := compared.Y.(*ast.BasicLit)
		if !ok {
			t.Fatalf("%s is compared with no name", spec.Names[0])
		}
		name, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		found[spec.Names[0].Name] = name
		return true
	})
	return found
}
