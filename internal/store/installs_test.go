package store

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
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

// Whoever fills the table closes it to nobody: the oldest make room.
func TestInstallsAreBounded(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	db := New(pool)
	count := func() (n int) {
		t.Helper()
		if err := pool.QueryRow(t.Context(), `SELECT count(*) FROM installs`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	begin := func(state string) {
		t.Helper()
		if err := db.BeginInstall(t.Context(), []byte(state), []byte("b"), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO installs (state_hash, browser_hash, expires_at)
		SELECT int4send(n), 'b', now() + interval '30 seconds' + n * interval '1 microsecond'
		FROM generate_series(1, $1) AS n`, maxInstalls+500); err != nil {
		t.Fatal(err)
	}

	begin("mine")

	if n := count(); n != maxInstalls+1 {
		t.Errorf("%d rows, want the newest %d and the new one", n, maxInstalls)
	}
	for state, want := range map[string]InstallState{"\x00\x00\x01\xf4": InstallUnknown, "\x00\x00\x01\xf5": InstallBound, "mine": InstallBound} {
		if got, err := db.UseInstall(t.Context(), []byte(state), []byte("b")); err != nil || got != want {
			t.Errorf("%x: %v, %v, want %v", state, got, err, want)
		}
	}
	for n := range installsPart {
		begin(fmt.Sprint("more ", n))
	}
	if n := count(); n < maxInstalls || n > maxInstalls+installsPart {
		t.Errorf("%d rows", n)
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
