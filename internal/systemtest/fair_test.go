package systemtest

import (
	"slices"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// A store installs the app while the imports of others are under way: it is ready
// about as fast as when nothing else is done, and no store has more of the queue than
// its window.
func TestSetupBesideImports(t *testing.T) {
	t.Parallel()
	const giants, first, rounds = 3, 72061, 3
	var stores []sandbox.StoreSpec
	for n := range int64(giants) {
		stores = append(stores, store(first+n, 3000))
	}
	for n := range int64(2 * rounds) {
		stores = append(stores, store(first+100+n, 0))
	}
	s := newSystem(t, options{workers: 2, stores: stores})
	var idle, beside []time.Duration
	for n := range int64(rounds) {
		idle = append(idle, s.installLag(first+100+n))
	}
	for n := range int64(giants) {
		s.install(first + n)
	}
	pages := func() (done int) {
		if err := s.pool.QueryRow(t.Context(), `SELECT coalesce(sum(pages), 0) FROM streams`).Scan(&done); err != nil {
			t.Fatal(err)
		}
		return done
	}
	dbtest.Eventually(t, 60*time.Second, "the giants import", func() bool {
		return s.holds(`
			SELECT FROM streams AS s JOIN tenants AS t ON t.id = s.tenant_id
			WHERE t.merchant < $1 AND s.resource = 'orders' AND s.pages > 2
			HAVING count(*) >= $2`, first+100, giants)
	})

	before := pages()
	for n := range int64(rounds) {
		beside = append(beside, s.installLag(first+100+rounds+n))
		var widest int
		if err := s.pool.QueryRow(t.Context(), `
			SELECT coalesce(max(n), 0)
			FROM (SELECT count(*) AS n FROM pages WHERE state = 'runnable' GROUP BY tenant_id) AS w`).Scan(&widest); err != nil {
			t.Fatal(err)
		}
		if widest > 6 {
			t.Errorf("%d pages of one store are in the queue, want a window of 6", widest)
		}
	}

	t.Logf("a new store is ready after %s, and after %s while nothing else is done", beside, idle)
	if pages() == before || !s.holds(`SELECT FROM runs AS r JOIN tenants AS t ON t.id = r.tenant_id
		WHERE t.merchant < $1 AND r.status = 'running' HAVING count(*) >= $2`, first+100, giants) {
		t.Error("the giants did not import while the new stores were set up")
	}
	slices.Sort(idle)
	slices.Sort(beside)
	// Two cores are shared with everything else that is tested: `make bench` holds it
	// to half as much again.
	if limit := 3*idle[rounds/2] + 2*time.Second; beside[rounds/2] > limit {
		t.Errorf("beside imports a new store is ready after %s, want %s at most", beside[rounds/2], limit)
	}
}
