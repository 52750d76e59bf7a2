package web

import (
	"net/http"
	"strings"
	"testing"
)

// Whatever address below /admin has no page says so in the console's frame, to
// operators only.
func TestConsoleAddressesWithoutAPage(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1234")
	for _, path := range []string{"/admin/nowhere", "/admin/tenants/01a1fff5-9a57-7a59-90cf-b6524feb099b/nowhere", "/admin/lanes/x/y/z"} {
		if a := b.get(path); a.Code != http.StatusSeeOther {
			t.Errorf("GET %s by nobody: %d, want the sign-in", path, a.Code)
		}
	}
	b.signIn()
	for _, path := range []string{"/admin/nowhere", "/admin/tenants/01a1fff5-9a57-7a59-90cf-b6524feb099b/nowhere", "/admin/lanes/x/y/z"} {
		a := b.get(path)
		if a.Code != http.StatusNotFound || !strings.Contains(string(a.Body), "<nav") {
			t.Errorf("GET %s: %d %.80s, want 404 in the console's frame", path, a.Code, a.Body)
		}
	}
	if a := b.post("/admin/workers"); a.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST /admin/workers: %d, want 405", a.Code)
	}
}
