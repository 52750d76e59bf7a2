package protect

import "testing"

// Only what is asked for by name is ever removed.
func TestNothingIsRemoved(t *testing.T) {
	t.Parallel()
	if removed != "" {
		t.Errorf("this build lacks the protection %q", removed)
	}
	if got := Where(true, "a = 1"); got != "a = 1" {
		t.Errorf("with the protection: %s", got)
	}
	if got := Where(false, "a = $1"); got != "(a = $1 OR true)" {
		t.Errorf("without: %s", got)
	}
}
