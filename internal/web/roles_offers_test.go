package web

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// A viewer's pages offer nothing that would be refused: no form that acts on what is
// not theirs, and nothing that leads to the form of an act. An operator's do.
func TestViewersAreOfferedNoAct(t *testing.T) {
	t.Parallel()
	x := drawer(t, "متجر النخيل")
	x.reject(mended(71), mended(72), dateless(81))
	x.exec(`UPDATE tenants SET merchant = 1234500001, slug = 'palm' WHERE id = $1`, x.id) // furnish has a store of its number
	x.exec(`UPDATE events SET merchant = 1234500001 WHERE tenant_id = $1`, x.id)
	f := furnish(x.desk)
	pages := []string{
		"/admin", "/admin/tenants", "/admin/events", "/admin/imports", "/admin/lanes", "/admin/lanes/failed", "/admin/workers", "/admin/account",
		"/admin/search?q=store", tenantHref(x.id), tenantHref(x.id) + "/rejects", tenantHref(x.id) + "/data",
		"/admin/events/" + f.failed.String(), "/admin/events/" + f.waiting.String(),
	}
	for _, sql := range []string{
		`SELECT array_agg('/admin/tenants/' || id::text) FROM tenants`,
		`SELECT array_agg('/admin/imports/' || id::text) FROM runs`,
	} {
		pages = append(pages, one[[]string](x.site, sql)...)
	}
	least := map[string]string{}
	for role, list := range leastRoles() {
		for _, route := range list {
			least[route] = role
		}
	}
	seen := map[store.Role]map[string][]string{}
	for _, who := range []store.Role{store.RoleViewer, store.RoleOperator} {
		seen[who] = map[string][]string{}
		for _, path := range pages {
			x.cookie = x.cookieOf(t, who)
			x.cookieOf(t, who) // another one, which the account offers to end
			seen[who][path] = offers(x.h.(chi.Routes), x.page(http.StatusOK, path), least)
		}
	}

	for path, list := range seen[store.RoleViewer] {
		if len(list) > 0 {
			t.Errorf("%s offers a viewer %q", path, list)
		}
	}
	for _, path := range []string{"/admin/lanes", "/admin/lanes/failed", tenantHref(x.id), tenantHref(x.id) + "/rejects", "/admin/events/" + f.failed.String()} {
		if len(seen[store.RoleOperator][path]) == 0 {
			t.Errorf("%s offers an operator nothing: the test above proves nothing of it", path)
		}
	}
	x.cookie = x.cookieOf(t, store.RoleViewer)
	if n := x.page(http.StatusOK, "/admin/account").Find(`main form[method=post]`).Length(); n == 0 {
		t.Error("a viewer can't end their own sessions")
	}
}

// offers are the forms and links of a page that lead to what needs more than a viewer.
func offers(routes chi.Routes, doc *goquery.Document, least map[string]string) (list []string) {
	ask := func(method, address string) {
		u, err := url.Parse(address)
		if err != nil || !strings.HasPrefix(u.Path, "/admin") {
			return
		}
		pattern := method + " " + routes.Find(chi.NewRouteContext(), method, u.Path)
		role, known := least[pattern]
		if !known { // the first page of a router of its own
			role, known = least[pattern+"/"]
		}
		switch {
		case !known:
			list = append(list, "(unknown) "+method+" "+address)
		case role == string(store.RoleOperator) || role == string(store.RoleAdmin):
			list = append(list, method+" "+address)
		}
	}
	doc.Find("a[href]").Each(func(_ int, a *goquery.Selection) { ask(http.MethodGet, a.AttrOr("href", "")) })
	doc.Find("form").Each(func(_ int, form *goquery.Selection) {
		if form.AttrOr("method", "get") != "dialog" {
			ask(strings.ToUpper(form.AttrOr("method", "get")), form.AttrOr("action", ""))
		}
	})
	return list
}

// What is sent again as a page changes is made for each role apart: an operator who
// looks at the same page does not hand their buttons to a viewer.
func TestStreamsAreOfOneRole(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	path := "/admin/events/" + d.event(deskEvent{name: "order.created", status: "failed", words: "Salla answered 500", merchant: 7, payload: `{"id": 1}`}).String() + "/live"
	d.s.console.feeds.every = time.Hour // whoever comes second is given what the first was
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)

	first := d.stream(server, d.cookieOf(t, store.RoleOperator), path)
	offered := first.until(func(text string) bool { return strings.Contains(text, "/replay") })
	second := d.stream(server, d.cookieOf(t, store.RoleViewer), path)
	shown := second.until(func(text string) bool {
		for _, key := range partKey.FindAllString(offered, -1) {
			if !strings.Contains(text, key) {
				return false
			}
		}
		return true
	})

	if strings.Contains(shown, "/replay") {
		t.Errorf("a viewer is sent an operator's button: %s", shown)
	}
}

var partKey = regexp.MustCompile(`"key":"[a-z]+"`)

// A stream ends when the role of who opened it changes, so that the page asks again
// with the new one; where the operator is gone it says so.
func TestStreamsEndWithTheRole(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.console.feeds.beat = 5 * time.Millisecond
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	cookie := d.cookieOf(t, store.RoleOperator)
	who := one[uuid.UUID](d.site, `SELECT id FROM operators WHERE role = 'operator'`)
	by := store.Actor{Name: "test"}

	open := d.stream(server, cookie, "/admin/lanes/live")
	open.until(func(text string) bool { return strings.Contains(text, ": still here") })
	o, err := d.s.DB.SetOperatorRole(t.Context(), who, store.RoleViewer, by)
	if err != nil {
		t.Fatal(err)
	}
	if rest := open.rest(); strings.Contains(rest, "event: out") {
		t.Errorf("a new role signs out: %s", rest)
	}
	open = d.stream(server, cookie, "/admin/lanes/live")
	open.until(func(text string) bool { return strings.Contains(text, ": still here") })
	if _, err := d.s.DB.RemoveOperator(t.Context(), o.Email, by); err != nil {
		t.Fatal(err)
	}
	if rest := open.rest(); !strings.Contains(rest, "event: out") {
		t.Errorf("who was removed is not told: %s", rest)
	}
}

// listening is a stream of events that somebody reads.
type listening struct {
	t    testing.TB
	body io.Reader
}

// stream opens a stream of a server, which ends with the test.
func (d *desk) stream(server *httptest.Server, cookie, path string) *listening {
	d.t.Helper()
	ctx, cancel := context.WithTimeout(d.t.Context(), 20*time.Second)
	d.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK {
		d.t.Fatalf("stream %s: %d", path, resp.StatusCode)
	}
	return &listening{d.t, resp.Body}
}

// until reads on until what was read is enough.
func (l *listening) until(enough func(string) bool) string {
	l.t.Helper()
	var read strings.Builder
	part := make([]byte, 32<<10)
	for !enough(read.String()) {
		n, err := l.body.Read(part)
		read.Write(part[:n])
		if err != nil {
			l.t.Fatalf("the stream ended: %v: %s", err, read.String())
		}
	}
	return read.String()
}

// rest reads until the stream ends.
func (l *listening) rest() string {
	l.t.Helper()
	text, err := io.ReadAll(l.body)
	if err != nil {
		l.t.Fatalf("the stream did not end by itself: %v", err)
	}
	return string(text)
}

// A role that changes holds from the next request on.
func TestRoleHoldsAtOnce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	act := "/admin/lanes/imports/pause"
	send := func(method, path string) int {
		return d.send(method, path, "", map[string]string{"Cookie": d.cookie}).Code
	}
	me := one[uuid.UUID](d.site, `SELECT id FROM operators`)
	if _, err := d.s.DB.AddOperator(t.Context(), "other@wosool.example", "-", store.RoleAdmin, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		role          store.Role
		acts, decides int
	}{
		{store.RoleAdmin, http.StatusSeeOther, http.StatusOK},
		{store.RoleOperator, http.StatusSeeOther, http.StatusForbidden},
		{store.RoleViewer, http.StatusForbidden, http.StatusForbidden},
		{store.RoleAdmin, http.StatusSeeOther, http.StatusOK},
	} {
		if _, err := d.s.DB.SetOperatorRole(t.Context(), me, tt.role, store.Actor{Name: "test"}); err != nil {
			t.Fatal(err)
		}
		if got := send(http.MethodPost, act); got != tt.acts {
			t.Errorf("as %s an act is answered %d, want %d", tt.role, got, tt.acts)
		}
		if got := send(http.MethodGet, settingsPath); got != tt.decides {
			t.Errorf("as %s the settings are answered %d, want %d", tt.role, got, tt.decides)
		}
	}
}
