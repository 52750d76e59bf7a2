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
// bounded time, and some of a process's bulk workers never wait, so that no rush of
// sign-ups stops the imports.
const (
	// yieldMost is the longest that one piece of work waits, before and while it is
	// done. It is some setups long: were it one, a fleet's bulk workers, who go on as
	// their waits end, would be as busy as ever before the merchant is ready. Each
	// waits at least half of it: those that began to wait together do not go on
	// together.
	yieldMost = 10 * time.Second
	// yieldLook is between two looks at what the fleet has in hand.
	yieldLook = 150 * time.Millisecond
	// yieldStep is between two looks at what this process knows.
	yieldStep = 20 * time.Millisecond
	// yieldPatience is how long one merchant's setup is waited for. One that takes
	// longer waits for a provider itself, and the processors are idle.
	yieldPatience = 15 * time.Second
	// yieldShare: one of so many bulk workers never waits.
	yieldShare = 12
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
	free   int                                     // how many pieces of bulk work at once wait for nobody
	most   time.Duration                           // the longest wait
	linger time.Duration                           // from one task of a setup to the next
	spent  prometheus.Counter

	mu     sync.Mutex
	bulk   int                  // pieces of bulk work being done here
	here   map[string]time.Time // setup tasks in hand here, since when
	there  map[string]time.Time // in hand in the fleet, since when they are known
	looked time.Time            // when the fleet was last asked
	last   time.Time            // when a setup was last known to go on
}

// newYield is the yield of a worker that does so many pieces of bulk work at once.
func newYield(w *Worker, concurrency int) *yield {
	y := &yield{
		fleet: func(ctx context.Context) ([]string, error) {
			return w.Queue.InHand(ctx, tasks.LaneProvisioning, setupKinds()...)
		},
		free: max(1, concurrency/yieldShare),
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

// turn is the leave of one piece of bulk work to be done.
type turn struct {
	*yield
	mu   sync.Mutex
	left time.Duration // how long it may still wait between its steps
}

type turnKey struct{}

// enter lets bulk work in, at once or after it has stepped aside: what it returns
// carries its turn, which the caller gives back by leave when the work is over. ok is
// false where the process drains or ctx is over: the work is not begun.
func (y *yield) enter(ctx context.Context) (inside context.Context, leave func(), ok bool) {
	most := y.most/2 + rand.N(y.most/2+1) //nolint:gosec // spreads, hides nothing
	if _, ok := y.wait(ctx, most); !ok {
		return ctx, nil, false
	}
	return context.WithValue(ctx, turnKey{}, &turn{yield: y, left: y.most}), y.leave, true
}

func (y *yield) leave() {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.bulk--
}

// StepAside lets a merchant's setup go first where ctx is that of imports or other
// bulk work: it waits between two steps of that work, for a bounded time in all.
// Others, and a process that drains, go on at once.
func StepAside(ctx context.Context) {
	t, ok := ctx.Value(turnKey{}).(*turn)
	if !ok {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leave()
	waited, ok := t.wait(ctx, t.left)
	t.left -= waited
	if !ok {
		t.yield.mu.Lock()
		t.bulk++
		t.yield.mu.Unlock()
	}
}

// wait counts the caller in as soon as it needs not wait any more, at the latest
// after most. ok is false where the process drains or ctx is over.
func (y *yield) wait(ctx context.Context, most time.Duration) (waited time.Duration, ok bool) {
	begun := time.Now()
	for !y.admit(ctx, time.Since(begun) >= most) {
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

// admit counts the caller in if it needs not wait any more.
func (y *yield) admit(ctx context.Context, waited bool) bool {
	if !waited {
		y.look(ctx)
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	if protect.Yield && !waited && y.bulk >= y.free && y.setupGoesOn(time.Now()) {
		return false
	}
	y.bulk++
	return true
}

// setupGoesOn tells whether a merchant's setup is in hand, or was a moment ago.
func (y *yield) setupGoesOn(now time.Time) bool {
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
