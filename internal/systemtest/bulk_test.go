package systemtest

import (
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// A bulk change of 100,000 products in one store delays no other store: its events
// wait as rows outside the merchant's window, while another store's event is applied
// and a new store is set up, about as fast as when nothing else is to be done.
func TestBulkChange(t *testing.T) {
	t.Parallel()
	const busy, other, first, second = 71051, 71052, 71053, 71054
	s := newSystem(t, options{workers: 2, stores: []sandbox.StoreSpec{
		store(busy, 8), store(other, 8), store(first, 0), store(second, 0),
	}})
	s.install(busy)
	s.install(other)
	s.awaitStatus(busy, "ready")
	s.awaitRun(busy, 90*time.Second)
	s.awaitStatus(other, "ready")
	s.awaitRun(other, 90*time.Second)

	idleEvent, idleInstall := s.eventLag(other), s.installLag(first)
	const changes = 100_000
	s.bulk(busy, changes)
	event, install := s.eventLag(other), s.installLag(second)
	t.Logf("another store's event: %s, %s while idle; a new store: %s, %s while idle", event, idleEvent, install, idleInstall)

	var left, runnable int
	if err := s.pool.QueryRow(t.Context(), `
		SELECT count(*) FILTER (WHERE status = 'received'), count(*) FILTER (WHERE state = 'runnable')
		FROM events
		WHERE merchant = $1`, busy).Scan(&left, &runnable); err != nil {
		t.Fatal(err)
	}
	if left < changes/2 {
		t.Errorf("only %d of %d changes were left: the store was not busy while it was measured", left, changes)
	}
	if runnable > 8 {
		t.Errorf("%d events of one merchant are in the queue, want a window of 8", runnable)
	}
	// Two cores are shared with everything else that is tested: what is refused is
	// waiting behind the hundred thousand, which is minutes.
	if limit := 3*idleEvent + 5*time.Second; event > limit {
		t.Errorf("another store's event took %s behind a bulk change, %s while idle", event, idleEvent)
	}
	if limit := 3*idleInstall + 5*time.Second; install > limit {
		t.Errorf("a new store took %s behind a bulk change, %s while idle", install, idleInstall)
	}
}

// eventLag changes a product of a store and gives the time until it is applied.
func (s *system) eventLag(merchant int64) time.Duration {
	s.t.Helper()
	var before int
	applied := func() (n int) {
		if err := s.pool.QueryRow(s.t.Context(), `
			SELECT count(*)
			FROM events
			WHERE merchant = $1 AND event LIKE 'product.%' AND status = 'applied'`, merchant).Scan(&n); err != nil {
			s.t.Fatal(err)
		}
		return n
	}
	before = applied()
	begun := time.Now()
	s.changed(s.sandbox.UpdateProduct(merchant, s.sandbox.SourceIDs(merchant, "products")[0]))
	dbtest.Eventually(s.t, 60*time.Second, "another store's change is applied", func() bool { return applied() > before })
	return time.Since(begun)
}

// installLag installs a store and gives the time until it is ready.
func (s *system) installLag(merchant int64) time.Duration {
	s.t.Helper()
	begun := time.Now()
	s.install(merchant)
	s.awaitStatus(merchant, "ready")
	return time.Since(begun)
}

// bulk makes a store's events as a bulk change of that many products leaves them.
func (s *system) bulk(merchant int64, changes int) {
	s.t.Helper()
	s.changed(s.sandbox.UpdateProduct(merchant, s.sandbox.SourceIDs(merchant, "products")[0]))
	const newest = `
		SELECT e.*, p.payload, p.body_length, p.body_hash
		FROM events AS e
		JOIN event_payloads AS p ON p.event_id = e.id
		WHERE e.merchant = $1 AND e.event = 'product.updated' AND e.status = 'applied'
		ORDER BY e.id DESC
		LIMIT 1`
	dbtest.Eventually(s.t, 30*time.Second, "one change is applied", func() bool {
		var n int
		err := s.pool.QueryRow(s.t.Context(), `SELECT count(*) FROM (`+newest+`) AS e`, merchant).Scan(&n)
		return err == nil && n == 1
	})
	if _, err := s.pool.Exec(s.t.Context(), `
		WITH model AS (`+newest+`), made AS (
			SELECT n, (lpad(to_hex((extract(epoch FROM clock_timestamp()) * 1000)::bigint), 12, '0')
			           || '7' || substr(md5(n::text), 1, 3) || '8' || substr(md5(n::text), 4, 15))::uuid AS id
			FROM generate_series(1, $2::int) AS n
		), event AS (
			INSERT INTO events (id, source, event, merchant, tenant_id, occurred_at, received_at, headers, lane, status, state)
			SELECT made.id, source, event, merchant, tenant_id, occurred_at, now(), headers, lane, 'received', 'held'
			FROM model, made
		)
		INSERT INTO event_payloads (event_id, payload, body_length, body_hash)
		SELECT made.id, jsonb_set(payload, '{data,id}', to_jsonb(1000000000 + n)), body_length, body_hash
		FROM model, made`, merchant, changes); err != nil {
		s.t.Fatalf("make a bulk change: %v", err)
	}
}
