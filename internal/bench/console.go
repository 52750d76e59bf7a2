package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/store"
)

// How often a page is looked at, and over how many connections.
const (
	consoleConns = 10

	consoleLooks = 120 // requests a page
	consoleWarm  = 20  // the first of them, which warm the caches and do not count
)

// consoleSuite measures the server's time for the pages of the console, p95, with ten
// thousand tenants, ten million events and a million dead letters; and what live
// updates for a hundred open consoles cost.
func consoleSuite(share float64, keep string) suite {
	figures := []string{liveFigure}
	for _, p := range consolePages() {
		figures = append(figures, p.figure())
	}
	return suite{
		name: "console", figures: figures,
		run: func(ctx context.Context, log io.Writer, wanted func(string) bool) ([]figure, error) {
			return benchConsole(ctx, log, wanted, sized(share), keep)
		},
	}
}

func benchConsole(ctx context.Context, log io.Writer, wanted func(string) bool, s size, keep string) (figures []figure, err error) {
	pool, done, err := filledDatabase(ctx, log, s, keep)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	served, err := store.Open(ctx, pool.Config().ConnString(), "bench", consoleConns)
	if err != nil {
		return nil, err
	}
	defer served.Close()
	site, err := newSite(ctx, served, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer site.close()
	facts, err := readFacts(ctx, pool)
	if err != nil {
		return nil, err
	}
	bare := bareConsole(served)
	for _, p := range consolePages() {
		if !wanted(p.figure()) {
			continue
		}
		f, err := site.measure(ctx, log, p.figure(), p.addresses(facts), bare)
		if err != nil {
			return nil, err
		}
		if f != nil {
			figures = append(figures, *f)
		}
	}
	if wanted(liveFigure) {
		f, err := benchLive(ctx, log, pool, site.cookies, facts)
		if err != nil {
			return nil, err
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// filledDatabase gives a control database with rows of that size. One that is kept is
// filled the first time.
func filledDatabase(ctx context.Context, log io.Writer, s size, keep string) (pool *pgxpool.Pool, done func() error, err error) {
	fresh := true
	if keep == "" {
		pool, done, err = controlDatabase(ctx)
	} else {
		pool, fresh, err = keptDatabase(ctx, keep)
		done = func() error { pool.Close(); return nil }
	}
	if err != nil || !fresh {
		return pool, done, err
	}
	if err := (&filler{pool: pool, size: s, log: log}).fill(ctx); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return pool, done, nil
}

// bareConsole is what a page would take that shows nothing: one question to the
// database, asked by a handler.
func bareConsole(pool *pgxpool.Pool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var one int
		if err := pool.QueryRow(r.Context(), `SELECT 1`).Scan(&one); err != nil {
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, one)
	})
}

// measure looks at the addresses in turn, each time on a console that remembers
// nothing of the last look: it is what the first reader waits for, whom others then
// follow. There is no figure where the first address is not known to this build.
func (s *site) measure(ctx context.Context, log io.Writer, name string, addresses []string, bare http.Handler) (*figure, error) {
	var took, base []float64
	slowest, at := 0.0, ""
	for i := range consoleLooks {
		handler := s.again()
		if _, _, err := s.look(ctx, handler, "/admin/sign-in"); err != nil { // what a process does once
			return nil, err
		}
		address := addresses[i%len(addresses)]
		spent, code, err := s.look(ctx, handler, address)
		switch {
		case err != nil:
			return nil, err
		case code == http.StatusNotFound && i == 0:
			fmt.Fprintf(log, "  %s: there is no %s in this build\n", name, address)
			return nil, nil
		case code != http.StatusOK && code != http.StatusSeeOther:
			return nil, fmt.Errorf("GET %s: %d", address, code)
		}
		plain, _, err := s.look(ctx, bare, "/")
		if err != nil {
			return nil, err
		}
		if i < consoleWarm {
			continue
		}
		took, base = append(took, spent), append(base, plain)
		if spent > slowest {
			slowest, at = spent, address
		}
	}
	value, baseline := percentile(took, 95), percentile(base, 95)
	fmt.Fprintf(log, "  %-32s %7.1f ms, median %.1f, slowest %.1f: %s\n", name, value, percentile(took, 50), slowest, at)
	return &figure{Name: name, Value: value, Unit: "ms", Baseline: baseline, Ratio: value / baseline}, nil
}

// look asks for one address and gives the milliseconds that it took, and the status.
func (s *site) look(ctx context.Context, handler http.Handler, address string) (float64, int, error) {
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	req := httptest.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	req.Header.Set("Sec-Fetch-Dest", "document")
	for _, c := range s.cookies {
		req.AddCookie(c)
	}
	w := httptest.NewRecorder()
	begun := time.Now()
	handler.ServeHTTP(w, req)
	spent := time.Since(begun)
	if w.Code == http.StatusSeeOther && strings.HasPrefix(w.Header().Get("Location"), "/admin/sign-in") {
		return 0, 0, fmt.Errorf("GET %s: nobody is signed in", address)
	}
	return float64(spent.Microseconds()) / 1000, w.Code, nil
}

func percentile(values []float64, p int) float64 {
	slices.Sort(values)
	return values[min(len(values)-1, len(values)*p/100)]
}
