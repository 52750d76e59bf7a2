package web

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// The cookie is the one of how the browser speaks to whoever is nearest to it.
func TestCookies(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	d.s.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	d.s.PublicURL = "https://crm.example.com"
	tests := []struct {
		name, from, host, proto, by string
		tls, secure                 bool
	}{
		{"http on this machine", "192.0.2.1:1", "127.0.0.1:8080", "", "", false, false},
		{"http on this machine, by its name", "192.0.2.6:1", "LocalHost:8080", "", "", false, false},
		{"http on this machine, by IPv6", "192.0.2.7:1", "[::1]", "", "", false, false},
		{"https", "192.0.2.2:1", "127.0.0.1:8080", "", "", true, true},
		{"https at the proxy", "10.1.2.3:1", "127.0.0.1:8080", "https", "", false, true},
		{"https at the first of two proxies", "10.1.2.4:1", "127.0.0.1:8080", "https, http", "", false, true},
		{"https, says anybody", "192.0.2.3:1", "127.0.0.1:8080", "https", "", false, false},
		{"a proxy that says nothing, for PUBLIC_URL", "192.0.2.4:1", "CRM.example.com", "", "", false, true},
		{"a proxy on this machine that keeps no host", "192.0.2.8:1", "127.0.0.1:8080", "", "203.0.113.9", false, true},
		{"a proxy that says nothing, for its own name", "192.0.2.9:1", "api:8080", "", "", false, true},
		{"a host that only looks local", "192.0.2.5:1", "localhost.evil.test", "", "", false, true},
	}
	for _, tt := range tests {
		b := d.browser(tt.from)
		b.host, b.tls = tt.host, tt.tls
		if tt.proto != "" {
			b.header["X-Forwarded-Proto"] = tt.proto
		}
		if tt.by != "" {
			b.header["X-Forwarded-For"] = tt.by
		}
		b.signIn()
		name := plainCookie
		if tt.secure {
			name = secureCookie
		}
		c := b.cookies[name]
		if c == nil || len(b.cookies) != 1 {
			t.Errorf("%s: cookies %v, want only %s", tt.name, b.cookies, name)
			continue
		}
		if c.Secure != tt.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
			t.Errorf("%s: %s", tt.name, c)
		}
		if !b.isIn() {
			t.Errorf("%s: the cookie does not open", tt.name)
		}
		b.post("/admin/theme", "theme", "dark")
		b.post(tenantHref(d.register("palm-"+uuid.NewString()[:8])) + "/resume")
		for _, name := range []string{themeCookie, flashCookie} {
			if c := b.cookies[name]; c == nil || c.Secure != tt.secure {
				t.Errorf("%s: cookie %s is %v, want secure %t", tt.name, name, c, tt.secure)
			}
		}
	}

	// Where PUBLIC_URL is http, nothing is taken for https that nobody says is.
	d.s.PublicURL = "http://crm.example.com"
	plain := d.browser("192.0.2.10:1")
	plain.header["X-Forwarded-For"] = "203.0.113.9"
	plain.host = "crm.example.com"
	plain.signIn()
	if plain.cookies[plainCookie] == nil || !plain.isIn() {
		t.Errorf("http: cookies %v", plain.cookies)
	}
	d.s.PublicURL = "https://crm.example.com"

	// What one way gave opens nothing by the other, under neither name.
	b := d.browser("192.0.2.2:1")
	b.host, b.tls = "127.0.0.1:8080", true
	b.signIn()
	token := b.cookies[secureCookie].Value
	b.tls = false
	if b.isIn() {
		t.Error("a cookie of https is taken over http")
	}
	b.cookies = map[string]*http.Cookie{plainCookie: {Name: plainCookie, Value: token}}
	if b.isIn() {
		t.Error("a token of https is taken over http")
	}
}

func TestSignInChangesTheToken(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	planted := strings.Repeat("A", 43)
	b.cookies[plainCookie] = &http.Cookie{Name: plainCookie, Value: planted}
	b.signIn()
	first := b.cookies[plainCookie]
	if first.Value == planted {
		t.Error("a token from outside became a session's")
	}
	b.signIn()
	if b.cookies[plainCookie].Value == first.Value || !b.isIn() {
		t.Error("the second sign-in kept the token of the first")
	}
	b.cookies[plainCookie] = first
	if b.isIn() {
		t.Error("the session before still opens")
	}
	for _, bad := range []string{"", "x", strings.Repeat("A", 42), strings.Repeat("A", 5000), "%00"} {
		b.cookies[plainCookie] = &http.Cookie{Name: plainCookie, Value: bad}
		if b.isIn() {
			t.Errorf("%.50q opens", bad)
		}
	}
	if kept := one[string](d.site, `SELECT encode(token_hash, 'base64') FROM sessions`); strings.Contains(kept, first.Value) {
		t.Error("the database has a token")
	}
}

func TestSessionsAreRevoked(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	here, there, third := d.browser("192.0.2.1:1"), d.browser("192.0.2.2:1"), d.browser("192.0.2.3:1")
	there.header["User-Agent"] = "<script>alert(1)</script>" + strings.Repeat("ب", 200)
	for _, b := range []*browser{third, there, here} {
		b.signIn()
	}
	page := pageOf(t, here.get("/admin/account"))
	rows := page.Find("tbody tr")
	if rows.Length() != 3 || page.Find("main script").Length() != 0 || !strings.Contains(rows.Eq(0).Text(), "this one") {
		t.Fatalf("sessions: %s", rows.Text())
	}
	act := rows.Eq(1).Find("form").AttrOr("action", "")
	a := here.post(act)
	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/account" {
		t.Fatalf("revoke %s: %d", act, a.Code)
	}
	if there.isIn() || !here.isIn() || !third.isIn() {
		t.Errorf("after revoking one: there %t, here %t, third %t", there.isIn(), here.isIn(), third.isIn())
	}
	if a := here.post(act); a.Code != http.StatusNotFound {
		t.Errorf("revoking twice: %d", a.Code)
	}
	there.signIn()
	if a := here.post("/admin/account/sessions/revoke-others"); a.Code != http.StatusSeeOther {
		t.Errorf("revoke the others: %d", a.Code)
	}
	if there.isIn() || third.isIn() || !here.isIn() {
		t.Error("after revoking the others somebody else is in")
	}

	// One's own session is one's own.
	hash, err := light().Hash(t.Context(), "another long sentence")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.DB.AddOperator(t.Context(), "badr@example.com", hash, store.RoleAdmin, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	if a := there.post("/admin/sign-in", "email", "badr@example.com", "password", "another long sentence"); a.Code != http.StatusSeeOther {
		t.Fatal(a.Code)
	}
	hers := pageOf(t, here.get("/admin/account")).Find("tbody tr form").AttrOr("action", "")
	if a := there.post(hers); a.Code != http.StatusNotFound || !here.isIn() {
		t.Errorf("revoking somebody else's session: %d", a.Code)
	}
	if a := here.post(hers); a.Header.Get("Location") != "/admin/sign-in" || here.isIn() {
		t.Error("ending one's own session is not signing out")
	}
}

// A session that the command line or another process ends is over with the next request.
func TestResetEndsSessions(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.signIn()
	o, err := d.s.signedIn(b.request("/admin"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.WithValue(t.Context(), operatorKey{}, o)
	if now, err := d.s.standingNow(ctx); err != nil || now != asBefore {
		t.Errorf("standing: %d, %v; want as before", now, err)
	}
	hash, err := light().Hash(t.Context(), "another long sentence")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.s.DB.ResetPassword(t.Context(), amal, hash, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	if b.isIn() {
		t.Error("the session outlived the password")
	}
	if now, err := d.s.standingNow(ctx); err != nil || now != signedOut {
		t.Errorf("standing: %d, %v; want signed out", now, err)
	}
	if a := b.post("/admin/sign-in", "email", amal, "password", secret); a.Code != http.StatusUnauthorized {
		t.Errorf("the old password: %d", a.Code)
	}
}

// request is a request of the browser that is not sent.
func (b *browser) request(path string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for _, c := range b.cookies {
		r.AddCookie(c)
	}
	return r
}
