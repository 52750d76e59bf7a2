package systemtest

import (
	"slices"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
)

// Three workers that read one store's orders use what the store allows in a minute,
// and nothing beyond it. The limit is one that the machine can reach whatever else is
// tested at the same time; the figure budget.used is measured at 7,200.
func TestAllowanceIsUsedByTheFleet(t *testing.T) {
	t.Parallel()
	const merchant, limit = 71061, 120
	spec := store(merchant, 3*limit)
	spec.Limit = limit
	s := newSystem(t, options{workers: 3, stores: []sandbox.StoreSpec{spec}})
	s.install(merchant)
	s.awaitStatus(merchant, "ready")

	// The first minute has the installation in it, and may have to do with less.
	dbtest.Eventually(t, 4*time.Minute, "a minute is over whose allowance was used to 95 %", func() bool {
		minutes := s.sandbox.Stats().Rates[merchant].Minutes
		return len(minutes) > 0 && slices.Max(minutes) >= limit*95/100
	})

	r := s.sandbox.Stats().Rates[merchant]
	t.Logf("calls of the minutes: %v of %d", r.Minutes, limit)
	if r.Limited > 0 || r.Beyond > 0 {
		t.Errorf("%d calls were refused, %d let through beyond the limit, want none", r.Limited, r.Beyond)
	}
}
