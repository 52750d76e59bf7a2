package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tasks"
)

// What the figures of fairness are measured over.
const (
	fairStores = 10     // that import at the same time
	fairOrders = 50_000 // of each
	fairPairs  = 5
	fairUnder  = 40 // pages that the imports do before a merchant installs beside them

	fairSpreadOrders = 12_000 // of each of the equal merchants
	fairWorkers      = 3      // that import them

	fairFirst = 80_000 // the first merchant
)

// fairReady is one way of measuring how long a merchant's setup takes beside giant imports.
type fairReady struct {
	figure  string
	rate    string // the sandbox's limits
	workers int
}

func fairReadies() []fairReady {
	return []fairReady{
		{"fair.ready", "documented", 1},
		{"fair.ready.unlimited", "off", 1},
		{"fair.ready.three", "off", 3},
	}
}

// fairSuite measures what giant imports do to others: to a merchant who installs
// the app meanwhile, and to each other.
func fairSuite() suite {
	s := suite{name: "fair", figures: []string{"fair.spread"}, run: benchFair}
	for _, way := range fairReadies() {
		s.figures = append(s.figures, way.figure)
	}
	return s
}

func benchFair(ctx context.Context, log io.Writer, wanted func(string) bool) (figures []figure, err error) {
	first := fairFirst
	for _, way := range fairReadies() {
		if !wanted(way.figure) {
			continue
		}
		// What Redis remembers of a store's limits is not the next measurement's.
		f, err := measureFair(ctx, way.rate, way.workers, first, fairOrders, func(r *fairRun) (figure, error) {
			return r.ready(ctx, log, way.figure)
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.figure, err)
		}
		figures = append(figures, f)
		first += 1000
	}
	if wanted("fair.spread") {
		f, err := measureFair(ctx, "off", fairWorkers, first, fairSpreadOrders, func(r *fairRun) (figure, error) { return r.spread(ctx, log) })
		if err != nil {
			return nil, fmt.Errorf("fair.spread: %w", err)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

// fairRun is a fleet and ten stores whose imports are there to be done, while the
// lane of imports is paused.
type fairRun struct {
	*fleet
	queue *tasks.Enqueuer
	next  int64 // the next merchant who installs
}

// measureFair brings everything up, takes one figure and removes it all.
func measureFair(
	ctx context.Context, rate string, workers, first, orders int, take func(*fairRun) (figure, error),
) (fig figure, err error) {
	err = withFleet(ctx, rate, func(f *fleet) error {
		fig, err = f.fair(ctx, workers, first, orders, take)
		return err
	})
	return fig, err
}

func (f *fleet) fair(
	ctx context.Context, workers, first, orders int, take func(*fairRun) (figure, error),
) (fig figure, err error) {
	rdb, err := tasks.OpenRedis(os.Getenv("REDIS_URL"))
	if err != nil {
		return fig, fmt.Errorf("open Redis: %w", err)
	}
	defer rdb.Close()
	r := &fairRun{fleet: f, queue: tasks.NewEnqueuer(rdb), next: int64(first + fairStores)}
	if err := r.queue.Pause(ctx, tasks.LaneImports, true); err != nil {
		return fig, err
	}
	defer func() { err = errors.Join(err, r.queue.Pause(context.WithoutCancel(ctx), tasks.LaneImports, false)) }()
	for number := range workers {
		if err := r.startWorker(number); err != nil {
			return fig, err
		}
	}
	for merchant := int64(first); merchant < r.next; merchant++ {
		// Each is ready before the next comes: all begin to import at the same time.
		if _, err := r.installed(ctx, fairStore(merchant, orders)); err != nil {
			return fig, err
		}
	}
	return take(r)
}

// fairStore is a store of that many orders; all of a number are equal.
func fairStore(merchant int64, orders int) sandbox.StoreSpec {
	return sandbox.StoreSpec{
		Merchant: merchant, Name: fmt.Sprintf("Bench %d", merchant), Email: fmt.Sprintf("owner%d@shop.example", merchant),
		Plan: "special", Orders: orders, Customers: orders / 40, Products: orders / 100, Carts: orders / 500,
	}
}

// ready takes how long a merchant's setup takes while ten stores import, and while
// nothing else is done, in turn.
func (r *fairRun) ready(ctx context.Context, log io.Writer, name string) (figure, error) {
	var idle, busy []float64 // ms
	for range fairPairs {
		alone, err := r.newcomer(ctx)
		if err != nil {
			return figure{}, err
		}
		if err := r.queue.Pause(ctx, tasks.LaneImports, false); err != nil {
			return figure{}, err
		}
		if err := r.imported(ctx, fairUnder); err != nil {
			return figure{}, err
		}
		before, begun := r.pages(ctx), time.Now()
		beside, err := r.newcomer(ctx)
		if err != nil {
			return figure{}, err
		}
		done, took := r.pages(ctx)-before, time.Since(begun)
		if err := r.quiet(ctx); err != nil {
			return figure{}, err
		}
		fmt.Fprintf(log, "%s: %.0f ms idle, %.0f ms beside the imports, which did %.1f pages a second meanwhile\n",
			name, alone, beside, float64(done)/took.Seconds())
		idle, busy = append(idle, alone), append(busy, beside)
	}
	value, baseline := median(busy), median(idle)
	return figure{Name: name, Value: value, Unit: "ms", Baseline: baseline, Ratio: value / baseline}, nil
}

// newcomer has a store without history install the app; it returns the ms until it
// is ready.
func (r *fairRun) newcomer(ctx context.Context) (float64, error) {
	spec := fairStore(r.next, 0)
	r.next++
	return r.installed(ctx, spec)
}

// installed adds a store and installs the app in it. It returns the ms from the first
// webhook to when the tenant is ready.
func (r *fairRun) installed(ctx context.Context, spec sandbox.StoreSpec) (float64, error) {
	r.sandbox.AddStore(spec)
	begun := time.Now()
	if err := r.sandbox.Install(ctx, spec.Merchant); err != nil {
		return 0, fmt.Errorf("install a store: %w", err)
	}
	for time.Since(begun) < 5*time.Minute {
		var at *time.Time
		err := r.pool.QueryRow(ctx, `SELECT max(ready_at) FROM tenants WHERE merchant = $1`, spec.Merchant).Scan(&at)
		if err != nil {
			return 0, fmt.Errorf("read a tenant: %w", err)
		}
		if at != nil {
			return float64(at.Sub(begun).Microseconds()) / 1000, nil
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return 0, err
		}
	}
	return 0, fmt.Errorf("merchant %d is not ready after five minutes", spec.Merchant)
}

// quiet pauses the imports and waits until no page is in anybody's hand.
func (r *fairRun) quiet(ctx context.Context) error {
	if err := r.queue.Pause(ctx, tasks.LaneImports, true); err != nil {
		return err
	}
	return r.until(ctx, "the workers put the imports down", func() (bool, error) {
		lanes, err := r.queue.Lanes(ctx)
		at := slices.IndexFunc(lanes, func(l tasks.LaneStat) bool { return l.Lane == tasks.LaneImports })
		return err == nil && lanes[at].Active == 0, err
	})
}

// imported waits until that many more pages are imported.
func (r *fairRun) imported(ctx context.Context, pages int) error {
	before := r.pages(ctx)
	return r.until(ctx, "the stores import", func() (bool, error) { return r.pages(ctx) >= before+pages, ctx.Err() })
}

// pages is how many pages are done, of all stores; 0 where it cannot be told.
func (r *fairRun) pages(ctx context.Context) (done int) {
	if err := r.pool.QueryRow(ctx, `SELECT coalesce(sum(pages), 0) FROM streams`).Scan(&done); err != nil {
		return 0
	}
	return done
}

// spread lets ten equal merchants import until the first has half of its lists.
func (r *fairRun) spread(ctx context.Context, log io.Writer) (figure, error) {
	spec := fairStore(0, fairSpreadOrders)
	half := (spec.Orders + spec.Customers + spec.Products + spec.Carts) / 2
	if err := r.queue.Pause(ctx, tasks.LaneImports, false); err != nil {
		return figure{}, err
	}
	var records []int
	err := r.until(ctx, "a merchant is half done", func() (done bool, err error) {
		records, err = r.records(ctx)
		return len(records) > 0 && slices.Max(records) >= half, err
	})
	if err != nil {
		return figure{}, err
	}
	if len(records) < fairStores {
		return figure{}, fmt.Errorf("only %d of %d stores had begun when the first was half done", len(records), fairStores)
	}
	slices.Sort(records)
	fmt.Fprintf(log, "fair.spread: records of each when the first has half: %d\n", records)
	most := float64(slices.Max(records))
	return figure{Name: "fair.spread", Value: 100 * (most - float64(slices.Min(records))) / most, Unit: "%"}, nil
}

// records gives how many records of its lists each store has imported.
func (r *fairRun) records(ctx context.Context) ([]int, error) {
	rows, err := r.pool.Query(ctx, `
		SELECT sum(imported + unchanged + rejected + deleted)::int
		FROM streams
		WHERE resource <> 'order_details'
		GROUP BY tenant_id`)
	if err != nil {
		return nil, fmt.Errorf("read the streams: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("read the streams: %w", err)
	}
	return all, nil
}

// until waits for what is bound to come while the fleet works.
func (r *fairRun) until(ctx context.Context, what string, there func() (bool, error)) error {
	for begun := time.Now(); time.Since(begun) < 15*time.Minute; {
		ok, err := there()
		if err != nil || ok {
			return err
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
	return fmt.Errorf("waited a quarter of an hour: %s", what)
}
