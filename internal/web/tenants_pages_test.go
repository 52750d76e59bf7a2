package web

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// evil is a name that would do harm if it were taken for markup.
const evil = `<script>alert(1)</script>`

func TestTenantsAreListedWithWhatIsKnownOfThem(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("متجر النخيل", 1234509876, "ready")
	d.exec(`UPDATE tenants SET store = '{"domain":"nakheel.example"}', plan = 'pro', created_at = now() - interval '3 days' WHERE id = $1`, id)
	d.grant(id, "active")
	d.event(deskEvent{name: "order.created", status: "applied", tenant: &id, merchant: 1234509876, ago: 2 * time.Minute})
	first := d.ranImport(id, "initial", "complete", 48*time.Hour)
	d.readStream(first, id, "customers", "complete", 6000, 0, 0, 6000)
	d.readStream(first, id, "orders", "complete", 10_000, 0, 3, 10_003)
	again := d.ranImport(id, "reconcile", "complete", 24*time.Hour)
	d.readStream(again, id, "customers", "complete", 5, 6010, 0, 6015)
	d.exec(`UPDATE streams SET until_known = true WHERE id = $1`, d.readStream(again, id, "orders", "complete", 2, 60, 0, 10_005))

	doc := d.page(http.StatusOK, "/admin/tenants")

	row := doc.Find("#tenants tbody tr")
	var cells []string
	row.Find("td").Each(func(_ int, td *goquery.Selection) { cells = append(cells, words(td)) })
	want := []string{"متجر النخيل nakheel.example", "1234509876", "ready", "16,015", "2 min ago", "pro", "3 d ago"}
	if diff := cmp.Diff(want, cells); diff != "" {
		t.Errorf("cells (-want +got):\n%s", diff)
	}
	if got := row.Find("a.row bdi").Text(); got != "متجر النخيل" {
		t.Errorf("the name stands in %q, want it isolated", got)
	}
	if href := row.Find("a.row").AttrOr("href", ""); href != "/admin/tenants/"+id.String() {
		t.Errorf("the row leads to %s", href)
	}
}

func TestTenantsFiltersCountAndAgree(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i, status := range []string{"ready", "ready", "ready", "provisioning", "failed", "failed", "suspended", "pending"} {
		d.store(fmt.Sprintf("Store %d", i), int64(100+i), status)
	}
	parked := d.store("Parked", 200, "ready")
	d.grant(parked, "needs_reauthorisation")
	unknown := d.store("Unknown", 201, "ready")
	d.grant(unknown, "refreshing")
	d.exec(`UPDATE connections SET refresh_unknown_at = now() WHERE id = $1`, unknown)
	invited := d.store("Invited", 202, "ready")
	d.exec(`UPDATE tenants SET clerk_owner = 'invited' WHERE id = $1`, invited)
	gone := d.store("Gone", 205, "ready")
	d.exec(`UPDATE tenants SET clerk_organization_id = 'org_gone' WHERE id = $1`, gone)
	d.exec(`INSERT INTO clerk_organizations (id, deleted_at) VALUES ('org_gone', now())`)
	partly := d.store("Partly", 203, "ready")
	d.ranImport(partly, "initial", "incomplete", time.Hour)
	mended := d.store("Mended", 204, "ready")
	d.ranImport(mended, "initial", "incomplete", 2*time.Hour)
	d.ranImport(mended, "reconcile", "complete", time.Hour)

	doc := d.page(http.StatusOK, "/admin/tenants")

	var labels []string
	doc.Find(".chips a").Each(func(_ int, a *goquery.Selection) {
		href, count := a.AttrOr("href", ""), words(a.Find(".count"))
		label := strings.TrimSpace(strings.Replace(words(a), count, "", 1)) + " " + count
		labels = append(labels, label)
		if rows := d.page(http.StatusOK, href).Find("#tenants tbody tr").Length(); fmt.Sprint(rows) != count {
			t.Errorf("%s: %d rows at %s", label, rows, href)
		}
	})
	want := []string{"all 14", "ready 9", "provisioning 1", "failed 2", "suspended 1", "needs re-authorisation 1", "pending 1"}
	if diff := cmp.Diff(want, labels); diff != "" {
		t.Errorf("chips (-want +got):\n%s", diff)
	}
	for status, name := range map[string]string{
		"needs_reauthorisation": "Parked", "refresh_unknown": "Unknown", "owner_invited": "Invited", "owner_gone": "Gone", "import_incomplete": "Partly",
	} {
		doc := d.page(http.StatusOK, "/admin/tenants?status="+status)
		if got := words(doc.Find("#tenants tbody a.row")); got != name {
			t.Errorf("%s: %q, want %q", status, got, name)
		}
		if on := doc.Find(`.chips a[aria-current]`).Length(); on != 1 {
			t.Errorf("%s: %d chips are on, want 1", status, on)
		}
	}
	if row := words(d.page(http.StatusOK, "/admin/tenants?status=needs_reauthorisation").Find("#tenants tbody tr")); !strings.Contains(row, "needs re-authorisation") {
		t.Errorf("the row says %q", row)
	}
	d.page(http.StatusUnprocessableEntity, "/admin/tenants?status=great")
}

func TestTenantsAreFound(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	palm := d.store("متجر النخيل الذهبي", 1234509876, "ready")
	d.store("Rose "+evil, 777, "ready")

	for q, want := range map[string]string{
		"النخيل": "متجر النخيل الذهبي", "12345": "متجر النخيل الذهبي", palm.String(): "متجر النخيل الذهبي",
		"rose": "Rose " + evil, "store-777": "Rose " + evil, "nobody": "", evil: "",
	} {
		doc := d.page(http.StatusOK, listHref(tenantsPath, nil, "q", q))
		if got := words(doc.Find("#tenants tbody a.row")); got != want {
			t.Errorf("q=%s: %q, want %q", q, got, want)
		}
		if want == "" && !strings.Contains(words(doc.Find(".empty")), "No store matches") {
			t.Errorf("q=%s: %q", q, words(doc.Find("main")))
		}
		if got := doc.Find(`.search input[name=q]`).AttrOr("value", ""); got != q {
			t.Errorf("the field holds %q, want %q", got, q)
		}
		if doc.Find("main script").Length() > 0 {
			t.Errorf("q=%s: there is a script in the page", q)
		}
	}
}

// Pages follow each other without a gap or a double, in both directions.
func TestTenantsPages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var newest []string
	for i := range 2*pageSize + 5 {
		name := fmt.Sprintf("Store %03d", i)
		d.store(name, int64(1000+i), "ready")
		newest = append([]string{name}, newest...)
	}
	read := func(path string) (names []string, newer, older string) {
		doc := d.page(http.StatusOK, path)
		doc.Find("#tenants tbody a.row").Each(func(_ int, a *goquery.Selection) { names = append(names, words(a)) })
		return names, doc.Find(`.pager a[rel=prev]`).AttrOr("href", ""), doc.Find(`.pager a[rel=next]`).AttrOr("href", "")
	}

	var seen []string
	var back string
	path := "/admin/tenants?status=ready"
	for pages := 0; path != "" && pages < 5; pages++ {
		var names []string
		names, back, path = read(path)
		seen = append(seen, names...)
	}

	if diff := cmp.Diff(newest, seen); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	names, newer, _ := read(back)
	if diff := cmp.Diff(newest[pageSize:2*pageSize], names); diff != "" {
		t.Errorf("the page before the last (-want +got):\n%s", diff)
	}
	if to := d.led(newer); to != "/admin/tenants?status=ready" {
		a, _, _ := read(newer)
		t.Errorf("newer leads to %s (%v), want the first page", to, a)
	}
	d.page(http.StatusBadRequest, "/admin/tenants?cursor=x")
}

func TestTenantsWhileThereAreNone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for path, want := range map[string]string{
		"/admin/tenants": "make demo", "/admin/tenants?status=failed": "No store is like this now", "/admin": "make demo",
	} {
		if got := words(d.page(http.StatusOK, path).Find(".empty")); !strings.Contains(got, want) {
			t.Errorf("%s says %q, want %q", path, got, want)
		}
	}
}

func TestTenantPagesNeedAnOperator(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	path := tenantHref(id)
	for _, get := range []string{
		"/admin", "/admin/live", "/admin/tenants", "/admin/tenants/live", path, path + "/live", path + "/data", path + "/data/people/1",
		path + "/rejects", path + "/rejects/" + uuid.NewString(), path + "/events", path + "/connection", path + "/database",
		path + "/suspend", path + "/import",
	} {
		a := d.send(http.MethodGet, get, "", nil)
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in?next=") {
			t.Errorf("GET %s without a session: %d to %q", get, a.Code, a.Header.Get("Location"))
		}
	}
	for _, act := range []string{"retry", "import", "suspend", "resume"} {
		a := d.send(http.MethodPost, path+"/"+act, "", nil)
		if a.Code != http.StatusSeeOther || !strings.HasPrefix(a.Header.Get("Location"), "/admin/sign-in") {
			t.Errorf("POST %s without a session: %d to %q", act, a.Code, a.Header.Get("Location"))
		}
	}
	if n := one[int](d.site, `SELECT count(*) FROM audit`); n != 0 {
		t.Errorf("%d acts were done", n)
	}
}

func TestTenantsStream(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.first("/admin/tenants/live", `"key":"rows"`)
	d.first("/admin/live?span=day", `"key":"newest"`)
	d.first(tenantHref(id)+"/live", `"key":"timeline"`)
}

// grant gives a tenant a connection.
func (d *desk) grant(id uuid.UUID, status string) {
	d.t.Helper()
	d.exec(`
		INSERT INTO connections (id, status, scopes, access_token, refresh_token, expires_at, refresh_at, granted_at, refreshed_at, created_at, parked_reason)
		VALUES ($1, $2, '{orders.read,offline_access}', 'sealed', 'sealed', now() + interval '9 days', now() + interval '2 days',
		        now() - interval '5 days', now() - interval '1 day', now() - interval '5 days',
		        CASE WHEN $2 = 'needs_reauthorisation' THEN 'Salla answered invalid_grant' END)`, id, status)
}

// ranImport makes an import that began some time ago and returns its id.
func (d *desk) ranImport(tenantID uuid.UUID, kind, status string, ago time.Duration) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	d.exec(`
		INSERT INTO runs (id, tenant_id, kind, status, resources, created_at, started_at, finished_at, state, reason)
		VALUES ($1, $2, $3, $4, '{customers,products,orders,carts,order_details}', now() - $5::interval, now() - $5::interval,
		        CASE WHEN $4 IN ('complete', 'incomplete', 'failed', 'cancelled') THEN now() - $5::interval + interval '80 s' END, 'done',
		        CASE $4 WHEN 'incomplete' THEN 'orders: Salla counts 10005, here are 10003 stored and 0 rejected' WHEN 'failed' THEN 'Salla answered 500 twelve times' END)`,
		id, tenantID, kind, status, ago)
	return id
}

// readStream makes a stream of an import and returns its id.
func (d *desk) readStream(run, tenantID uuid.UUID, resource, status string, imported, unchanged, rejected, total int64) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	d.exec(`
		INSERT INTO streams (id, run_id, tenant_id, resource, status, per_page, ahead, pages, imported, unchanged, rejected, total_before,
		                     started_at, finished_at)
		SELECT $1, $2, $3, $4, $5, 60, 1, 4, $6, $7, $8, nullif($9::bigint, -1), r.started_at,
		       CASE WHEN $5 <> 'running' AND $5 <> 'waiting' THEN r.started_at + interval '70 s' END
		FROM runs AS r WHERE r.id = $2`, id, run, tenantID, resource, status, imported, unchanged, rejected, total)
	return id
}

// importPage makes a page of a stream.
func (d *desk) importPage(stream, run, tenantID uuid.UUID, seq, records int, state, why string, due, done time.Duration) {
	d.t.Helper()
	d.exec(`
		INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, records, imported, done_at, state, last_error, due_at)
		VALUES ($1, $2, $3, $4, $5, $6, $6, CASE WHEN $7 = 'done' THEN now() - $8::interval END, $7, nullif($9, ''),
		        CASE WHEN $7 = 'runnable' THEN now() + $10::interval END)`,
		uuid.Must(uuid.NewV7()), stream, run, tenantID, seq, records, state, done, why, due)
}

// step writes one step of a tenant's provisioning.
func (d *desk) step(tenantID uuid.UUID, position int, name, status, why string, attempt int) {
	d.t.Helper()
	d.exec(`
		INSERT INTO steps (tenant_id, name, position, status, attempt, started_at, finished_at, error)
		VALUES ($1, $2, $3::integer, $4, $5, CASE WHEN $4 <> 'pending' THEN now() - interval '3 minutes' END,
		        CASE WHEN $4 IN ('done', 'skipped', 'failed') THEN now() - interval '3 minutes' + $3::integer * interval '41 ms' END, nullif($6, ''))`,
		tenantID, name, position, status, attempt, why)
}
