package circuit_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
)

// isOpen tells whether the circuit of that name is open.
func isOpen(t *testing.T, db *store.DB, name string) bool {
	t.Helper()
	c, err := db.OpenCircuit(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return c != nil
}

// An outage that only one tenant's work meets is Clerk's where nobody's call has
// succeeded since; what comes next is let through to see.
func TestFaultOutageThatOneTenantMeets(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(100*time.Millisecond, 400*time.Millisecond), 2)
	tenant, another := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	for range 5 {
		_ = all[0].Clerk(tenant).Guard(t.Context(), fails)
	}
	if isOpen(t, db, circuit.NameClerk) {
		t.Fatal("Clerk's circuit is open before the tenant's own was probed")
	}
	dbtest.Eventually(t, 5*time.Second, "Clerk's circuit opens", func() bool {
		_ = all[0].Clerk(tenant).Guard(t.Context(), fails)
		return isOpen(t, db, circuit.NameClerk)
	})
	dbtest.Eventually(t, 5*time.Second, "another tenant's call closes it", func() bool {
		return all[1].Clerk(another).Guard(t.Context(), answers) == nil
	})

	// Clerk answers others: the tenant's failures are its own from now on.
	before := probes(t, db, circuit.ClerkName(tenant))
	dbtest.Eventually(t, 5*time.Second, "its own circuit is probed again", func() bool {
		_ = all[0].Clerk(tenant).Guard(t.Context(), fails)
		return probes(t, db, circuit.ClerkName(tenant)) >= before+2
	})
	if isOpen(t, db, circuit.NameClerk) {
		t.Error("one broken tenant has opened Clerk's circuit again")
	}
}

// A call that is answered to a lone tenant closes both.
func TestFaultLoneTenantClosesBoth(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(50*time.Millisecond, 100*time.Millisecond), 1)
	tenant := uuid.Must(uuid.NewV7())
	dbtest.Eventually(t, 5*time.Second, "Clerk's circuit opens", func() bool {
		_ = all[0].Clerk(tenant).Guard(t.Context(), fails)
		return isOpen(t, db, circuit.NameClerk)
	})
	dbtest.Eventually(t, 5*time.Second, "it is answered", func() bool { return all[0].Clerk(tenant).Guard(t.Context(), answers) == nil })
	for _, name := range []string{circuit.NameClerk, circuit.ClerkName(tenant)} {
		if isOpen(t, db, name) {
			t.Errorf("%s is open still", name)
		}
	}
}

func probes(t *testing.T, db *store.DB, name string) int {
	t.Helper()
	c, err := db.OpenCircuit(t.Context(), name)
	if err != nil || c == nil {
		t.Fatalf("the circuit %s: %+v, %v", name, c, err)
	}
	return c.Probes
}

// What stores are asked for, and what those meet that are known to be broken, is
// nobody else's pause.
func TestFaultBrokenStoresSetNoPauseForAll(t *testing.T) {
	t.Parallel()
	const pause = 200 * time.Millisecond
	db, all := fleet(t, settings(pause, time.Minute), 1)
	c := all[0]
	asks := func(context.Context) error { return down{after: 40 * time.Second} }
	for i := range 5 { // a quiet hour: three stores and nobody else
		_ = c.Salla(int64(1+i%3)).Guard(t.Context(), asks)
	}
	wide, err := db.OpenCircuit(t.Context(), circuit.NameSalla)
	if err != nil || wide == nil {
		t.Fatalf("Salla's circuit: %+v, %v; want it open", wide, err)
	}
	if left := wide.RetryAt.Sub(wide.Now); left > pause {
		t.Errorf("everybody waits %s for what one store was asked, want %s", left, pause)
	}
	dbtest.Eventually(t, 5*time.Second, "a store that is well closes it", func() bool { return c.Salla(9).Guard(t.Context(), answers) == nil })

	// One that is known to be broken counts as no origin.
	for range 5 {
		_ = c.Salla(4).Guard(t.Context(), fails)
	}
	_ = c.Salla(9).Guard(t.Context(), answers)
	dbtest.Eventually(t, 5*time.Second, "its own circuit is probed", func() bool {
		_ = c.Salla(4).Guard(t.Context(), fails)
		return probes(t, db, circuit.StoreName(4)) > 0
	})
	list, err := db.Circuits(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range list {
		if s.Name == circuit.NameSalla {
			t.Errorf("the probes of a broken store count for Salla: %+v", s)
		}
	}
}

// A store that is known to be broken is a poor probe of Salla: its failure does not
// double the pause of all, and that of all does not open another store's own.
func TestFaultBrokenStoreIsNoProbe(t *testing.T) {
	t.Parallel()
	db, all := fleet(t, settings(100*time.Millisecond, 200*time.Millisecond), 1)
	c := all[0]
	dbtest.Eventually(t, 5*time.Second, "Salla's circuit opens", func() bool {
		_ = c.Salla(1).Guard(t.Context(), fails)
		return isOpen(t, db, circuit.NameSalla)
	})
	before := probes(t, db, circuit.StoreName(1))
	dbtest.Eventually(t, 5*time.Second, "the store is probed on", func() bool {
		_ = c.Salla(1).Guard(t.Context(), fails)
		return probes(t, db, circuit.StoreName(1)) >= before+2
	})
	if n := probes(t, db, circuit.NameSalla); n != 0 {
		t.Errorf("the broken store was Salla's probe %d times", n)
	}
	dbtest.Eventually(t, 10*time.Second, "another is the probe", func() bool {
		_ = c.Salla(2).Guard(t.Context(), fails)
		return probes(t, db, circuit.NameSalla) >= 6
	})
	if err := c.Salla(2).Ready(t.Context()); isOpen(t, db, circuit.StoreName(2)) || err != nil && strings.Contains(err.Error(), "for this store") {
		t.Errorf("an outage of Salla has opened the circuit of the store that probed: %v", err)
	}
}
