package systemtest

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// The tokens of a store come once. With PostgreSQL down they are refused and kept, and
// the tenant becomes ready of them alone: Salla never comes again, and the api that
// kept them was killed.
func TestFaultSpoolAloneMakesTheTenant(t *testing.T) {
	t.Parallel()
	const merchant = 71031
	postgres, folder := dbtest.OwnPostgres(t), filepath.Join(t.TempDir(), "spool")
	s := newSystem(t, options{
		databaseURL: postgres.URL(), workers: 1, stores: []sandbox.StoreSpec{store(merchant, 8)}, env: []string{"SPOOL_DIR=" + folder},
	})
	for _, event := range []string{"app.installed", "app.store.authorize"} { // the first attempt comes, no other does
		if _, err := s.sandbox.Fault(sandbox.FaultRule{System: "delivery", Event: event, Skip: 1, Effect: sandbox.EffectLose}); err != nil {
			t.Fatal(err)
		}
	}
	spooled := func() []string {
		names, err := filepath.Glob(filepath.Join(folder, "*.sealed"))
		if err != nil {
			t.Fatal(err)
		}
		return names
	}

	postgres.Stop()
	s.install(merchant)
	files := spooled()
	if len(files) != 1 {
		t.Fatalf("%d files are spooled, want the authorize alone", len(files))
	}
	sealed, err := os.ReadFile(files[0])
	if err != nil || bytes.Contains(sealed, []byte("token")) || bytes.Contains(sealed, []byte("71031")) {
		t.Errorf("the file is not sealed: %v", err)
	}
	if code, raw := s.get("/metrics"); code != http.StatusOK || !strings.Contains(string(raw), `wosool_spool_files{state="waiting"} 1`) {
		t.Errorf("the metrics do not say that a file waits: %d", code)
	}
	s.signal("api", syscall.SIGKILL)
	s.start("api", "api", "HTTP_ADDR="+strings.TrimPrefix(s.base, "http://"))
	postgres.Start()

	s.awaitStatus(merchant, "ready")
	dbtest.Eventually(t, 10*time.Second, "the spool is empty", func() bool { return len(spooled()) == 0 })
	var events int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE event LIKE 'app.%'`).Scan(&events); err != nil || events != 1 {
		t.Errorf("%d app events, %v, want the spooled one alone", events, err)
	}
}
