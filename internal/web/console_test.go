package web

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/templates"
)

func TestPagesHaveTheirHeaders(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	a := send(h, http.MethodGet, "/admin/static/nothing.css", nil, nil)
	for name, want := range map[string]string{
		"Content-Security-Policy":    pagePolicy,
		"X-Content-Type-Options":     "nosniff",
		"X-Frame-Options":            "DENY",
		"Referrer-Policy":            "same-origin",
		"Cross-Origin-Opener-Policy": "same-origin",
		"Cache-Control":              "no-store",
		"Content-Type":               "text/html; charset=utf-8",
	} {
		if got := a.Header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if strings.Contains(pagePolicy, "unsafe") {
		t.Error("the policy allows what is unsafe")
	}
}

// The style sheet and what it names are there under hashed names, for ever; the
// page, its style and its script together are small.
func TestAssets(t *testing.T) {
	t.Parallel()
	s := bareServer(t)
	h := s.Handler()
	page := s.console.files.page()
	size := 0
	var sheet []byte
	for _, address := range append([]string{page.Style, page.Script, page.Icon}, page.Fonts...) {
		a := send(h, http.MethodGet, address, nil, nil)
		if a.Code != http.StatusOK || a.Header.Get("Cache-Control") != "public, max-age=31536000, immutable" {
			t.Fatalf("%s: %d %q", address, a.Code, a.Header.Get("Cache-Control"))
		}
		if !regexp.MustCompile(`\.[0-9a-f]{12}\.`).MatchString(address) {
			t.Errorf("%s has no hash", address)
		}
		if !strings.HasSuffix(address, ".woff2") {
			size += len(a.Body)
		}
		if address == page.Style {
			sheet = a.Body
		}
		zipped := send(h, http.MethodGet, address, nil, map[string]string{"Accept-Encoding": "gzip"})
		if zipped.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(bytes.NewReader(zipped.Body))
			if err != nil {
				t.Fatal(err)
			}
			if plain, err := io.ReadAll(z); err != nil || !bytes.Equal(plain, a.Body) {
				t.Errorf("%s is another file when it is compressed", address)
			}
		}
	}
	if size > 60_000 {
		t.Errorf("style, script and icon are %d bytes, want at most 60,000", size)
	}
	fonts := regexp.MustCompile(`url\("([^"]+)"\)`).FindAllSubmatch(sheet, -1)
	if len(fonts) != 7 {
		t.Errorf("the style sheet names %d fonts, want 7", len(fonts))
	}
	for _, f := range fonts {
		if a := send(h, http.MethodGet, assetRoot+string(f[1]), nil, nil); a.Code != http.StatusOK || a.Header.Get("Content-Type") != "font/woff2" {
			t.Errorf("font %s: %d %s", f[1], a.Code, a.Header.Get("Content-Type"))
		}
	}
	if a := send(h, http.MethodGet, assetRoot+"console.css", nil, nil); a.Code != http.StatusNotFound {
		t.Errorf("without a hash: %d, want 404", a.Code)
	}
	if len(send(h, http.MethodGet, page.Script, nil, nil).Body) > 13_000 {
		t.Error("the script is larger than 13,000 bytes")
	}
}

func TestTheme(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for _, tt := range []struct{ theme, back, want string }{
		{"dark", "/admin/events?q=1", "/admin/events?q=1"},
		{"system", "/admin", "/admin"},
		{"light", "https://elsewhere.example/admin", "/admin"},
		{"light", "//elsewhere.example/admin", "/admin"},
		{"light", `/\elsewhere.example`, "/admin"},
		{"light", "/admin/../healthz", "/admin"},
		{"light", "/administrator", "/admin"},
		{"light", "javascript:alert(1)", "/admin"},
	} {
		body := url.Values{"theme": {tt.theme}, "back": {tt.back}}.Encode()
		a := send(h, http.MethodPost, "/admin/theme", strings.NewReader(body), form)
		cookie := a.Header.Get("Set-Cookie")
		if a.Code != http.StatusSeeOther || a.Header.Get("Location") != tt.want || !strings.HasPrefix(cookie, "theme="+tt.theme+";") {
			t.Errorf("%s back to %s: %d to %s with %q, want %s", tt.theme, tt.back, a.Code, a.Header.Get("Location"), cookie, tt.want)
		}
	}
	if a := send(h, http.MethodPost, "/admin/theme", strings.NewReader("theme=pink"), form); a.Code != http.StatusUnprocessableEntity {
		t.Errorf("pink: %d, want 422", a.Code)
	}
	dark := send(h, http.MethodGet, "/admin/static/x", nil, map[string]string{"Cookie": "theme=dark"})
	if got := parse(t, dark.Body).Find("html").AttrOr("data-theme", ""); got != "dark" {
		t.Errorf("the page's theme is %q", got)
	}
}

func TestOtherSitesActsAreRefused(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	a := send(h, http.MethodPost, "/admin/theme", strings.NewReader("theme=dark"), map[string]string{
		"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site",
	})
	if a.Code != http.StatusForbidden || a.Header.Get("Set-Cookie") != "" || !strings.Contains(string(a.Body), "another site") {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// One table of errors: pages below /admin, JSON elsewhere, the same status.
func TestFailuresOfPages(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		err    error
		status int
		says   []string
	}{
		{"not found", fault.New(fault.NotFound, "there is no such store"), 404, []string{"There is no such store.", "Search"}},
		{"forbidden", fault.New(fault.Forbidden, "not yours"), 403, []string{"Not yours.", "not allowed"}},
		{"conflict", fault.New(fault.Conflict, "it is suspended"), 409, []string{"It is suspended.", "Nothing was changed"}},
		{"invalid", invalid("slug", "a slug has letters"), 422, []string{"A slug has letters.", "Nothing was changed"}},
		{"unavailable", fault.New(fault.Unavailable, "redis does not answer"), 503, []string{"Redis does not answer.", "Try again", "request-id-of-16"}},
		{"ours", errors.New("secret detail of SQL"), 500, []string{"request-id-of-16", "log of the api", "Try again"}},
	} {
		s := bareServer(t)
		h := withRequestID(s.withConsole(s.handle(func(http.ResponseWriter, *http.Request) error { return tt.err })))
		a := send(h, http.MethodGet, "/admin/x", nil, map[string]string{"X-Request-Id": "request-id-of-16"})
		doc := parse(t, a.Body)
		text := words(doc.Find("main"))
		if a.Code != tt.status {
			t.Errorf("%s: status %d, want %d", tt.name, a.Code, tt.status)
		}
		for _, want := range tt.says {
			if !strings.Contains(text, want) {
				t.Errorf("%s: the page says %q, want %q in it", tt.name, text, want)
			}
		}
		if strings.Contains(text, "SQL") {
			t.Errorf("%s: the page says too much: %q", tt.name, text)
		}
	}
}

func TestAPanicOfAPageIsAPage(t *testing.T) {
	t.Parallel()
	s := bareServer(t)
	h := withRequestID(s.withConsole(s.withRecovery(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("x") }))))

	a := send(h, http.MethodGet, "/admin/x", nil, nil)

	if a.Code != http.StatusInternalServerError || parse(t, a.Body).Find(".failed h1").Length() != 1 {
		t.Errorf("%d %s", a.Code, a.Body)
	}
}

// What an act did is shown once, on the page it leads to.
func TestFlash(t *testing.T) {
	t.Parallel()
	s := bareServer(t)
	h := s.withConsole(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			_ = s.back(w, r, "/admin/x", templates.Notice{Kind: templates.Well, Text: "<b>Done</b>", Href: "https://elsewhere.example"})
			return
		}
		_ = s.render(w, r, http.StatusOK, templates.Failed(s.frame(r, "x", ""), templates.ErrorView{}))
	}))
	done := send(h, http.MethodPost, "/admin/x", nil, nil)
	cookie, err := http.ParseSetCookie(done.Header.Get("Set-Cookie"))
	if err != nil || done.Code != http.StatusSeeOther || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode {
		t.Fatalf("%d %v %v", done.Code, cookie, err)
	}
	page := send(h, http.MethodGet, "/admin/x", nil, map[string]string{"Cookie": "flash=" + cookie.Value})
	shown := parse(t, page.Body).Find(".flash")
	if !strings.Contains(shown.Text(), "<b>Done</b>") || shown.Find("a").AttrOr("href", "") != "/admin" {
		t.Errorf("shown: %q", shown.Text())
	}
	if forgot := page.Header.Get("Set-Cookie"); !strings.Contains(forgot, "Max-Age=0") {
		t.Errorf("the notice is kept: %q", forgot)
	}
	for _, forged := range []string{"x", "!!!", "bm90IGpzb24"} {
		if a := send(h, http.MethodGet, "/admin/x", nil, map[string]string{"Cookie": "flash=" + forged}); parse(t, a.Body).Find(".flash").Length() != 0 {
			t.Errorf("%q is shown", forged)
		}
	}
}

func TestZone(t *testing.T) {
	t.Parallel()
	for cookie, want := range map[string]string{
		"Asia%2FRiyadh": "Asia/Riyadh", "Asia/Riyadh": "Asia/Riyadh", "UTC": "UTC", "": "UTC", "Local": "UTC",
		"..%2F..%2Fetc%2Fpasswd": "UTC", "No/Where": "UTC", strings.Repeat("a", 100): "UTC",
	} {
		r := httptest.NewRequest(http.MethodGet, "/admin", nil)
		r.Header.Set("Cookie", "zone="+cookie)
		if got := zoneOf(r).String(); got != want {
			t.Errorf("zone %q is %s, want %s", cookie, got, want)
		}
	}
}

func TestAilments(t *testing.T) {
	t.Parallel()
	now := time.Date(2025, 11, 14, 11, 2, 0, 0, time.UTC)
	var a ailing
	if a = a.next(time.Millisecond, nil, now); !a.since.IsZero() {
		t.Error("a quick answer is an ailment")
	}
	a = a.next(stripSlow, nil, now)
	a = a.next(stripSlow*2, nil, now.Add(time.Minute))
	if !a.since.Equal(now) || a.down {
		t.Errorf("slow is %+v, want since the first slow answer", a)
	}
	if a = a.next(0, errors.New("refused"), now.Add(2*time.Minute)); !a.down || !a.since.Equal(now.Add(2*time.Minute)) {
		t.Errorf("down is %+v", a)
	}
	list := condition{redis: a, merchants: 3, noWorker: true}.notices(now.Add(time.Hour), time.FixedZone("AST", 3*60*60))
	if len(list) != 3 || list[0].Text != "Redis does not answer since 14:04:00: deliveries are kept, work waits" || list[2].Text != "3 grants need their merchants" {
		t.Errorf("notices = %+v", list)
	}
}

// Every page of the console's own needs an operator, also one that is not there.
func TestConsoleNeedsAnOperator(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	open := map[string]bool{"/admin/sign-in": true, "/admin/sign-in/code": true, "/admin/sign-in/passkey": true, "/admin/sign-out": true, "/admin/theme": true, "/admin/static/{name}": true}
	walked := 0
	for method, route := range routes(t, d.h) {
		if !strings.HasPrefix(route, "/admin") || open[route] || strings.Fields(method)[0] != http.MethodGet {
			continue
		}
		walked++
		path := regexp.MustCompile(`\{[^}]+\}|\*`).ReplaceAllString(route, "x")
		if a := d.send(http.MethodGet, path, "", nil); a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?next=") {
			t.Errorf("GET %s without a session: %d", path, a.Code)
		}
	}
	if walked < 8 {
		t.Errorf("only %d pages were walked", walked)
	}
	if a := d.send(http.MethodGet, "/admin/nothing/at/all", "", nil); a.Code != http.StatusSeeOther {
		t.Errorf("an address without a page tells so: %d", a.Code)
	}
	missing := d.page(http.StatusNotFound, "/admin/nothing/at/all")
	if missing.Find("nav a[href='/admin/tenants']").Length() != 1 || missing.Find(".failed h1").Length() != 1 {
		t.Error("what is not there is not said in the frame")
	}
	if a := d.send(http.MethodGet, "/api/admin/v1/nothing", "", nil); a.code() == "no JSON" {
		t.Error("the API answers pages")
	}
}

func parse(t *testing.T, body []byte) *goquery.Document {
	t.Helper()
	doc, err := goquery.NewDocumentFromReader(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}
