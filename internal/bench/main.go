// Command bench measures what the project promises of its speed, each figure in
// one run on real servers, and prints them as a table or, with --json, one
// object a line. Start it by `make bench`, which brings the servers up.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/alecthomas/kong"
)

// figure is one measured value. Baseline and Ratio are 0 where it has none.
type figure struct {
	Name     string  `json:"name"`
	Value    float64 `json:"value"`
	Unit     string  `json:"unit"`
	Baseline float64 `json:"baseline"`
	Ratio    float64 `json:"ratio"`
}

// suite is a set of figures that are measured together. Its name is the prefix
// of theirs.
type suite struct {
	name    string
	figures []string
	run     func(ctx context.Context, log io.Writer, wanted func(string) bool) ([]figure, error)
}

// suites lists everything there is to measure.
func suites(c cli) []suite {
	return []suite{
		ingestSuite(), importSuite(), consoleSuite(c.Scale, c.Keep), memorySuite(), recoverySuite(), fairSuite(), budgetSuite(),
	}
}

type cli struct {
	JSON bool     `help:"One object a line." name:"json"`
	Only []string `help:"Names, or prefixes of names, of the figures wanted." sep:","`

	Scale float64 `default:"1" help:"The share of ten million events, and of all else, that console.* is measured with: 0.01 for a quick look."`
	Keep  string  `help:"Fill the database of console.* under this name, and keep it: the next run with the name measures at once."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c cli
	parser, err := kong.New(&c, kong.Name("bench"), kong.Writers(stdout, stderr))
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	if _, err := parser.Parse(args); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	if c.Scale <= 0 || c.Scale > 1 {
		fmt.Fprintln(stderr, "bench: --scale is more than 0 and at most 1")
		return 2
	}
	wanted := func(name string) bool {
		return len(c.Only) == 0 || slices.ContainsFunc(c.Only, func(p string) bool { return strings.HasPrefix(name, p) })
	}
	var all []figure
	for _, s := range suites(c) {
		if !slices.ContainsFunc(s.figures, wanted) {
			continue
		}
		figures, err := s.run(ctx, stderr, wanted)
		if err != nil {
			fmt.Fprintf(stderr, "bench: %s: %v\n", s.name, err)
			return 1
		}
		all = append(all, figures...)
	}
	if len(all) == 0 {
		fmt.Fprintln(stderr, "bench: no figure has such a name")
		return 2
	}
	return print(c.JSON, all, stdout, stderr)
}

func print(asJSON bool, all []figure, stdout, stderr io.Writer) int {
	if asJSON {
		encoder := json.NewEncoder(stdout)
		for _, f := range all {
			if err := encoder.Encode(f); err != nil {
				fmt.Fprintln(stderr, "bench:", err)
				return 1
			}
		}
		return 0
	}
	t := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "figure\tvalue\tunit\tbaseline\tratio\t")
	for _, f := range all {
		fmt.Fprintf(t, "%s\t%.1f\t%s\t%.1f\t%.2f\t\n", f.Name, f.Value, f.Unit, f.Baseline, f.Ratio)
	}
	_ = t.Flush()
	return 0
}
