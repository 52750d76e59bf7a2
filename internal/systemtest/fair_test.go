package systemtest

import (
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// A store installs the app while the imports of others are under way, and its setup
// takes a while: meanwhile they come to rest, in every process, and go on when it is
// ready. No store ever has more of the queue than its window.
func TestSetupBesideImports(t *testing.T) {
	t.Parallel()
	const (
		giants, first, newcomer = 2, 72061, 72161

		// A piece of bulk work waits for five seconds at least: that long nothing may go
		// on but what has got a place to land in.
		slow, rest = 6 * time.Second, time.Second
	)
	stores := []sandbox.StoreSpec{store(newcomer, 0)}
	for n := range int64(giants) {
		stores = append(stores, store(first+n, 3000))
	}
	// What waits ten seconds at most waits no longer than a third of this.
	s := newSystem(t, options{workers: 2, rate: "off", stores: stores, env: []string{"UNLEASED_AFTER=30s"}})
	pages := func() (done int) {
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM pages WHERE done_at IS NOT NULL`).Scan(&done); err != nil {
			t.Fatal(err)
		}
		return done
	}
	goOn := func(what string) {
		before := pages()
		dbtest.Eventually(t, 60*time.Second, what, func() bool { return pages() >= before+12 })
	}
	for n := range int64(giants) {
		s.install(first + n)
	}
	for n := range int64(giants) {
		s.awaitStatus(first+n, "ready")
	}
	goOn("the giants import")

	s.fault(t, sandbox.FaultRule{
		System: "salla", Path: "/store/info", Merchant: newcomer, Effect: sandbox.EffectLatency, Latency: slow,
	})
	s.install(newcomer)
	dbtest.Eventually(t, 60*time.Second, "the newcomer is being set up", func() bool { return s.sandbox.Faults()[0].Struck > 0 })
	if !s.windows() {
		t.Error("a store has more pages in the queue than a window of 6")
	}
	begun, moved, done := time.Now(), time.Now(), pages()
	atFirst := done
	dbtest.Eventually(t, slow-rest, "the imports come to rest", func() bool {
		if now := pages(); now != done {
			moved, done = time.Now(), now
		}
		return time.Since(moved) >= rest
	})
	t.Logf("%d pages were imported after the setup began, the last after %s", done-atFirst, moved.Sub(begun))

	s.awaitStatus(newcomer, "ready")
	goOn("the giants go on")
	if !s.windows() {
		t.Error("a store has more pages in the queue than a window of 6")
	}
}

// windows tells whether each store has at most a window of pages in the queue.
func (s *system) windows() bool {
	s.t.Helper()
	return !s.holds(`SELECT FROM pages WHERE state = 'runnable' GROUP BY tenant_id HAVING count(*) > 6`)
}
