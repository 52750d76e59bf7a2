package web

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/browsertest"
)

// An operator makes a passkey and signs in with it, in a real browser with an
// authenticator: nobody types a password, a second one on the same device is refused in
// words, and so is one that was removed here and not there.
func TestPasskeysInABrowser(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	base := strings.Replace(server.URL, "127.0.0.1", "localhost", 1)
	d.s.PublicURL, d.s.Passkeys = base, partyAt(t, base)
	tab := browsertest.Open(t)
	tab.Authenticator()
	shoot := func(name string) {
		for theme, width := range map[string]int64{"light": 1440, "dark": 420} {
			tab.Look(theme, width)
			tab.Shoot(fmt.Sprintf("%s-%s-%d", name, theme, width))
			for _, fault := range tab.Axe() {
				t.Errorf("%s, %s, %d: %s", name, theme, width, fault)
			}
		}
	}
	tab.Look("light", 1440)
	tab.Go(base+"/admin/sign-in?next=/admin/account", "Sign in")
	tab.Fill("email", amal)
	tab.Fill("password", secret)
	tab.Press("Sign in")
	tab.Shows("A passkey lets you in by itself")
	shoot("account-no-passkey")
	tab.Press("Make a passkey…")
	tab.Shows("show first that it is you")
	shoot("passkey-proof")
	tab.Fill("password", secret)
	tab.Press("Go on")
	tab.Shows("Your browser asks where to keep it")
	shoot("passkey-make")
	tab.Press("Make it")
	tab.Shows("it lets you in without password and code")
	shoot("account-passkey")

	tab.Press("Make a passkey…")
	tab.Fill("password", secret)
	tab.Press("Go on")
	tab.Shows("Your browser asks where to keep it")
	tab.Press("Make it")
	tab.Shows("This device holds a passkey of yours already")
	shoot("passkey-held")

	d.exec(`DELETE FROM sessions`)
	tab.Go(base+"/admin/account", "Sign in with a passkey")
	shoot("sign-in-passkey")
	tab.Press("Sign in with a passkey")
	tab.Shows("A passkey lets you in by itself")

	d.exec(`UPDATE passkeys SET credential_id = '\x01'`)
	d.exec(`DELETE FROM sessions`)
	tab.Go(base+"/admin/account", "Sign in with a passkey")
	tab.Press("Sign in with a passkey")
	tab.Shows("This passkey is not known here")
	shoot("sign-in-passkey-unknown")
	tab.Asked(base)
	for _, f := range tab.Faults() {
		if !strings.Contains(f, "401") { // the answer that was meant
			t.Errorf("console: %s", f)
		}
	}
}
