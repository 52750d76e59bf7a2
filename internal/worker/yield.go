package worker

import (
	"context"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// A lane of their own gives new merchants a worker at once, but no processor: ten
// imports at full speed share the machine, PostgreSQL and Redis with whoever is
// being set up. So bulk work steps aside meanwhile: before it takes its row, so that
// it holds no lease and no connection and spends nothing, and between its steps
// (StepAside). It is weighted, never strict: each piece of bulk work waits for a
// bounded time, so that no rush of sign-ups stops the imports.
const (
	// yieldMost is the longest that one piece of work waits, before and while it is
	// done. It is some setups long: were it one, a fleet's bulk workers, who go on as
	// their waits end, would be as busy as ever before the merchant is ready. Each
	// waits at least half of it: those that began to wait together do not go on
	// together.
	yieldMost = 10 * time.Second
	// yieldLook is between two looks at what the fleet has in hand.
	yieldLook = 50 * time.Millisecond
	// yieldStep is between two looks at what this process knows.
	yieldStep = 20 * time.Millisecond
	// yieldPatience is how long one merchant's setup is waited for. One that takes
	// longer waits for a provider itself, and the processors are idle.
	yieldPatience = 15 * time.Second
)

// setsUp tells whether a merchant waits for a task: the steps of the setup, and the
// app's own events that lead to it. The rest of the lane can wait as well as any.
func setsUp(lane, kind string) bool {
	return lane == tasks.LaneProvisioning && slices.Contains(setupKinds(), kind)
}

func setupKinds() []string { return []string{store.KindTenantProvision, store.KindEventApply} }

// yield makes bulk work step aside while merchants are being set up.
type yield struct {
	fleet  func(context.Context) ([]string, error) // ids of setup tasks in hand anywhere
	most   time.Duration                           // the longest wait
	linger time.Duration                           // from one task of a setup to the next
	spent  prometheus.Counter

	mu     sync.Mutex
	here   map[string]time.Time // setup tasks in hand here, since when
	there  map[string]time.Time // in hand in the fleet, since when they are known
	looked time.Time            // when the fleet was last asked
	last   time.Time            // when a setup was last known to go on
}

// newYield is a worker's yield.
func newYield(w *Worker) *yield {
	y := &yield{
		fleet: func(ctx context.Context) ([]string, error) {
			return w.Queue.InHand(ctx, tasks.LaneProvisioning, setupKinds()...)
		},
		// The sweeper misses the lease of a task that waits too long.
		most: min(yieldMost, w.Intervals.Unleased/3),
		// The next task of a setup is found at the next look at an empty lane.
		linger: 2 * w.Intervals.TaskCheck,
		spent: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "wosool_yield_seconds_total",
			Help: "Time that imports and other bulk work stepped aside for merchants being set up.",
		}),
		here: map[string]time.Time{}, there: map[string]time.Time{},
	}
	w.Metrics.MustRegister(y.spent)
	return y
}

// setup notes that a task of a merchant's setup is in hand here, until end is called.
func (y *yield) setup(id string) (end func()) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.last = time.Now()
	y.here[id] = y.last
	return func() {
		y.mu.Lock()
		defer y.mu.Unlock()
		if y.waitedFor(time.Now()) {
			y.last = time.Now()
		}
		delete(y.here, id)
	}
}

// turn is one piece of bulk work that is being done.
type turn struct {
	*yield
	mu   sync.Mutex
	left time.Duration // how long it may still wait between its steps
}

type turnKey struct{}

// enter lets bulk work in, at once or after it has stepped aside. What it returns is
// for StepAside. ok is false where the process drains or ctx is over: the work is not
// begun.
func (y *yield) enter(ctx context.Context) (inside context.Context, ok bool) {
	most := y.most/2 + rand.N(y.most/2+1) //nolint:gosec // spreads, hides nothing
	waited, ok := y.wait(ctx, most)
	if !ok {
		return ctx, false
	}
	return context.WithValue(ctx, turnKey{}, &turn{yield: y, left: most - waited}), true
}

// StepAside lets a merchant's setup go first where ctx is that of imports or other
// bulk work: it waits between two steps of that work, for what is left of its
// bounded time. Others, and a process that drains, go on at once.
func StepAside(ctx context.Context) {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	waited, _ := t.wait(ctx, t.left)
	t.left -= waited
}

// stepsAside tells whether StepAside would wait.
func stepsAside(ctx context.Context) bool {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok || fault.Draining(ctx) || ctx.Err() != nil {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.left > 0 && t.setupGoesOn(ctx)
}

// wait returns as soon as no setup goes on, at the latest after most. ok is false where
// the process drains or ctx is over.
func (y *yield) wait(ctx context.Context, most time.Duration) (waited time.Duration, ok bool) {
	begun := time.Now()
	for time.Since(begun) < most && y.setupGoesOn(ctx) {
		select {
		case <-ctx.Done():
			return time.Since(begun), false
		case <-time.After(yieldStep):
		}
		if fault.Draining(ctx) {
			return time.Since(begun), false
		}
	}
	waited = time.Since(begun)
	y.spent.Add(waited.Seconds())
	return waited, true
}

// setupGoesOn tells whether a merchant's setup is in hand, or was a moment ago.
func (y *yield) setupGoesOn(ctx context.Context) bool {
	if !protect.Yield {
		return false
	}
	y.look(ctx)
	y.mu.Lock()
	defer y.mu.Unlock()
	now := time.Now()
	if y.waitedFor(now) {
		y.last = now
	}
	return now.Sub(y.last) < y.linger
}

// waitedFor tells whether there is a setup in hand that has not taken too long.
func (y *yield) waitedFor(now time.Time) bool {
	recent := func(since time.Time) bool { return now.Sub(since) < yieldPatience }
	return slices.ContainsFunc(slices.Collect(maps.Values(y.here)), recent) ||
		slices.ContainsFunc(slices.Collect(maps.Values(y.there)), recent)
}

// look asks the fleet, now and then and one caller at a time; the others go on with
// what is known. A Redis that does not answer tells of no setup.
func (y *yield) look(ctx context.Context) {
	now := time.Now()
	y.mu.Lock()
	due := now.Sub(y.looked) >= yieldLook
	if due {
		y.looked = now
	}
	y.mu.Unlock()
	if !due {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, yieldLook)
	defer cancel()
	ids, err := y.fleet(ctx)
	if err != nil {
		ids = nil
	}
	there := make(map[string]time.Time, len(ids))
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, id := range ids {
		since, known := y.there[id]
		if !known {
			since = now
		}
		there[id] = since
	}
	y.there = there
}
