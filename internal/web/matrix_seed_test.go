package web

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// scripted is the name of a store that would like to be more than text.
const scripted = `<script>alert(1)</script>`

// campus is a console with something of everything on it.
type campus struct {
	*shelf
	furnished
	server *httptest.Server
	failed uuid.UUID // a store that is not ready
	tried  uuid.UUID // an event that failed at its second attempt
	bulk   string    // the address of a bulk act that was chosen
}

func newCampus(t *testing.T) *campus {
	t.Helper()
	x := drawer(t, "متجر النخيل 🌴")
	x.street()
	x.reject(mended(71), mended(72), mended(73), dateless(81))
	// Its merchant is one of its own: furnish has a store of that number.
	x.exec(`UPDATE tenants SET merchant = 1234500001, slug = 'store-1234500001' WHERE id = $1`, x.id)
	x.exec(`UPDATE events SET merchant = 1234500001 WHERE tenant_id = $1`, x.id)
	w := &campus{shelf: x, furnished: furnish(x.desk)}
	w.exec(`UPDATE tenants SET name = $1 WHERE merchant = 1077001122`, scripted)
	w.failed = one[uuid.UUID](x.site, `SELECT id FROM tenants WHERE name = 'Dates of Qassim'`)
	w.tried = x.event(deskEvent{name: "order.created", status: "received", tenant: &x.id, merchant: 1234500001, payload: `{"event": "order.created", "data": {"id": 91000}}`})
	x.exec(`UPDATE events SET attempts = 1, last_error = 'salla: GET /orders/91000: 502 bad gateway' WHERE id = $1`, w.tried)
	x.exec(`UPDATE events SET attempts = 2, state = 'failed', status = 'failed', error = 'salla: GET /orders/91000: 422', last_error = 'salla: GET /orders/91000: 422' WHERE id = $1`, w.tried)
	x.exec(`
		INSERT INTO tenant_notes (id, tenant_id, body, author, removed_at, removed_by) VALUES
		($1, $4, 'Called the merchant: they reinstall the app tomorrow.', $5, NULL, NULL),
		($2, $4, $6, 'sara@wosool.example', NULL, NULL), ($3, $4, 'mistaken', 'sara@wosool.example', now(), $5)`,
		uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7()), x.id, deskOperator, scripted)
	incomplete := one[uuid.UUID](x.site, `SELECT id FROM runs WHERE status = 'incomplete'`)
	x.exec(`UPDATE streams SET total_after = 512 WHERE run_id = $1`, incomplete)
	x.s.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	x.h = x.s.Handler()
	if a := x.post("/admin/settings/keys", url.Values{"name": {"Warehouse"}, "scope": {"read"}, "days": {"30"}}); a.Code >= http.StatusBadRequest {
		t.Errorf("no key was made: %d", a.Code)
	}
	w.bulk = x.choose(url.Values{"of": {"tenants"}, "act": {"retry"}, "all": {"yes"}})
	w.beating()
	w.server = httptest.NewServer(x.h)
	t.Cleanup(w.server.Close)
	w.server.URL = strings.Replace(w.server.URL, "127.0.0.1", "localhost", 1) // where passkeys work
	x.s.PublicURL, x.s.Passkeys = w.server.URL, partyAt(t, w.server.URL)
	return w
}

// beating keeps the workers alive that are, as long as the test runs: one that falls
// silent meanwhile puts a line above whatever page is looked at.
func (w *campus) beating() {
	w.t.Helper()
	alive := one[[]uuid.UUID](w.site, `SELECT array_agg(id) FROM workers WHERE seen_at > now() - interval '30 seconds' AND stopped_at IS NULL`)
	ctx, stop := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		for tick := time.NewTicker(time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				if _, err := w.pool.Exec(ctx, `UPDATE workers SET seen_at = now() WHERE id = ANY($1)`, alive); err != nil && ctx.Err() == nil {
					w.t.Errorf("beat: %v", err)
				}
			}
		}
	})
	w.t.Cleanup(func() { stop(); done.Wait() })
}

// as signs an operator of a role in, and returns their cookie.
func (d *desk) as(role store.Role) string {
	d.t.Helper()
	text, hash, err := newToken(plainCookie)
	if err != nil {
		d.t.Fatal(err)
	}
	operator := uuid.Must(uuid.NewV7())
	d.exec(`INSERT INTO operators (id, email, password, role) VALUES ($1, $2, '-', $3)`, operator, string(role)+"@wosool.example", string(role))
	d.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) VALUES ($1, $2, $3, '192.0.2.2', 'test')`,
		uuid.Must(uuid.NewV7()), hash, operator)
	d.exec(`INSERT INTO passkeys (id, operator_id, credential_id, sealed, name, challenge_until) VALUES ($1, $2, $3, '\x02', $4, now())`,
		uuid.Must(uuid.NewV7()), operator, hash, scripted)
	return plainCookie + "=" + text
}

// sight is one page to look at.
type sight struct {
	name, path string
	shows      string // what it says in English; "" for whatever it says
}

// variants are addresses whose pages say something else than those that the
// console's own links lead to first: filtered, empty, in another state.
func (w *campus) variants() []sight {
	w.t.Helper()
	dead, err := w.s.DB.DeadLetters(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	found, err := w.db.Rejects(w.t.Context(), tenantdb.RejectFilter{})
	if err != nil || len(found) == 0 {
		w.t.Fatalf("no reject: %v", err)
	}
	group := url.Values{"task": {dead.Groups[0].Task}, "group": {dead.Groups[0].Key}}
	running := importHref(one[uuid.UUID](w.site, `SELECT id FROM runs WHERE status = 'running' ORDER BY id LIMIT 1`))
	store, rejects := tenantHref(w.id), tenantHref(w.id)+"/rejects"
	return []sight{
		{"overview-hour", "/admin?span=hour", "Needs you"},
		{"overview-week", "/admin?span=week", "Newest installs"},
		{"tenants-empty", "/admin/tenants?q=nobody", "No store matches"},
		{"tenant", store, "Import · initial"},
		{"tenant-tasks", store + "?show=tasks", "import:page"},
		{"tenant-failed", tenantHref(w.failed), "Not ready: the step identity failed"},
		{"people", store + "/data", "@example.com"},
		{"orders", store + "/data?table=orders", "1,234.50 SAR"},
		{"carts", store + "/data?table=carts", "99.5 SAR"},
		{"record", store + "/data/orders/91000", "As the list gave it"},
		{"rejects", rejects, "total is not a number"},
		{"rejects-group", rejects + "?resource=products&field=price.amount", "price.amount ✕"},
		{"rejects-none", rejects + "?resource=carts", "No record is rejected"},
		{"redrive", rejects + "/redrive", "would still be refused"},
		{"reject", rejects + "/" + found[len(found)-1].ID.String(), "The record as it came"},
		{"tenant-events", store + "/events", "order.created"},
		{"connection", store + "/connection", "Grant at Salla"},
		{"database", store + "/database", "salla_orders"},
		{"tenant-notes", store + "/notes", "reinstall the app tomorrow"},
		{"tenant-people", store + "?show=people", "asked for an import"},
		{"tenant-waits", tenantHref(one[uuid.UUID](w.site, `SELECT id FROM tenants WHERE name = 'مكتبة جرير الصغيرة'`)), "it goes on by itself"},
		{"event-tried", "/admin/events/" + w.tried.String(), "was given up"},
		{"bulk-chosen", w.bulk, ""},
		{"suspend", store + "/suspend", "to go on"},
		{"import-again", store + "/import", "Import again"},
		{"import-running", running, "orders"},
		{"import-cancel", running + "/cancel", "Cancel the import"},
		{"import-incomplete", importHref(one[uuid.UUID](w.site, `SELECT id FROM runs WHERE status = 'incomplete' LIMIT 1`)), "products"},
		{"events-filtered", "/admin/events?status=waiting&merchant=1234509876&q=order.", "merchant 1234509876"},
		{"events-empty", "/admin/events?merchant=4", "No event is like this"},
		{"events-text", "/admin/events?merchant=1234509876&text=5521&from=2020-01-01T00:00:00Z", "payload has"},
		{"event", "/admin/events/" + w.applied.String(), "order.created"},
		{"event-waiting", "/admin/events/" + w.waiting.String(), "Ask the merchant"},
		{"event-failed", "/admin/events/" + w.furnished.failed.String(), "Mend the cause"},
		{"event-text", "/admin/events/" + w.unreadable.String(), "the sender has to"},
		{"failed", "/admin/lanes/failed?" + group.Encode(), "Retry"},
		{"failed-filtered", "/admin/lanes/failed?task=event:apply&lane=events&merchant=1200450071&reason=salla", "Salla answered"},
		{"failed-none", "/admin/lanes/failed?task=token:refresh", "None of it is left"},
		{"failed-retry", "/admin/lanes/failed/retry-all?task=event:apply&reason=salla+answered", "Among them"},
		{"search", "/admin/search?q=order.", "order.created"},
		{"search-none", "/admin/search?q=nothing-like-this", "What can be searched for"},
	}
}

// patterns are the console's own routes of a method, without Asynqmon's and files.
func patterns(t testing.TB, h http.Handler, method string) []string {
	t.Helper()
	var found []string
	if err := chi.Walk(h.(chi.Routes), func(m, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		route = strings.TrimSuffix(route, "/")
		if m == method && strings.HasPrefix(route, "/admin") && !strings.HasPrefix(route, queuesRoot) && !strings.Contains(route, "/static/") {
			found = append(found, route)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// patternOf is the route that answers a request.
func patternOf(h http.Handler, method, path string) string {
	ctx := chi.NewRouteContext()
	if !h.(chi.Routes).Match(ctx, method, path) {
		return ""
	}
	return strings.TrimSuffix(ctx.RoutePattern(), "/")
}

// asked is what an address answers to whoever has a cookie: its status and kind,
// and its content where it is a page. Streams are left as soon as they begin.
func (w *campus) asked(cookie, path string) (status int, kind string, doc *goquery.Document) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, w.server.URL+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Cookie", cookie)
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer resp.Body.Close()
	kind, _, _ = strings.Cut(resp.Header.Get("Content-Type"), ";")
	if kind != "text/html" {
		return resp.StatusCode, kind, nil
	}
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		w.t.Fatal(err)
	}
	if doc, err = goquery.NewDocumentFromReader(&body); err != nil {
		w.t.Fatal(err)
	}
	return resp.StatusCode, kind, doc
}

// walk finds an address for every page that the router knows, by following the
// console's own links from the pages that are given. A page that nothing links to
// is a mistake: nobody would find it.
func (w *campus) walk(cookie string, from []sight) []sight {
	w.t.Helper()
	known := patterns(w.t, w.h, http.MethodGet)
	seen := map[string]bool{}
	var pages, queue []sight
	add := func(p sight) {
		bare, _, _ := strings.Cut(p.path, "?")
		pattern := patternOf(w.h, http.MethodGet, bare)
		if pattern == "" || seen[pattern] && p.name == "" || !slices.Contains(known, pattern) || strings.HasSuffix(pattern, "/live") {
			return
		}
		seen[pattern] = true
		if p.name == "" {
			p.name = strings.Trim(strings.NewReplacer("/admin", "", "/", "-", "{", "", "}", "").Replace(pattern), "-")
			if p.name == "" {
				p.name = "overview"
			}
		}
		queue = append(queue, p)
	}
	for _, p := range from {
		add(p)
	}
	for _, pattern := range known {
		if !strings.Contains(pattern, "{") {
			add(sight{path: pattern})
		}
	}
	for len(queue) > 0 {
		p := queue[0]
		queue = queue[1:]
		status, kind, doc := w.asked(cookie, p.path)
		if status != http.StatusOK && status != http.StatusSeeOther {
			w.t.Errorf("GET %s: status %d", p.path, status)
			continue
		}
		if doc == nil || status != http.StatusOK {
			w.t.Logf("GET %s is no page: %d %s", p.path, status, kind)
			continue
		}
		pages = append(pages, p)
		doc.Find("a[href^='/admin']").Each(func(_ int, a *goquery.Selection) { add(sight{path: a.AttrOr("href", "")}) })
		doc.Find("form.act[method=get]").Each(func(_ int, form *goquery.Selection) { // an act that asks first
			fields := url.Values{}
			form.Find("input[name]").Each(func(_ int, in *goquery.Selection) { fields.Set(in.AttrOr("name", ""), in.AttrOr("value", "")) })
			add(sight{path: form.AttrOr("action", "") + "?" + fields.Encode()})
		})
	}
	for _, pattern := range known {
		if !seen[pattern] && !strings.HasSuffix(pattern, "/live") {
			w.t.Errorf("no page of the console links to %s", pattern)
		}
	}
	return pages
}
