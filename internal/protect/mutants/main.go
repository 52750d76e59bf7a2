// Command mutants removes the protections of Wosool one at a time and expects the
// tests to notice: a protection that can be taken away unseen is not protected.
//
//	make faults-mutants ARGS="--only=lease,page_fence"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// atOnce is how many mutants are built and run at a time.
const atOnce = 2

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run tries the mutants and says of each on out what caught it. It fails where
// one survived, broke, or is caught by nothing that is known.
func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("only", "", "names of mutants, comma separated; default: all")
	if err := flags.Parse(args); err != nil {
		return err
	}
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	all, err := mutants(root)
	if err != nil {
		return err
	}
	if *only != "" {
		chosen := strings.Split(*only, ",")
		for _, name := range chosen {
			if !slices.Contains(all, name) {
				return fmt.Errorf("there is no mutant %q: they are %s", name, strings.Join(all, ", "))
			}
		}
		all = chosen
	}
	folder, err := os.MkdirTemp("", "wosool-mutants-")
	if err != nil {
		return fmt.Errorf("make a folder for the mutants: %w", err)
	}
	defer os.RemoveAll(folder)

	var mu sync.Mutex
	survived := 0
	say := func(caught bool, line string) {
		mu.Lock()
		defer mu.Unlock()
		if !caught {
			survived++
		}
		fmt.Fprintln(out, line)
	}
	var trying errgroup.Group
	trying.SetLimit(atOnce)
	for _, mutant := range all {
		hunts := huntsOf(mutant)
		if len(hunts) == 0 {
			say(false, mutant+": no test is named for it")
		}
		for i, h := range hunts {
			trying.Go(func() error {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				s := specimen{root: root, mutant: mutant, hunt: h, binary: fmt.Sprintf("%s/%s-%d.test", folder, mutant, i)}
				caught, line := s.try(ctx)
				say(caught, line)
				return nil
			})
		}
	}
	switch err := trying.Wait(); {
	case err != nil:
		return err
	case survived > 0:
		return fmt.Errorf("%d protections could be removed and no test failed as it must", survived)
	}
	fmt.Fprintf(out, "all %d mutants were caught\n", len(all))
	return nil
}

// errNoRoot is a start outside of the repository.
var errNoRoot = errors.New("go.mod is not found: run it by `make faults-mutants`")
