package salla_test

import (
	"testing"

	"github.com/wosool/wosool/internal/salla"
)

func TestPlansAllowWhatIsDocumented(t *testing.T) {
	t.Parallel()
	for plan, want := range map[string]int{
		"plus": 120, "pro": 360, "special": 720, "basic": 60, "": 60, "another": 60,
	} {
		if got := salla.PlanLimit(plan); got != want {
			t.Errorf("plan %q: %d requests a minute, want %d", plan, got, want)
		}
	}
}
