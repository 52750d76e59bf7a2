package web

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/store"
)

// An admin switches the second factor on and signs in with it, and makes a key, in a
// real browser: the picture is drawn, nothing goes wrong in the console, nothing is
// wider than the window.
func TestSecondFactorInABrowser(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
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
	tab.Go(server.URL+"/admin/sign-in?next=/admin/account", "Sign in")
	tab.Fill("email", amal)
	tab.Fill("password", secret)
	tab.Press("Sign in")
	tab.Shows("asked for after the password")
	shoot("account-without")
	tab.Press("Switch it on…")
	tab.Shows("Or type the secret into the app")
	tab.Await(`(() => { const qr = document.querySelector("img.qr"); return qr.complete && qr.naturalWidth > 100; })()`)
	shoot("second-factor-on")
	hidden := tab.Text(`document.querySelector("#secret").textContent.replaceAll("-", "").trim()`)
	tab.Fill("code", codeAt(t, hidden, 0))
	tab.Press("Switch it on")
	tab.Shows("Keep these recovery codes")
	shoot("second-factor-codes")
	tab.Press("I have kept them")
	tab.Shows("Recovery codes left: 10")
	shoot("account-with")

	d.exec(`DELETE FROM sessions`)
	tab.Go(server.URL+"/admin/account", "Sign in")
	tab.Fill("email", amal)
	tab.Fill("password", secret)
	tab.Press("Sign in")
	tab.Shows("Type the code that your app shows now")
	shoot("sign-in-code")
	d.codesAnew()
	tab.Fill("code", codeAt(t, hidden, 0))
	tab.Press("Sign in")
	tab.Shows("Recovery codes left: 10")
	tab.Press("Switch it off…")
	tab.Shows("The recovery codes go, too")
	shoot("second-factor-off")

	tab.Go(server.URL+settingsKeysPath, "There is no key yet")
	shoot("keys-none")
	expired, _ := d.key("the till in Jeddah", store.ScopeRead)
	d.key("متجر النخيل – مزامنة <script>alert(1)</script>", store.ScopeRead, store.ScopeAct)
	d.exec(`UPDATE api_keys SET expires_at = now() - interval '3 days', last_used_at = now() - interval '4 days', last_address = '2001:db8::17' WHERE id = $1`, expired.ID)
	tab.Fill("name", "Nightly import")
	tab.Press("Make the key")
	tab.Shows("Copy it now")
	shoot("keys-made")
	tab.Press("Revoke…")
	tab.Shows("It can't be undone")
	shoot("keys-revoke")
	tab.Press("Revoke")
	tab.Shows("is revoked: it opens nothing any more")
	tab.Clean(server.URL)
}
