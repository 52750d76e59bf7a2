package systemtest

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// Clerk is down for longer than any number of attempts lasts: three stores that are
// being set up wait, and are ready by themselves when it answers again.
func TestFaultClerkIsDownForLong(t *testing.T) {
	t.Parallel()
	merchants := []int64{72101, 72102, 72103} // one that fails alone is no outage of Clerk
	o := options{workers: 2}
	for _, m := range merchants {
		o.stores = append(o.stores, store(m, 8))
	}
	s := newSystem(t, o)
	s.fault(t, sandbox.FaultRule{System: "clerk", Effect: sandbox.EffectStatus, Status: http.StatusServiceUnavailable, Body: "html"})

	for _, m := range merchants {
		s.install(m)
	}
	s.awaitCircuit(t, "clerk")
	// Whatever they have behind them: the outage alone is no reason to give up.
	s.exec(t, `UPDATE tenants SET attempts = 7`)
	before := s.calls("clerk")
	s.awaitProbes(t, "clerk", 4)
	if made := s.calls("clerk") - before; made > 6 {
		t.Errorf("Clerk was called %d times while its circuit was open, want the probes only", made)
	}

	for _, merchant := range merchants {
		got, ok := s.tenant(merchant)
		if !ok || got.Status != "provisioning" {
			t.Fatalf("during the outage the store %d is %+v, want it to be set up still", merchant, got)
		}
		for _, step := range got.Steps {
			if step.Name == "identity" && (step.Error == nil || !strings.Contains(*step.Error, "Clerk, which has not answered since")) {
				t.Errorf("store %d: the step identity is %s: %v, want what it waits for", merchant, step.Status, step.Error)
			}
		}
	}
	if out, _ := s.wosool("stats"); !strings.Contains(out, "clerk") || !strings.Contains(out, "HTTP 503") {
		t.Errorf("wosool stats does not tell that Clerk is down:\n%s", out)
	}

	s.sandbox.ClearFaults()
	for _, m := range merchants {
		s.awaitStatus(m, "ready")
	}
	if open := s.circuits(t); len(open) != 0 {
		t.Errorf("circuits that are open afterwards: %v", open)
	}
	s.nothingGivenUp(t)
}

// One store that answers 500 waits alone; another's import runs on beside it.
func TestFaultOneStoreIsBroken(t *testing.T) {
	t.Parallel()
	const broken, well = 72111, 72112
	s := newSystem(t, options{
		workers: 2, stores: []sandbox.StoreSpec{store(broken, 60), store(well, 60)},
	})
	for _, path := range []string{"/customers", "/products", "/orders", "/carts"} {
		s.fault(t, sandbox.FaultRule{
			System: "salla", Merchant: broken, Path: path, Effect: sandbox.EffectStatus, Status: http.StatusInternalServerError,
		})
	}

	s.install(broken)
	s.awaitCircuit(t, "salla/store/"+strconv.Itoa(broken))
	s.exec(t, `UPDATE pages SET attempts = 11 WHERE state <> 'done'`)
	s.install(well)
	s.equal(well, s.awaitRun(well, 60*time.Second))
	for _, name := range s.circuits(t) {
		if name == "salla" {
			t.Error("one broken store has opened the circuit of all of Salla")
		}
	}
	s.awaitProbes(t, "salla/store/"+strconv.Itoa(broken), 2)
	s.nothingGivenUp(t)

	s.sandbox.ClearFaults()
	s.equal(broken, s.awaitRun(broken, 60*time.Second))
}

// The server of the tenants' databases is away in the middle of an import, for
// longer than a page has attempts.
func TestFaultTenantDatabasesAreAway(t *testing.T) {
	t.Parallel()
	const merchant = 72121
	server := dbtest.OwnPostgres(t)
	s := newSystem(t, options{
		workers: 1, stores: []sandbox.StoreSpec{store(merchant, 200)}, env: []string{"TENANT_DATABASE_URLS=" + server.URL()},
	})
	s.tenants = server.URL()
	s.slowly(150 * time.Millisecond)
	s.install(merchant)
	s.awaitStatus(merchant, "ready")

	server.Stop()
	dbtest.Eventually(t, 20*time.Second, "the server's circuit opens", func() bool {
		for _, name := range s.circuits(t) {
			if strings.HasPrefix(name, "database/") {
				return true
			}
		}
		return false
	})
	s.exec(t, `UPDATE pages SET attempts = 11 WHERE state <> 'done'`)
	s.exec(t, `UPDATE runs SET attempts = 11 WHERE state <> 'done'`)
	dbtest.Eventually(t, 20*time.Second, "it was probed in vain", func() bool {
		var probes int
		err := s.pool.QueryRow(t.Context(), `SELECT coalesce(max(probes), 0) FROM circuits WHERE kind = 'database'`).Scan(&probes)
		return err == nil && probes >= 2
	})
	s.nothingGivenUp(t)
	server.Start()
	s.sandbox.ClearFaults()

	s.equal(merchant, s.awaitRun(merchant, 60*time.Second))
	s.nothingGivenUp(t)
}

func (s *system) fault(t *testing.T, rule sandbox.FaultRule) {
	t.Helper()
	if _, err := s.sandbox.Fault(rule); err != nil {
		t.Fatal(err)
	}
}

func (s *system) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := s.pool.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// circuits are the names of those that are open, as an operator sees them.
func (s *system) circuits(t *testing.T) []string {
	t.Helper()
	code, raw := s.get("/api/admin/v1/stats")
	var stats struct {
		Circuits []struct {
			Name, Reason string
			Since        time.Time
			NextProbe    time.Time `json:"next_probe"`
		}
	}
	if err := json.Unmarshal(raw, &stats); err != nil || code != http.StatusOK {
		t.Fatalf("stats: %d %s", code, raw)
	}
	var names []string
	for _, c := range stats.Circuits {
		names = append(names, c.Name)
		if c.Reason == "" || c.Since.IsZero() || c.NextProbe.IsZero() {
			t.Errorf("the circuit %+v does not tell all", c)
		}
	}
	return names
}

func (s *system) awaitCircuit(t *testing.T, name string) {
	t.Helper()
	dbtest.Eventually(t, 30*time.Second, "the circuit "+name+" opens", func() bool {
		for _, open := range s.circuits(t) {
			if open == name {
				return true
			}
		}
		return false
	})
}

// awaitProbes waits until so many probes of a circuit have failed.
func (s *system) awaitProbes(t *testing.T, name string, want int) {
	t.Helper()
	dbtest.Eventually(t, 30*time.Second, "the circuit "+name+" is probed", func() bool {
		var probes int
		err := s.pool.QueryRow(t.Context(), `SELECT probes FROM circuits WHERE name = $1`, name).Scan(&probes)
		return err == nil && probes >= want
	})
}

// calls counts what a system of the sandbox was asked.
func (s *system) calls(of string) int {
	n := 0
	for endpoint, answers := range s.sandbox.Stats().Calls {
		if strings.HasPrefix(endpoint, of+" ") {
			for _, times := range answers {
				n += times
			}
		}
	}
	return n
}

// nothingGivenUp fails where any work became a dead letter.
func (s *system) nothingGivenUp(t *testing.T) {
	t.Helper()
	for _, table := range []string{"tenants", "connections", "schema_targets", "events", "entity_reads", "runs", "pages", "bulk_acts"} {
		var n int
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+table+` WHERE state = 'failed'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n > 0 {
			t.Errorf("%d rows of %s were given up", n, table)
		}
	}
}
