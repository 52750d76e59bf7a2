package worker

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"
)

const (
	// landingLong is after what a landing no longer keeps a processor busy but waits: for
	// a database that is locked, or does not answer. It is one merchant's, and must not
	// hold up everybody's pages.
	landingLong = time.Second
	// landingCredit is by how many pages a merchant who was behind catches up.
	landingCredit = 16
)

// Landings are the places of a process to land pages in: what they keep busy are the
// processors, so more than there are only stand in each other's way, and in the way
// of a merchant who is being set up.
//
// A place goes to the merchant who had the fewest so far, in the whole fleet. The lane
// alone, first come first served, would let merchants drift apart: whose pages wait a
// little longer, for Salla or for a lock, come again a little later, and nothing makes
// up for it.
type Landings struct {
	shares *shares // nil: no other process is known

	mu      sync.Mutex
	free    int
	waiting []*landing // in the order they came
	// had is how many places a merchant had, on a clock that is the most that one had:
	// who comes anew, or is far behind, is landingCredit behind.
	had  map[uuid.UUID]int
	most int
}

// landing is a page that waits for a place.
type landing struct {
	tenant uuid.UUID
	turn   chan struct{} // closed when it has one
}

// NewLandings makes as many places as there are processors. What merchants had is
// counted in Redis.
func NewLandings(rdb redis.UniversalClient) *Landings {
	return newLandings(runtime.GOMAXPROCS(0), &shares{rdb: rdb, key: sharesKey})
}

func newLandings(places int, s *shares) *Landings {
	return &Landings{free: places, shares: s, had: map[uuid.UUID]int{}}
}

// Take waits for a place for a page of the tenant, which release gives back. It steps
// aside before it has one, never in it: whoever holds a place would make the pages
// behind it wait, one after the other. err is ctx's.
func (l *Landings) Take(ctx context.Context, tenant uuid.UUID) (release func(), err error) {
	for {
		StepAside(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		w := l.queue(tenant)
		select {
		case <-w.turn:
		case <-ctx.Done():
			l.leave(w)
			return nil, ctx.Err()
		}
		if !stepsAside(ctx) {
			leave := sync.OnceFunc(l.give)
			long := time.AfterFunc(landingLong, leave)
			l.share(ctx, tenant)
			return func() { long.Stop(); leave() }, nil
		}
		l.leave(w)
	}
}

func (l *Landings) queue(tenant uuid.UUID) *landing {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := &landing{tenant: tenant, turn: make(chan struct{})}
	l.waiting = append(l.waiting, w)
	l.fill()
	return w
}

// share tells the fleet of a place that a merchant has, and learns what those who wait
// had elsewhere. Without Redis each process goes by its own count.
func (l *Landings) share(ctx context.Context, tenant uuid.UUID) {
	if l.shares == nil {
		return
	}
	tenants := []uuid.UUID{tenant}
	l.mu.Lock()
	for _, w := range l.waiting {
		if !slices.Contains(tenants, w.tenant) {
			tenants = append(tenants, w.tenant)
		}
	}
	l.mu.Unlock()
	most, had, err := l.shares.count(ctx, tenants)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.most = most
	for i, m := range tenants {
		l.had[m] = had[i]
	}
}

// leave takes back that a page waits, or the place that it was given meanwhile.
func (l *Landings) leave(w *landing) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := slices.Index(l.waiting, w); at >= 0 {
		l.waiting = slices.Delete(l.waiting, at, at+1)
		return
	}
	if _, known := l.had[w.tenant]; known {
		l.had[w.tenant]--
	}
	l.free++
	l.fill()
}

// give gives a place back.
func (l *Landings) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free++
	l.fill()
}

// fill gives the free places to those who wait.
func (l *Landings) fill() {
	for l.free > 0 && len(l.waiting) > 0 {
		next := 0
		for i, w := range l.waiting {
			if l.of(w.tenant) < l.of(l.waiting[next].tenant) {
				next = i
			}
		}
		w := l.waiting[next]
		l.waiting = slices.Delete(l.waiting, next, next+1)
		l.free--
		l.count(w.tenant)
		close(w.turn)
	}
}

// of is how many places a merchant had, as it counts.
func (l *Landings) of(tenant uuid.UUID) int { return max(l.had[tenant], l.most-landingCredit) }

func (l *Landings) count(tenant uuid.UUID) {
	if _, known := l.had[tenant]; !known { // a good time to forget those who have gone
		maps.DeleteFunc(l.had, func(_ uuid.UUID, n int) bool { return n <= l.most-landingCredit })
	}
	l.had[tenant] = l.of(tenant) + 1
	l.most = max(l.most, l.had[tenant])
}
