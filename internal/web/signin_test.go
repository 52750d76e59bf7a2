package web

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/password"
)

func TestSignInAndOut(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:5000")

	a := b.get("/admin/tenants?status=failed&q=a%26b")
	if want := "/admin/sign-in?next=%2Fadmin%2Ftenants%3Fstatus%3Dfailed%26q%3Da%2526b"; a.Code != http.StatusSeeOther || a.Header.Get("Location") != want {
		t.Fatalf("%d to %s, want 303 to %s", a.Code, a.Header.Get("Location"), want)
	}
	form := pageOf(t, b.get(a.Header.Get("Location"))).Find(`form[action="/admin/sign-in"][method="post"]`)
	next := form.Find(`input[name="next"]`).AttrOr("value", "")
	if next != "/admin/tenants?status=failed&q=a%26b" || form.Find(`input[name="password"][type="password"]`).Length() != 1 {
		t.Errorf("next = %q", next)
	}
	var errors []string
	for _, wrong := range [][2]string{{amal, "not the password"}, {"nobody@example.com", secret}, {"' OR 1=1 --", "x"}} {
		a := b.post("/admin/sign-in", "email", wrong[0], "password", wrong[1], "next", next)
		doc := pageOf(t, a)
		if a.Code != http.StatusUnauthorized || len(a.cookies()) != 0 {
			t.Errorf("%s: %d, cookies %v", wrong[0], a.Code, a.cookies())
		}
		if got := doc.Find("#email").AttrOr("value", ""); got != wrong[0] {
			t.Errorf("the form forgot the e-mail: %q", got)
		}
		if html, _ := doc.Html(); strings.Contains(html, wrong[1]+`"`) && len(wrong[1]) > 1 {
			t.Errorf("the page shows the password: %s", html)
		}
		errors = append(errors, strings.TrimSpace(doc.Find("#error").Text()))
	}
	if errors[0] == "" || len(slices.Compact(slices.Clone(errors))) != 1 {
		t.Errorf("the answers differ: %q", errors)
	}
	if a := b.post("/admin/sign-in", "email", amal); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("without a password: %d", a.Code)
	}

	a = b.post("/admin/sign-in", "email", " AMAL@example.com ", "password", secret, "next", next)
	if a.Code != http.StatusSeeOther || a.Header.Get("Location") != next || !b.isIn() {
		t.Fatalf("%d to %s", a.Code, a.Header.Get("Location"))
	}
	if a := b.get("/admin/sign-in?next=/admin/events"); a.Header.Get("Location") != "/admin/events" {
		t.Errorf("who is signed in is led to %q", a.Header.Get("Location"))
	}
	kept := b.cookies[plainCookie]
	if a := b.post("/admin/sign-out"); a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/admin/sign-in" || len(b.cookies) != 0 {
		t.Errorf("sign-out: %d, cookies %v", a.Code, b.cookies)
	}
	b.cookies[plainCookie] = kept
	if b.isIn() {
		t.Error("the token still opens after signing out")
	}
	if a := b.post("/admin/sign-out"); a.Code != http.StatusSeeOther {
		t.Errorf("signing out twice: %d", a.Code)
	}
	audit := one[string](d.site, `SELECT string_agg(act || ' ' || actor || ' ' || coalesce(address, '-'), ', ' ORDER BY id) FROM audit`)
	if want := "operator.add test -, operator.sign_in_failed amal@example.com 192.0.2.1, operator.sign_in_failed unknown 192.0.2.1, " +
		"operator.sign_in_failed unknown 192.0.2.1, " +
		"operator.sign_in amal@example.com 192.0.2.1, operator.sign_out amal@example.com 192.0.2.1"; audit != want {
		t.Errorf("audit = %s\nwant    %s", audit, want)
	}
	for _, hidden := range []string{secret, "not the password", "nobody@example.com", amal, kept.Value} {
		if strings.Contains(d.log.String(), hidden) {
			t.Errorf("the log has %q", hidden)
		}
	}
	if !strings.Contains(d.log.String(), "signed in") {
		t.Errorf("log = %s", d.log)
	}
}

// An e-mail that no database can hold is nobody's: answered and slowed down like others.
func TestEmailThatIsNoText(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	for i, email := range []string{"am\x00al@example.com", amal + "\x00", amal + "\xff", "\x00", "\xff\xfe", "\x00"} {
		want := http.StatusUnauthorized
		if i == 5 {
			want = http.StatusTooManyRequests
		}
		if a := b.post("/admin/sign-in", "email", email, "password", secret); a.Code != want || len(a.cookies()) != 0 {
			t.Errorf("%q: %d, want %d", email, a.Code, want)
		}
	}
}

func TestWhereASignInLeads(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "/admin",
		"/admin":                         "/admin",
		"/admin/":                        "/admin/",
		"/admin?x=1":                     "/admin?x=1",
		"/admin/tenants?q=%D9%86":        "/admin/tenants?q=%D9%86",
		"/admin/queues/queues/imports":   "/admin/queues/queues/imports",
		"/administration":                "/admin",
		"/":                              "/admin",
		"/api/admin/v1/tenants":          "/admin",
		"admin/tenants":                  "/admin",
		"https://evil.test/admin":        "/admin",
		"//evil.test/admin":              "/admin",
		"///evil.test/../admin":          "/admin",
		"////evil.test/../../admin":      "/admin",
		"/\\evil.test/admin":             "/admin",
		"/admin/../\\evil.test":          "/admin",
		"/admin/..//evil.test":           "/admin",
		"/admin/%2e%2e/%2e%2e/evil.test": "/admin",
		"/admin/sign-out":                "/admin",
		"/admin/sign-in?next=/admin":     "/admin",
		"/admin/./sign-in":               "/admin",
		"javascript:alert(1)":            "/admin",
		"/admin/\r\nSet-Cookie: a=b":     "/admin",
		"\t//evil.test":                  "/admin",
	} {
		if got := nextPath(text); got != want {
			t.Errorf("nextPath(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestSignInIsSlowedDown(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	other := doorOn(t, d.pool, light()) // another process on the same database
	wrong := func(b *browser) answer {
		return b.post("/admin/sign-in", "email", amal, "password", "not the password")
	}
	for i := range 5 {
		door := []*door{d, other}[i%2]
		if a := wrong(door.browser("198.51.100.7:1")); a.Code != http.StatusUnauthorized {
			t.Fatalf("attempt %d: %d", i+1, a.Code)
		}
	}
	for name, b := range map[string]*browser{
		"here": d.browser("198.51.100.7:2"), "in another process": other.browser("198.51.100.7:3"), "from elsewhere": d.browser("203.0.113.9:1"),
	} {
		a := b.post("/admin/sign-in", "email", amal, "password", secret)
		text := strings.TrimSpace(pageOf(t, a).Find("#error").Text())
		if a.Code != http.StatusTooManyRequests || text != "Too many attempts failed. Try again in "+a.Header.Get("Retry-After")+" s." {
			t.Errorf("%s: %d, %q", name, a.Code, text)
		}
	}
	if got := one[int](d.site, `SELECT count(*)::int FROM audit WHERE act = 'operator.sign_in_failed'`); got != 5 {
		t.Errorf("%d failures in the audit, want 5", got)
	}
	d.exec(`UPDATE sign_in_attempts SET until = now()`)
	d.browser("198.51.100.7:4").signIn()
}

// Whoever signs in with a hash of another cost gets one of today's.
func TestPasswordIsRehashed(t *testing.T) {
	t.Parallel()
	pool := dbtest.Control(t)
	doorOn(t, pool, light())
	d := doorOn(t, pool, password.NewHasher(password.Cost{Memory: 128, Time: 1, Threads: 1}, 2))
	hash := func() string { return one[string](d.site, `SELECT password FROM operators`) }
	before := hash()
	d.browser("192.0.2.1:1").signIn()
	after := hash()
	if !strings.Contains(before, "$m=64,") || !strings.Contains(after, "$m=128,") {
		t.Errorf("from %s to %s", before, after)
	}
	d.browser("192.0.2.1:1").signIn()
	if hash() != after {
		t.Error("it was hashed again without need")
	}
}

func TestSignInThatIsNotOne(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	b.header["Sec-Fetch-Site"] = "cross-site"
	if a := b.post("/admin/sign-in", "email", amal, "password", secret); a.Code != http.StatusForbidden || len(a.cookies()) != 0 {
		t.Errorf("from another site's page: %d", a.Code)
	}
	delete(b.header, "Sec-Fetch-Site")
	if a := b.post("/admin/sign-in", "email", amal, "password", strings.Repeat("x", 1<<20)); a.Code != http.StatusRequestEntityTooLarge {
		t.Errorf("a megabyte: %d", a.Code)
	}
	for name, header := range map[string]map[string]string{
		"event stream": {"Accept": "text/event-stream", "Sec-Fetch-Dest": "empty"},
		"fetch":        {"Accept": "*/*", "Sec-Fetch-Dest": "empty"},
		"over http":    {"Accept": "application/json, text/plain, */*", "Sec-Fetch-Dest": ""},
	} {
		b.header = header
		if a := b.get("/admin/account"); a.Code != http.StatusUnauthorized || a.Header.Get("Location") != "" {
			t.Errorf("%s: %d, want 401 and not a page", name, a.Code)
		}
	}
}

// An act that was sent after the session's end was not done, and that is said.
func TestActAfterTheSession(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	b := d.browser("192.0.2.1:1")
	for referer, next := range map[string]string{
		"":                                        "%2Fadmin",
		"http://console.test/admin/tenants?q=a":   "%2Fadmin%2Ftenants%3Fq%3Da",
		"https://Console.test/admin/account":      "%2Fadmin%2Faccount",
		"http://evil.test/admin/tenants":          "%2Fadmin",
		"http://console.test/elsewhere":           "%2Fadmin",
		"http://console.test//evil.test/../admin": "%2Fadmin",
		"/admin/tenants":                          "%2Fadmin",
		"%zz":                                     "%2Fadmin",
	} {
		b.header["Referer"] = referer
		a := b.post("/admin/account/sessions/revoke-others")
		if want := "/admin/sign-in?undone=1&next=" + next; a.Code != http.StatusSeeOther || a.Header.Get("Location") != want {
			t.Errorf("from %q it leads to %q, want %q", referer, a.Header.Get("Location"), want)
		}
	}
	delete(b.header, "Referer")
	page := pageOf(t, b.get("/admin/sign-in?undone=1&next=%2Fadmin%2Ftenants"))
	if got := words(page.Find("#error")); got != "You were signed out, so nothing was done. Sign in and do it again." {
		t.Errorf("the sign-in says %q", got)
	}
	if got := page.Find(`input[name="next"]`).AttrOr("value", ""); got != "/admin/tenants" {
		t.Errorf("next = %q", got)
	}
	if got := words(pageOf(t, b.get("/admin/sign-in")).Find("#error")); got != "" {
		t.Errorf("without an act it says %q", got)
	}
}

// Sign-ins that find all turns taken are told so; they do not pile up.
func TestSignInWaitsForItsTurn(t *testing.T) {
	t.Parallel()
	d := newDoor(t)
	noTurn := password.NewHasher(password.Cost{Memory: 64, Time: 1, Threads: 1}, 0)
	in := &signIn{Server: d.s, hasher: noTurn, patience: 20 * time.Millisecond}
	form := url.Values{"email": {amal}, "password": {secret}}
	r := httptest.NewRequest(http.MethodPost, "/admin/sign-in", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	d.s.handle(in.try)(w, r)
	if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || !strings.Contains(w.Body.String(), "Try again in a few seconds") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
