package systemtest

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/dbtest"
)

// PostgreSQL restarted, crashed, its connections ended again and again, its
// tables locked and its slots used up, each in the middle of work. While it is
// down webhooks are answered 503 and sent again; everything goes on by itself.
func TestFaultPostgres(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnPostgres(t)
	o := options{databaseURL: server.URL(), workers: 2}
	const first = 73501
	for m := int64(first); m < first+10; m++ {
		o.stores = append(o.stores, shop(m, 12))
	}
	s := newSystem(t, o)
	s.slowly(15 * time.Millisecond)
	next := int64(first)
	// during strikes in the middle of one store's way; another is installed meanwhile.
	during := func(strike, end func()) {
		t.Helper()
		working, meanwhile := next, next+1
		next += 2
		s.install(working)
		s.awaitCalls(40)
		strike()
		s.install(meanwhile)
		if end != nil {
			end()
		}
		s.awaitEqual(t, 90*time.Second, working, meanwhile)
	}

	during(server.Stop, func() {
		s.ready(t, http.StatusServiceUnavailable, "down")
		const order = `{"event":"order.created","merchant":73501,"created_at":"2026-11-01 10:00:00","data":{"id":1}}`
		if code := s.deliver(t, order); code != http.StatusServiceUnavailable {
			t.Errorf("a delivery while PostgreSQL is down: %d, want 503", code)
		}
		server.Start()
	})
	during(server.Kill, server.Start)
	during(func() {
		for range 5 {
			s.awaitCalls(5)
			s.endConnections(t)
		}
	}, nil)
	var waited func() bool
	var free func()
	during(func() {
		waited, free = s.locks(s.control, `SELECT FROM tenants FOR UPDATE; LOCK TABLE runs, pages IN ACCESS EXCLUSIVE MODE`)
	}, func() {
		dbtest.Eventually(t, 20*time.Second, "work waits for the locks", waited)
		s.lasts(t, 3*time.Second) // two leases
		free()
	})
	var filled []*pgx.Conn
	during(func() {
		filled = fill(t, server.URL())
		s.kill("worker-1")
		s.startWorker("worker-1")
	}, func() {
		s.endConnections(t, filled...)
		filled = append(filled, fill(t, server.URL())...)
		s.lasts(t, 2*time.Second)
		for _, c := range filled {
			closeConn(t, c)
		}
	})
	s.sandbox.ClearFaults()
	s.invariants(t, 45*time.Second)
}

// lasts waits as long as a fault is to last: several leases, for one.
func (s *system) lasts(t *testing.T, length time.Duration) {
	t.Helper()
	until := time.Now().Add(length)
	dbtest.Eventually(t, 2*length, "the fault lasted", func() bool { return time.Now().After(until) })
}

// endConnections ends everybody's connections but the test's own.
func (s *system) endConnections(t *testing.T, keep ...*pgx.Conn) {
	t.Helper()
	kept := make([]uint32, 0, len(keep))
	for _, c := range keep {
		kept = append(kept, c.PgConn().PID())
	}
	if _, err := s.pool.Exec(t.Context(), `
		SELECT pg_terminate_backend(pid)
		FROM pg_stat_activity
		WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND pid <> ALL ($1::bigint[])
		  AND application_name LIKE 'wosool%'`, kept); err != nil {
		t.Fatal(err)
	}
}

// fill opens connections until the server takes no more.
func fill(t *testing.T, address string) []*pgx.Conn {
	t.Helper()
	var all []*pgx.Conn
	for {
		conn, err := pgx.Connect(t.Context(), address)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "53300" {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, conn)
	}
}
