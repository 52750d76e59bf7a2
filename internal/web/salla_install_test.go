package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// gate is an Installer that notes the codes it is given.
type gate struct {
	err     error
	spooled bool

	mu    sync.Mutex
	codes []string
}

func (g *gate) AuthorizeURL(state string) string {
	return "https://accounts.example/oauth2/auth?" + url.Values{"state": {state}}.Encode()
}

func (g *gate) Complete(_ context.Context, code string) (events.Recorded, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.codes = append(g.codes, code)
	if g.spooled {
		return events.Recorded{Spooled: true}, g.err
	}
	return events.Recorded{Tasks: []store.Task{{Kind: store.KindEventApply, ID: uuid.New(), Lane: store.LaneProvisioning}}}, g.err
}

func (g *gate) used() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.codes...)
}

func newGate(t *testing.T) (*site, *gate) {
	t.Helper()
	x, g := newSite(t), &gate{}
	x.s.Install, x.s.PublicURL = g, "https://wosool.example"
	x.h = x.s.Handler()
	return x, g
}

// installing is a browser that went through /salla/install: what it was given.
type installing struct{ state, cookie string }

func (x *site) install() installing {
	x.t.Helper()
	a := x.send(http.MethodGet, "/salla/install", "", nil)
	to, err := url.Parse(a.Header.Get("Location"))
	if a.Code != http.StatusSeeOther || err != nil || to.Host != "accounts.example" {
		x.t.Fatalf("install: %d to %q", a.Code, a.Header.Get("Location"))
	}
	cookie, _, _ := strings.Cut(a.Header.Get("Set-Cookie"), ";")
	return installing{to.Query().Get("state"), cookie}
}

// callback comes back from Salla with a query, as a browser that holds cookie.
func (x *site) callback(cookie, query string, args ...any) answer {
	x.t.Helper()
	header := map[string]string{}
	if cookie != "" {
		header["Cookie"] = cookie
	}
	return x.send(http.MethodGet, "/salla/callback?"+fmt.Sprintf(query, args...), "", header)
}

// says fails the test where a is not the page of that status with that title, in
// both languages.
func (x *site) says(what string, a answer, status int, title string) {
	x.t.Helper()
	page := string(a.Body)
	if a.Code != status || !strings.Contains(page, "<span>"+title+"</span>") || !strings.Contains(page, `lang="ar" dir="rtl"`) {
		x.t.Errorf("%s: %d %s, want %d %s", what, a.Code, page, status, title)
	}
	if csp := a.Header.Get("Content-Security-Policy"); csp != merchantPolicy || strings.Contains(page, "<script") || a.Header.Get("Referrer-Policy") != "no-referrer" {
		x.t.Errorf("%s: policy %q, or a script", what, csp)
	}
	if strings.Contains(page, "the-code") {
		x.t.Errorf("%s: the page holds the code", what)
	}
}

func TestInstallLeadsToSallaAndBack(t *testing.T) {
	t.Parallel()
	x, g := newGate(t)
	a := x.send(http.MethodGet, "/salla/install", "", nil)
	for _, part := range []string{"__Secure-wosool-install=", "Path=/salla", "Max-Age=600", "HttpOnly", "Secure", "SameSite=Lax"} {
		if !strings.Contains(a.Header.Get("Set-Cookie"), part) {
			t.Errorf("the cookie %q lacks %s", a.Header.Get("Set-Cookie"), part)
		}
	}
	in, other := x.install(), x.install()
	if len(in.state) != 64 || strings.Trim(in.state, "0123456789abcdef") != "" || in.state == other.state || in.cookie == other.cookie {
		t.Errorf("the states %q and %q, the cookies %q and %q", in.state, other.state, in.cookie, other.cookie)
	}
	if one[bool](x, `SELECT bool_or(position($1 in encode(state_hash, 'hex')) > 0) FROM installs`, in.state) {
		t.Error("the state itself is in the table")
	}

	done := x.callback(in.cookie, "code=the-code&scope=orders.read&state=%s", in.state)

	x.says("with a good state", done, http.StatusOK, "Your store is connected")
	if got := g.used(); len(got) != 1 || got[0] != "the-code" {
		t.Errorf("codes taken: %v", got)
	}
	if got := x.bell.kinds(); len(got) != 1 || got[0] != store.KindEventApply {
		t.Errorf("rung for %v", got)
	}
	if !strings.Contains(done.Header.Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("the cookie stays: %q", done.Header.Get("Set-Cookie"))
	}
}

// Salla strips the hyphens of a state; whichever way it comes, it is the same.
func TestAStateIsTheSameWithoutItsHyphens(t *testing.T) {
	t.Parallel()
	x, _ := newGate(t)
	in := x.install()

	x.says("with hyphens", x.callback(in.cookie, "code=c&state=%s-%s", in.state[:8], in.state[8:]), http.StatusOK, "Your store is connected")
}

func TestACodeWithoutItsStateIsNotTaken(t *testing.T) {
	t.Parallel()
	x, g := newGate(t)
	mine, other, used, late := x.install(), x.install(), x.install(), x.install()
	x.callback(used.cookie, "code=first&state=%s", used.state)
	hash := stateHash(late.state)
	x.exec(`UPDATE installs SET expires_at = now() - interval '1 second' WHERE state_hash = $1`, hash)

	const foreign = "This was not begun in this browser"
	for _, tt := range []struct {
		name, cookie, query, title string
		status                     int
	}{
		{"another browser's state", mine.cookie, "code=the-code&state=" + other.state, foreign, 400},
		{"a state of ours without the cookie", "", "code=the-code&state=" + mine.state, foreign, 400},
		{"a broken cookie", "__Secure-wosool-install=x", "code=the-code&state=" + mine.state, foreign, 400},
		{"a cookie of http", strings.TrimPrefix(mine.cookie, "__Secure-"), "code=the-code&state=" + mine.state, foreign, 400},
		{"a state of nobody", mine.cookie, "code=the-code&state=0123", foreign, 400},
		{"no state", mine.cookie, "code=the-code", foreign, 400},
		{"too late", late.cookie, "code=the-code&state=" + late.state, "It took too long", 400},
		{"a second time", used.cookie, "code=the-code&state=" + used.state, "This link was used before", 409},
		{"nothing at all", "", "", "This page is a part of connecting a store", 400},
		{"a state alone", mine.cookie, "state=" + mine.state, "This page is a part of connecting a store", 400},
	} {
		x.says(tt.name, x.callback(tt.cookie, "%s", tt.query), tt.status, tt.title)
	}
	if got := g.used(); len(got) != 1 || got[0] != "first" {
		t.Errorf("codes taken: %v", got)
	}
	x.says("the right one after all", x.callback(mine.cookie, "code=last&state=%s", mine.state), http.StatusOK, "Your store is connected")
}

// Salla began it: its state proves nothing, so the browser goes round once more.
func TestAFlowThatSallaBeganGoesThroughOurs(t *testing.T) {
	t.Parallel()
	x, g := newGate(t)
	for _, query := range []string{"code=the-code&state=sallasown", "code=the-code"} {
		a := x.callback("", "%s", query)
		if a.Code != http.StatusSeeOther || a.Header.Get("Location") != "/salla/install" {
			t.Errorf("%s: %d to %q", query, a.Code, a.Header.Get("Location"))
		}
	}
	if len(g.used()) != 0 {
		t.Errorf("a code without a state of ours is taken: %v", g.used())
	}
	in := x.install()
	x.says("round once more", x.callback(in.cookie, "code=fresh&state=%s", in.state), http.StatusOK, "Your store is connected")
	if got := g.used(); len(got) != 1 || got[0] != "fresh" {
		t.Errorf("codes taken: %v", got)
	}
}

func TestWhatSallaRefusesIsAPage(t *testing.T) {
	t.Parallel()
	x, g := newGate(t)
	in := x.install()
	x.says("declined", x.callback(in.cookie, "error=access_denied&error_description=the-code&state=%s", in.state), http.StatusForbidden, "Access was not given")
	x.says("its state afterwards", x.callback(in.cookie, "code=the-code&state=%s", in.state), http.StatusConflict, "This link was used before")
	x.says("declined, begun by Salla", x.callback("", "error=access_denied&state=x"), http.StatusForbidden, "Access was not given")
	x.says("an error", x.callback("", "error=%%3Cscript%%3E"), http.StatusBadGateway, "Salla did not complete the connection")
	if len(g.used()) != 0 {
		t.Errorf("codes taken: %v", g.used())
	}
	for title, err := range map[string]error{
		"Salla did not accept the consent": fmt.Errorf("exchange a code: %w", fault.New(fault.Forbidden, "the-code")),
		"It cannot be completed now":       errors.New("the-code"),
	} {
		in, g.err = x.install(), err
		status := http.StatusServiceUnavailable
		if errors.Is(err, fault.Forbidden) {
			status = http.StatusBadGateway
		}
		x.says(title, x.callback(in.cookie, "code=the-code&state=%s", in.state), status, title)
	}
}

func TestInstallsOfOneNetworkAreLimited(t *testing.T) {
	t.Parallel()
	x, _ := newGate(t)
	for range installsPerNetwork {
		x.install()
	}
	a := x.send(http.MethodGet, "/salla/install", "", nil)
	x.says("one too many", a, http.StatusTooManyRequests, "Too many attempts")
	if a.Header.Get("Retry-After") == "" || a.Header.Get("Set-Cookie") != "" {
		t.Errorf("headers: %v", a.Header)
	}
	if n := one[int](x, `SELECT count(*) FROM installs`); n != installsPerNetwork {
		t.Errorf("%d rows", n)
	}
	from := func(address string) int {
		r := httptest.NewRequest(http.MethodGet, "/salla/install", nil)
		r.RemoteAddr = netip.MustParseAddrPort(address).String()
		w := httptest.NewRecorder()
		x.h.ServeHTTP(w, r)
		return w.Code
	}
	if got := from("198.51.100.7:1"); got != http.StatusSeeOther {
		t.Errorf("another network: %d", got)
	}
	for n := range installsPerNetwork { // one /48, each time another /64
		from(fmt.Sprintf("[2001:db8:1:%x::1]:1", n))
	}
	if one, other := from("[2001:db8:1:ffff::1]:1"), from("[2001:db8:2::1]:1"); one != http.StatusTooManyRequests || other != http.StatusSeeOther {
		t.Errorf("the same /48: %d; another: %d", one, other)
	}
}

func TestFaultInstallWithoutPostgresIsAPage(t *testing.T) {
	t.Parallel()
	x, g := newGate(t)
	in := x.install()
	down, err := store.Open(t.Context(), "postgres://127.0.0.1:1/none", "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(down.Close)
	up := x.s.DB
	x.s.DB = store.New(down)
	began := time.Now()
	x.says("install", x.send(http.MethodGet, "/salla/install", "", nil), http.StatusServiceUnavailable, "It cannot be completed now")
	x.says("callback", x.callback(in.cookie, "code=the-code&state=%s", in.state), http.StatusServiceUnavailable, "It cannot be completed now")
	if took := time.Since(began); took > 2*events.CommitTimeout || len(g.used()) != 0 {
		t.Errorf("after %s, codes taken: %v", took, g.used())
	}
	x.s.DB = up
	x.says("once it is back", x.callback(in.cookie, "code=c&state=%s", in.state), http.StatusOK, "Your store is connected")
}

// Once the code is used up and the grant is on disk there is nothing to begin again.
func TestFaultInstallThatWasSpooledIsNotBegunAgain(t *testing.T) {
	t.Parallel()
	x, g := newGate(t)
	g.err, g.spooled = fmt.Errorf("%w: the event could not be committed", fault.Unavailable), true
	in := x.install()
	kept := x.callback(in.cookie, "code=the-code&state=%s", in.state)
	x.says("kept on disk", kept, http.StatusAccepted, "Your store is being connected")
	if page := string(kept.Body); !strings.Contains(page, "is being prepared") || strings.Contains(page, installPath) || len(x.bell.kinds()) != 0 {
		t.Errorf("the page leads to another flow, or something was rung for: %s", page)
	}
	g.spooled = false
	in = x.install()
	x.says("kept nowhere", x.callback(in.cookie, "code=the-code&state=%s", in.state), http.StatusServiceUnavailable, "It cannot be completed now")
}

func TestWithoutTheFlowItsAddressesLeadNowhere(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	for _, path := range []string{"/salla/install", "/salla/callback?code=x&state=y"} {
		if a := send(h, http.MethodGet, path, nil, nil); a.Code != http.StatusNotFound || a.code() != "not_found" {
			t.Errorf("%s: %d %s", path, a.Code, a.Body)
		}
	}
}
