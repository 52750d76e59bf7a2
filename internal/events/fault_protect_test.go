package events

import (
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// An authorize that is applied and one that is ignored leave no sealed tokens in
// their events; nor do they leave any in the clear.
func TestFaultAuthorizeIsErased(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	granted := moment{"store.authorize", "02", "one"}
	for _, want := range []string{store.EventApplied, store.EventIgnored} {
		id := b.deliver(t, granted.body(1000))
		if e := b.event(t, id); e.Status != want {
			t.Fatalf("%s: %s, want %s", e.Status, words(e), want)
		}
		if n := b.count(t, `SELECT count(*) FROM event_payloads WHERE sealed IS NOT NULL`); n != 0 {
			t.Errorf("%d sealed bodies are left of an authorize that is %s", n, want)
		}
		granted.at = "03" // the same grant, in another delivery
	}
	if n := b.count(t, `SELECT count(*) FROM event_payloads AS p WHERE p::text LIKE '%one-1000%'`); n != 0 {
		t.Errorf("%d payloads hold a token", n)
	}
}

// An uninstall that comes after the merchant installed anew is told by its time. It
// revokes nothing, also while Salla answers nobody.
func TestFaultOldUninstallNeedsNobodysAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deliver(t, moment{"store.authorize", "05", "two"}.body(1000))
	b.down = &salla.Error{Status: 503}

	id := b.deliver(t, moment{"uninstalled", "03", ""}.body(1000))

	if e := b.event(t, id); e.Status != store.EventIgnored || !strings.Contains(words(e), "older") {
		t.Errorf("the old uninstall is %s: %s; want it ignored", e.Status, words(e))
	}
	if s := b.standing(t, 1000); s.Connection != "active" || s.Token != "two" || !s.Installed {
		t.Errorf("%+v, want the newer grant kept", s)
	}
	if len(b.probed) != 0 {
		t.Errorf("Salla was asked %d times, want never", len(b.probed))
	}
}
