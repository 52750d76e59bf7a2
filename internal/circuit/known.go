package circuit

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wosool/wosool/internal/store"
)

// state is how a circuit stands, in times of our own clock.
type state struct {
	store.Circuit

	since      time.Time
	retryAt    time.Time
	probeUntil time.Time
}

func (s state) open() bool { return s.OpenedAt != nil }

// shut tells whether nobody is let through now: the next probe is not due, or is
// being made.
func (s state) shut(now time.Time) bool {
	return s.open() && (s.retryAt.After(now) || s.probeUntil.After(now))
}

// stateOf puts a circuit's times on our clock, which need not agree with the database's.
func stateOf(c store.Circuit) state {
	off := time.Since(c.Now)
	ours := func(t *time.Time) time.Time {
		if t == nil {
			return time.Time{}
		}
		return t.Add(off)
	}
	return state{Circuit: c, since: ours(c.FailingSince), retryAt: ours(c.RetryAt), probeUntil: ours(c.ProbeUntil)}
}

// known is what this process knows of the circuits that are not in order.
type known struct {
	fresh time.Duration // for how long it is believed

	mu      sync.Mutex
	circuit map[string]state
	asked   time.Time
	asking  chan struct{} // closed when the answer is there; nil: nobody asks
	changes int           // that were learned by writing
}

func (k *known) get(name string) (state, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	s, ok := k.circuit[name]
	return s, ok
}

func (k *known) all() []state {
	k.mu.Lock()
	defer k.mu.Unlock()
	return slices.Collect(maps.Values(k.circuit))
}

// stale is after how many times of being fresh what is known is waited for.
const stale = 5

// begin tells whether the caller is the one to ask again; it then calls end. Who is
// not, and knows too little without, waits for the answer.
func (k *known) begin() (mine bool, changes int, wait <-chan struct{}) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch age := time.Since(k.asked); {
	case age < k.fresh:
		return false, 0, nil
	case k.asking == nil:
		k.asking = make(chan struct{})
		return true, k.changes, nil
	case age > stale*k.fresh:
		return false, 0, k.asking
	}
	return false, 0, nil
}

// end keeps what was read, unless something newer was learned meanwhile.
func (k *known) end(list []store.Circuit, err error, changes int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.asking)
	k.asking, k.asked = nil, time.Now()
	if err != nil || changes != k.changes {
		return
	}
	k.circuit = make(map[string]state, len(list))
	for _, c := range list {
		k.circuit[c.Name] = stateOf(c)
	}
}

// look returns how a circuit stands that is open or failing. Where PostgreSQL does
// not answer, what was known holds.
func (c *Circuits) look(ctx context.Context, name string) (state, bool) {
	c.refresh(ctx)
	return c.known.get(name)
}

func (c *Circuits) refresh(ctx context.Context) {
	mine, changes, wait := c.known.begin()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
		}
	}
	if !mine {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	list, err := c.book.Circuits(ctx)
	if err != nil {
		c.log.DebugContext(ctx, "circuits not read", "error", err)
	}
	c.known.end(list, err, changes)
}

// lookTimeout bounds a look: a slow answer must not slow down calls.
const lookTimeout = time.Second

// learn keeps what a write has answered.
func (c *Circuits) learn(now store.Circuit) *state {
	s := stateOf(now)
	k := &c.known
	k.mu.Lock()
	defer k.mu.Unlock()
	k.changes++
	if k.circuit == nil {
		k.circuit = map[string]state{}
	}
	if now.Failures == 0 {
		delete(k.circuit, now.Name)
	} else {
		k.circuit[now.Name] = s
	}
	return &s
}

// forget keeps that a circuit is in order.
func (c *Circuits) forget(name string) {
	c.known.mu.Lock()
	defer c.known.mu.Unlock()
	c.known.changes++
	delete(c.known.circuit, name)
}
