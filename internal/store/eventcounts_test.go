package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/dbtest"
)

// In a small table every event is counted; in a large one what is rare is counted too,
// and what is common is PostgreSQL's estimate.
func TestEventsAbout(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	exec(t, db, `
		INSERT INTO events (id, source, event, lane, status, state)
		SELECT gen_random_uuid(), 'salla', 'order.created', 'events',
		       CASE WHEN n <= 3 THEN 'failed' WHEN n <= 5 THEN 'ignored' ELSE 'applied' END, CASE WHEN n <= 3 THEN 'failed' ELSE 'done' END
		FROM generate_series(1, 12000) AS n`)
	about := func() map[string]int64 {
		t.Helper()
		got, err := db.EventsAbout(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for status, n := range got {
			if n == 0 {
				delete(got, status)
			}
		}
		return got
	}
	if diff := cmp.Diff(map[string]int64{"failed": 3, "ignored": 2, "applied": 11_995}, about()); diff != "" {
		t.Errorf("of a small table (-want +got)\n%s", diff)
	}
	exec(t, db, `ANALYZE events`)
	exec(t, db, `UPDATE pg_class SET reltuples = $1 WHERE oid = 'events'::regclass`, 10*EventsCounted)
	got := about()
	if got["failed"] != 3 || got["ignored"] != 2 || got["applied"] < 9*EventsCounted || got["applied"] > 10*EventsCounted {
		t.Errorf("of a large table: %v", got)
	}
}
