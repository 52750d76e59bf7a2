package store

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

func TestAStateIsUsedOnceByItsBrowser(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	state, browser := []byte("state"), []byte("browser")
	begin := func(state string, life time.Duration) {
		t.Helper()
		if err := db.BeginInstall(t.Context(), []byte(state), browser, life); err != nil {
			t.Fatal(err)
		}
	}
	begin("state", time.Minute)
	begin("over", -time.Second)

	for _, tt := range []struct {
		state, browser string
		want           InstallState
	}{
		{"nobody's", "browser", InstallUnknown},
		{"state", "another", InstallForeign},
		{"state", "", InstallForeign},
		{"over", "browser", InstallExpired},
	} {
		got, err := db.UseInstall(t.Context(), []byte(tt.state), []byte(tt.browser))
		if err != nil || got != tt.want {
			t.Errorf("%s by %s: %v, %v, want %v", tt.state, tt.browser, got, err, tt.want)
		}
	}

	if got, err := db.UseInstall(t.Context(), state, nil); err != nil || got != InstallForeign {
		t.Errorf("by a browser without a cookie: %v, %v", got, err)
	}

	var bound, used atomic.Int64
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			switch got, err := db.UseInstall(t.Context(), state, browser); {
			case err != nil:
				t.Error(err)
			case got == InstallBound:
				bound.Add(1)
			case got == InstallUsed:
				used.Add(1)
			}
		})
	}
	wg.Wait()
	if bound.Load() != 1 || used.Load() != 19 {
		t.Errorf("bound %d times, used %d times", bound.Load(), used.Load())
	}
}

func TestInstallsAreBounded(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	fill := func(life time.Duration) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), `
			INSERT INTO installs (state_hash, browser_hash, expires_at)
			SELECT int4send(n), '', now() + $2 FROM generate_series(1, $1) AS n`, maxInstalls, life); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM installs`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}

	fill(-time.Minute)
	if err := db.BeginInstall(t.Context(), []byte("new"), nil, time.Minute); err == nil {
		t.Fatal("a flow without a browser")
	}
	if err := db.BeginInstall(t.Context(), []byte("new"), []byte("b"), time.Minute); err != nil || count() != 1 {
		t.Errorf("room is made of what is over: %v, %d rows", err, count())
	}
	fill(time.Minute)
	if err := db.BeginInstall(t.Context(), []byte("more"), []byte("b"), time.Minute); !errors.Is(err, fault.Unavailable) {
		t.Errorf("one too many: %v", err)
	}

	if err := db.PruneInstalls(t.Context()); err != nil || count() == 0 {
		t.Errorf("flows under way are pruned: %v", err)
	}
	if _, err := pool.Exec(t.Context(), `UPDATE installs SET expires_at = now() - interval '2 hours'`); err != nil {
		t.Fatal(err)
	}
	if err := db.PruneInstalls(t.Context()); err != nil || count() != 0 {
		t.Errorf("%d rows are left, %v", count(), err)
	}
}
