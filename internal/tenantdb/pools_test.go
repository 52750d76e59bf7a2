package tenantdb_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestPoolsKeepTheirBudget(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	const tenants, callers, calls, budget = 4, 4, 4, 3
	pools := tenantdb.NewPools(s, budget, dbtest.Log(t))
	t.Cleanup(pools.Close)
	var dbs []*tenantdb.DB
	for range tenants {
		db, err := pools.Open(t.Context(), newTarget(t, s, server))
		if err != nil {
			t.Fatal(err)
		}
		dbs = append(dbs, db)
	}
	var wg sync.WaitGroup
	for i := range tenants * callers {
		wg.Go(func() {
			for range calls {
				if _, err := dbs[i%tenants].Counts(t.Context(), tenantdb.Orders, uuid.Nil); err != nil {
					t.Error(err)
				}
				if st := pools.Stats(); st.Open > budget {
					t.Errorf("%d connections are open, the budget is %d", st.Open, budget)
				}
			}
		})
	}
	wg.Wait()
	if st := pools.Stats(); st.Waiting != 0 || st.Open != st.Idle {
		t.Errorf("after all calls: %+v", st)
	}
}

func TestPoolsMakeCallersWait(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	pools := tenantdb.NewPools(s, 1, dbtest.Log(t))
	t.Cleanup(pools.Close)
	busy, other := newTarget(t, s, server), newTarget(t, s, server)
	db, err := pools.Open(t.Context(), busy)
	if err != nil {
		t.Fatal(err)
	}
	blocker := connect(t, busy.Database, "", "")
	exec(t, blocker, `BEGIN`)
	exec(t, blocker, `LOCK TABLE salla_orders IN ACCESS EXCLUSIVE MODE`)
	done := make(chan error, 2)
	go func() { _, err := db.Counts(t.Context(), tenantdb.Orders, uuid.Nil); done <- err }()
	dbtest.Eventually(t, 10*time.Second, "the only connection is in use", func() bool {
		st := pools.Stats()
		return st.Open == 1 && st.Idle == 0
	})

	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := pools.Open(short, other); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the caller's own deadline", err)
	}
	go func() { _, err := pools.Open(t.Context(), other); done <- err }()
	dbtest.Eventually(t, 10*time.Second, "another tenant waits", func() bool { return pools.Stats().Waiting == 1 })
	exec(t, blocker, `COMMIT`)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if st := pools.Stats(); st.Open != 1 || st.Waiting != 0 {
		t.Errorf("got %+v, want one connection and nobody waiting", st)
	}
}

func TestPoolsAfterConnectionsBroke(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	pools := tenantdb.NewPools(s, 2, dbtest.Log(t))
	target := newTarget(t, s, server)
	db, err := pools.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	admin := connect(t, "", "", "")
	exec(t, admin, `SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = $1`, target.Role)
	// The first call may still meet the broken connection; that is worth a retry.
	if _, err := db.Counts(t.Context(), tenantdb.Orders, uuid.Nil); err != nil && !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want unavailable", err)
	}
	if _, err := db.Counts(t.Context(), tenantdb.Orders, uuid.Nil); err != nil {
		t.Error(err)
	}

	pools.Close()
	pools.Close()
	if _, err := db.Counts(t.Context(), tenantdb.Orders, uuid.Nil); !errors.Is(err, fault.Unavailable) {
		t.Errorf("after Close: got %v, want unavailable", err)
	}
	if st := pools.Stats(); st.Open != 0 {
		t.Errorf("after Close: %+v", st)
	}
}

func TestOpenSaysWhy(t *testing.T) {
	t.Parallel()
	s, server := newServers(t)
	pools := tenantdb.NewPools(s, 2, dbtest.Log(t))
	t.Cleanup(pools.Close)
	good := newTarget(t, s, server)
	wrong, missing, elsewhere := good, good, good
	wrong.Password = "a-wrong-password-of-16"
	missing.Database = tenantdb.Name(uuid.New())
	elsewhere.Server = "elsewhere:1"
	for _, tt := range []struct {
		name   string
		target tenantdb.Target
		want   error
	}{
		{"wrong password", wrong, fault.Forbidden},
		{"no such database", missing, fault.NotFound},
		{"no such server", elsewhere, fault.NotFound},
	} {
		if _, err := pools.Open(t.Context(), tt.target); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
	if st := pools.Stats(); st.Open != 0 {
		t.Errorf("failed sign-ins hold places: %+v", st)
	}
}
