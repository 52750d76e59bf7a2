package circuit_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// down is what a client says of an answer 503.
type down struct{ after time.Duration }

func (down) Error() string                           { return "HTTP 503" }
func (down) Unwrap() error                           { return fault.Unavailable }
func (d down) Outage() (string, time.Duration, bool) { return "HTTP 503", d.after, true }
func fails(context.Context) error                    { return down{} }
func answers(context.Context) error                  { return nil }
func settings(pause, most time.Duration) circuit.Settings {
	return circuit.Settings{Pause: pause, MaxPause: most, MaxRetryAfter: time.Minute, Probe: 10 * time.Second}
}

// fleet makes circuits that several processes share.
func fleet(t *testing.T, s circuit.Settings, processes int) (*store.DB, []*circuit.Circuits) {
	t.Helper()
	db := store.New(dbtest.Control(t))
	all := make([]*circuit.Circuits, processes)
	for i := range all {
		all[i] = circuit.New(db, s, slog.New(slog.DiscardHandler))
	}
	return db, all
}

// waits returns until when err makes work wait.
func waits(t *testing.T, err error) time.Time {
	t.Helper()
	wait, ok := errors.AsType[*fault.Wait](err)
	if !ok || wait.Until.IsZero() {
		t.Fatalf("got %v, want a wait with its time", err)
	}
	return wait.Until
}

// A provider that fails is left alone by the whole fleet, though each process met
// few failures; one probe closes its circuit.
func TestFaultOpensForTheFleetAndClosesByAProbe(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(200*time.Millisecond, time.Second), 5)
	for i, c := range all {
		err := c.Clerk(uuid.Nil).Guard(t.Context(), fails)
		if !circuit.Is(err) || !errors.Is(err, fault.Unavailable) {
			t.Fatalf("failure %d: got %v, want an outage", i, err)
		}
		if _, waits := errors.AsType[*fault.Wait](err); waits != (i == 4) {
			t.Fatalf("failure %d: got %v; only the one that opens waits", i, err)
		}
	}
	var made atomic.Int32
	for _, c := range all {
		dbtest.Eventually(t, 5*time.Second, "the circuit is known to be open", func() bool {
			err := c.Clerk(uuid.Nil).Ready(t.Context())
			return err != nil && strings.HasPrefix(err.Error(), "waits for Clerk, which has not answered since ") &&
				strings.Contains(err.Error(), "HTTP 503")
		})
		if until := waits(t, c.Clerk(uuid.Nil).Guard(t.Context(), func(context.Context) error { made.Add(1); return nil })); !until.After(time.Now()) {
			t.Error("the wait is over already")
		}
	}
	if n := made.Load(); n != 0 {
		t.Fatalf("%d calls were made through an open circuit", n)
	}
	open, err := db.OpenCircuits(t.Context())
	if err != nil || len(open) != 1 || open[0].Name != "clerk" || open[0].Failures != 5 {
		t.Fatalf("open circuits: %+v, %v", open, err)
	}

	dbtest.Eventually(t, 5*time.Second, "a probe is let through", func() bool {
		return all[0].Clerk(uuid.Nil).Guard(t.Context(), answers) == nil
	})
	for _, c := range all {
		dbtest.Eventually(t, 5*time.Second, "everybody calls again", func() bool {
			return c.Clerk(uuid.Nil).Guard(t.Context(), answers) == nil
		})
	}
	if open, err = db.OpenCircuits(t.Context()); err != nil || len(open) != 0 {
		t.Errorf("open circuits afterwards: %+v, %v", open, err)
	}
}

// Failures with a success between them open nothing.
func TestFaultSuccessBetweenFailuresKeepsItClosed(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(time.Minute, time.Minute), 1)
	clerk := all[0].Clerk(uuid.Nil)
	for range 3 {
		for range 4 {
			_ = clerk.Guard(t.Context(), fails)
		}
		if err := clerk.Guard(t.Context(), answers); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := db.Circuits(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("circuits that fail: %+v, %v", list, err)
	}
}

// One broken store has its own circuit and leaves Salla's closed; three of them
// are Salla.
func TestFaultOneBrokenStoreStopsNoOther(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(time.Minute, time.Minute), 1)
	c := all[0]
	for range 20 {
		_ = c.Salla(1).Guard(t.Context(), fails)
	}
	if err := c.Salla(1).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "Salla for this store, which") {
		t.Errorf("the broken store: got %v, want its own circuit", err)
	}
	for _, line := range []*circuit.Line{c.Salla(2), c.Salla(0)} {
		if err := line.Ready(t.Context()); err != nil {
			t.Errorf("another store: %v", err)
		}
	}

	for range 20 { // whose calls they are nobody knows: they may be one store's
		_ = c.Salla(0).Guard(t.Context(), fails)
	}
	if err := c.Salla(2).Ready(t.Context()); err != nil {
		t.Errorf("after calls of an unknown store: %v", err)
	}

	_ = c.Salla(2).Guard(t.Context(), fails)
	_ = c.Salla(3).Guard(t.Context(), fails)
	if err := c.Salla(4).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "waits for Salla, which") {
		t.Errorf("with three broken stores: got %v, want Salla's circuit open", err)
	}
}

// A tenant whose calls Clerk cannot answer has its own circuit; three of them are
// Clerk.
func TestFaultOneTenantStopsNoOtherAtClerk(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(time.Minute, time.Minute), 1)
	c := all[0]
	var tenants [4]uuid.UUID
	for i := range tenants {
		tenants[i] = uuid.Must(uuid.NewV7())
	}
	for range 20 {
		_ = c.Clerk(tenants[0]).Guard(t.Context(), fails)
	}
	if err := c.Clerk(tenants[0]).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "Clerk for this store, which") {
		t.Errorf("the tenant itself: got %v, want its own circuit", err)
	}
	for _, line := range []*circuit.Line{c.Clerk(tenants[1]), c.Clerk(uuid.Nil)} {
		if err := line.Ready(t.Context()); err != nil {
			t.Errorf("another: %v", err)
		}
	}
	open, err := db.OpenCircuits(t.Context())
	if err != nil || len(open) != 1 || open[0].Name != circuit.ClerkName(tenants[0]) || open[0].Kind != store.CircuitStore {
		t.Errorf("open circuits: %+v, %v", open, err)
	}
	if got, ok := circuit.TenantOf(open[0].Name); !ok || got != tenants[0] {
		t.Errorf("%s is of %s, %v", open[0].Name, got, ok)
	}

	_ = c.Clerk(tenants[1]).Guard(t.Context(), fails)
	if err := c.Clerk(tenants[3]).Ready(t.Context()); err != nil {
		t.Errorf("with two tenants that fail: %v", err)
	}
	_ = c.Clerk(tenants[2]).Guard(t.Context(), fails)
	if err := c.Clerk(tenants[3]).Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "waits for Clerk, which") {
		t.Errorf("with three tenants that fail: got %v, want Clerk's circuit open", err)
	}
}

// A failure tells whether it is a provider's or of a server of ours.
func TestOutageTellsWhoseItIs(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(time.Minute, time.Minute), 1)
	for line, want := range map[*circuit.Line]bool{
		all[0].Salla(7): true, all[0].Clerk(uuid.New()): true, all[0].Database("db:5432"): false,
	} {
		if err := fmt.Errorf("wrapped: %w", line.Guard(t.Context(), fails)); circuit.OfProvider(err) != want {
			t.Errorf("%v is a provider's: %v, want %v", err, !want, want)
		}
	}
	if circuit.OfProvider(down{}) {
		t.Error("a failure that no circuit has seen is a provider's")
	}
}

// Of many who wait for the same time one calls; what it finds counts for all.
func TestFaultOneProbeAtATime(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	_, all := fleet(t, settings(pause, 10*time.Second), 3)
	for range 5 {
		_ = all[0].Clerk(uuid.Nil).Guard(t.Context(), fails)
	}
	var at []time.Time
	for probe := range 4 {
		dbtest.Eventually(t, 10*time.Second, "a probe is due", func() bool { return all[0].Clerk(uuid.Nil).Ready(t.Context()) == nil })
		begun := time.Now()
		var calls, most, running atomic.Int32
		var group sync.WaitGroup
		for i := range 30 {
			group.Go(func() {
				err := all[i%3].Clerk(uuid.Nil).Guard(t.Context(), func(context.Context) error {
					calls.Add(1)
					most.Store(max(most.Load(), running.Add(1)))
					defer running.Add(-1)
					return down{}
				})
				if _, waits := errors.AsType[*fault.Wait](err); !waits {
					t.Errorf("got %v, want a wait", err)
				}
			})
		}
		group.Wait()
		next := time.Since(begun) > pause<<(probe+1) // a slow machine sees the next one, too
		if most.Load() != 1 || calls.Load() != 1 && !next {
			t.Fatalf("probe %d: %d calls, %d at a time, want one", probe, calls.Load(), most.Load())
		}
		at = append(at, begun)
	}
	if third := at[3].Sub(at[2]); third < 7*pause {
		t.Errorf("between the third probe and the fourth: %s, want the pause to have doubled to %s", third, 8*pause)
	}
}

// Nothing is learned from a call that was given up or not made: its probe is free.
func TestFaultProbeGivenUpIsAnothersAtOnce(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(50*time.Millisecond, time.Second), 2)
	for range 5 {
		_ = all[0].Clerk(uuid.Nil).Guard(t.Context(), fails)
	}
	for _, given := range []error{context.Canceled, fault.WaitFor("room in the budget")} {
		dbtest.Eventually(t, 5*time.Second, "a probe that is not made", func() bool {
			err := all[0].Clerk(uuid.Nil).Guard(t.Context(), func(context.Context) error { return given })
			return errors.Is(err, given)
		})
	}
	dbtest.Eventually(t, 5*time.Second, "the next probe closes the circuit", func() bool {
		return all[1].Clerk(uuid.Nil).Guard(t.Context(), answers) == nil
	})
}

// A probe whose process was killed keeps nobody out for good.
func TestFaultProbeOfADeadProcessEnds(t *testing.T) {
	t.Parallel()
	s := settings(20*time.Millisecond, time.Second)
	s.Probe = 300 * time.Millisecond
	_, all := fleet(t, s, 2)
	for range 5 {
		_ = all[0].Clerk(uuid.Nil).Guard(t.Context(), fails)
	}
	stuck, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	go func() {
		for all[0].Clerk(uuid.Nil).Guard(context.Background(), func(context.Context) error {
			close(stuck)
			<-release
			return down{}
		}) != nil {
			select {
			case <-stuck:
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	<-stuck
	dbtest.Eventually(t, 5*time.Second, "another probe closes the circuit", func() bool {
		return all[1].Clerk(uuid.Nil).Guard(t.Context(), answers) == nil
	})
}

// A Retry-After is waited for, within bounds, whether the circuit is open or not.
func TestFaultRetryAfterOfAnOutage(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(time.Second, time.Second), 1)
	asks := func(context.Context) error { return fmt.Errorf("wrapped: %w", down{after: 20 * time.Second}) }
	for i := range 5 { // the last opens it
		if left := time.Until(waits(t, all[0].Clerk(uuid.Nil).Guard(t.Context(), asks))); left < 19*time.Second || left > 25*time.Second {
			t.Errorf("failure %d waits %s, want 20 s", i, left)
		}
	}
	err := all[0].Database("h:1").Guard(t.Context(), func(context.Context) error { return down{after: 24 * time.Hour} })
	if left := time.Until(waits(t, err)); left > 70*time.Second {
		t.Errorf("waits %s, want at most a minute and some", left)
	}
}

// A call to the OAuth server that fails may cost a grant: the first one opens the
// circuit, and what probes it is a question that costs nothing.
func TestFaultOAuthIsProbedWithoutAGrant(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(50*time.Millisecond, 100*time.Millisecond), 1)
	var pings, calls atomic.Int32
	var up atomic.Bool
	line := all[0].Accounts(func(context.Context) error {
		pings.Add(1)
		if up.Load() {
			return nil
		}
		return down{}
	})
	_ = line.Guard(t.Context(), func(context.Context) error { calls.Add(1); return down{} })
	refused := func() bool {
		err := line.Guard(t.Context(), func(context.Context) error { calls.Add(1); return nil })
		outage, ok := errors.AsType[*circuit.Outage](err)
		if err != nil && (!ok || outage.Err != nil || outage.Wait == nil) {
			t.Fatalf("got %v, want a wait for a call that was not made", err)
		}
		return err != nil
	}
	dbtest.Eventually(t, 5*time.Second, "it was asked a few times", func() bool {
		return refused() && pings.Load() >= 3
	})
	if n := calls.Load(); n != 1 {
		t.Fatalf("%d calls with a grant while it was down, want the first only", n)
	}
	up.Store(true)
	dbtest.Eventually(t, 5*time.Second, "it is ready", func() bool { return line.Ready(t.Context()) == nil })
	if refused() || calls.Load() != 2 {
		t.Errorf("calls = %d, want the one that was let through", calls.Load())
	}
}

// Refusals that mean something, limits and our own giving up are no failures.
func TestWhatIsNoFailure(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(time.Minute, time.Minute), 1)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		nil, fault.NotFound, fault.Invalid, fault.Conflict, fault.Forbidden, context.Canceled,
		fault.WaitFor("a limit"),
		limited{},
		errors.New("a mistake of ours"),
	} {
		for range 6 {
			if got := all[0].Clerk(uuid.Nil).Guard(t.Context(), func(context.Context) error { return err }); !errors.Is(got, err) || circuit.Is(got) {
				t.Errorf("%v came back as %v", err, got)
			}
		}
	}
	_ = all[0].Clerk(uuid.Nil).Guard(cancelled, fails)
	if list, err := db.Circuits(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("circuits that fail: %+v, %v", list, err)
	}
}

// limited is what a client says of an answer 429.
type limited struct{}

func (limited) Error() string                         { return "HTTP 429" }
func (limited) Unwrap() error                         { return fault.Unavailable }
func (limited) Outage() (string, time.Duration, bool) { return "", 0, false }

// Without PostgreSQL nobody knows of circuits, and calls are made.
func TestFaultWithoutPostgresCallsAreMade(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	c := circuit.New(store.New(pool), settings(time.Second, time.Second), slog.New(slog.DiscardHandler))
	pool.Close()
	for range 6 {
		if err := c.Clerk(uuid.Nil).Guard(t.Context(), answers); err != nil {
			t.Fatal(err)
		}
		if err := c.Clerk(uuid.Nil).Guard(t.Context(), fails); !circuit.Is(err) {
			t.Fatalf("got %v, want the outage itself", err)
		}
	}
}

// A closed circuit costs no query for each call.
func TestClosedCircuitAsksOnceASecond(t *testing.T) {
	t.Parallel()
	book := &counted{DB: store.New(dbtest.Control(t))}
	c := circuit.New(book, settings(time.Minute, time.Minute), slog.New(slog.DiscardHandler))
	begun := time.Now()
	for range 5000 {
		if err := c.Salla(7).Guard(t.Context(), answers); err != nil {
			t.Fatal(err)
		}
	}
	if most := int32(time.Since(begun).Seconds()) + 1; book.reads.Load() > most {
		t.Errorf("%d reads for 5000 calls in %s", book.reads.Load(), time.Since(begun))
	}
}

type counted struct {
	*store.DB

	reads atomic.Int32
}

func (c *counted) Circuits(ctx context.Context) ([]store.Circuit, error) {
	c.reads.Add(1)
	return c.DB.Circuits(ctx)
}

// Providers are named in the figures, stores are counted.
func TestMetrics(t *testing.T) {
	t.Parallel()
	_, all := fleet(t, settings(time.Minute, time.Minute), 1)
	for range 5 {
		_ = all[0].Clerk(uuid.Nil).Guard(t.Context(), fails)
		_ = all[0].Salla(7).Guard(t.Context(), fails)
		_ = all[0].Salla(8).Guard(t.Context(), fails)
		_ = all[0].Database("db:5432").Guard(t.Context(), fails)
	}
	registry := prometheus.NewRegistry()
	if err := all[0].Register(registry); err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	for _, want := range []string{
		`wosool_circuit_open{kind="database",name="database/db:5432"} 1`,
		`wosool_circuit_open{kind="provider",name="clerk"} 1`,
		`wosool_circuit_open{kind="provider",name="salla"} 0`,
		`wosool_circuit_open{kind="provider",name="salla-accounts"} 0`,
		`wosool_circuit_open_stores 2`,
		`wosool_circuit_openings_total{kind="database"} 1`,
		`wosool_circuit_openings_total{kind="provider"} 1`,
		`wosool_circuit_openings_total{kind="store"} 2`,
	} {
		if !strings.Contains(answer.Body.String(), want+"\n") {
			t.Errorf("the metrics lack %s:\n%s", want, answer.Body)
		}
	}
}
