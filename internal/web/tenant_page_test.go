package web

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/PuerkitoBio/goquery"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// ladder writes all steps: those before at are done, at has the status, those
// behind are not yet.
func (d *desk) ladder(id uuid.UUID, at, status, why string, attempt int) {
	past := false
	for i, name := range []string{"store", "identity", "database", "seed", "workspace", "subscriptions", "verify"} {
		switch {
		case name == at:
			d.step(id, i+1, name, status, why, attempt)
			past = true
		case past:
			d.step(id, i+1, name, "pending", "", 0)
		case name == "workspace":
			d.step(id, i+1, name, "skipped", "Twenty is not configured", 1)
		default:
			d.step(id, i+1, name, "done", "", 1)
		}
	}
}

// Each state that a tenant can be in is named in one sentence, with what to do.
func TestTenantPageSaysWhyNot(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	tests := []struct {
		name   string
		status string
		make   func(id uuid.UUID)
		word   string   // the status
		why    []string // in the sentence; none: there is none
		acts   string
	}{
		{"installed without grant", "pending", func(uuid.UUID) {}, "pending, no grant yet", []string{"Not ready: the app is installed", "ask the merchant"}, "Suspend…"},
		{"not installed", "pending", func(id uuid.UUID) { d.exec(`UPDATE tenants SET installed = false WHERE id = $1`, id) }, "pending, no grant yet", []string{"has not granted access", "install the app"}, "Suspend…"},
		{"next step", "provisioning", func(id uuid.UUID) { d.ladder(id, "database", "pending", "", 0) }, "provisioning", []string{"Being set up: the step database is next"}, "Suspend…"},
		{"running step", "provisioning", func(id uuid.UUID) { d.ladder(id, "database", "running", "", 1) }, "provisioning", []string{"the step database runs"}, "Suspend…"},
		{"tried again", "provisioning", func(id uuid.UUID) {
			d.ladder(id, "identity", "running", "clerk: POST /users: 500. It is tried again by itself", 3)
		}, "provisioning", []string{"the step identity did not succeed at its attempt 3: clerk: POST /users: 500. It is tried again by itself."}, "Suspend…"},
		{"waiting step", "provisioning", func(id uuid.UUID) {
			d.ladder(id, "identity", "waiting", "waits for Clerk's limit of requests until 2026-11-21T10:00:00Z", 1)
		}, "provisioning", []string{"the step identity waits for Clerk's limit of requests."}, "Suspend…"},
		{"failed step", "failed", func(id uuid.UUID) {
			d.ladder(id, "identity", "failed", "clerk: POST /organizations: 403 organization_quota_exceeded. Clerk's plan has no room for it: raise the plan or remove what is not used, then retry", 1)
		}, "failed", []string{"Not ready: the step identity failed: clerk: POST /organizations: 403 organization_quota_exceeded.", "raise the plan or remove what is not used, then retry."}, "Retry Suspend…"},
		{"failed without step", "failed", func(id uuid.UUID) { d.exec(`UPDATE tenants SET last_error = 'no room' WHERE id = $1`, id) }, "failed", []string{"setting it up failed. no room. Retry goes on"}, "Retry Suspend…"},
		{"suspended", "suspended", func(uuid.UUID) {}, "suspended, by an operator", []string{"Suspended by an operator", "Resume"}, "Resume"},
		{"uninstalled", "suspended", func(id uuid.UUID) { d.exec(`UPDATE tenants SET suspended_by = 'uninstall' WHERE id = $1`, id) }, "suspended, app uninstalled", []string{"the merchant uninstalled the app", "by itself"}, ""},
		{"ready", "ready", func(id uuid.UUID) { d.grant(id, "active") }, "ready", nil, "Import again… Suspend…"},
		{"without grant", "ready", func(uuid.UUID) {}, "ready", []string{"no Salla store has granted it access"}, "Import again… Suspend…"},
		{"grant lost", "ready", func(id uuid.UUID) { d.grant(id, "needs_reauthorisation") }, "ready, needs re-authorisation", []string{"Needs the merchant", "invalid_grant", "Ask them to reinstall the app; waiting work goes on by itself."}, "Import again… Suspend…"},
		{"refresh unknown", "ready", func(id uuid.UUID) {
			d.grant(id, "refreshing")
			d.exec(`UPDATE connections SET refresh_unknown_at = now() WHERE id = $1`, id)
		}, "ready", []string{"Nobody knows whether Salla took its last refresh token"}, "Import again… Suspend…"},
		{"being removed", "deprovisioning", func(uuid.UUID) {}, "deprovisioning", []string{"being removed"}, ""},
		{"removed", "deleted", func(uuid.UUID) {}, "deleted", []string{"It was removed"}, ""},
	}
	for i, tt := range tests {
		id := d.store("Store "+evil, int64(100+i), tt.status)
		tt.make(id)

		doc := d.page(http.StatusOK, tenantHref(id))

		head := doc.Find(`[data-live=head]`)
		if got := words(head.Find(".status").First()); got != tt.word {
			t.Errorf("%s: the status is %q, want %q", tt.name, got, tt.word)
		}
		why := words(head.Find("#why"))
		if (why == "") != (len(tt.why) == 0) {
			t.Errorf("%s: it says %q", tt.name, why)
		}
		for _, want := range tt.why {
			if !strings.Contains(why, want) {
				t.Errorf("%s: it says %q, want %q in it", tt.name, why, want)
			}
		}
		var acts []string
		head.Find(".acts button").Each(func(_ int, b *goquery.Selection) { acts = append(acts, words(b)) })
		if got := strings.Join(acts, " "); got != tt.acts {
			t.Errorf("%s: acts %q, want %q", tt.name, got, tt.acts)
		}
		if got := doc.Find("h1 bdi").Text(); got != "Store "+evil || doc.Find("main script, head script:not([src])").Length() > 0 {
			t.Errorf("%s: the name is %q", tt.name, got)
		}
		for _, tab := range []string{"/data", "/rejects", "/events", "/connection", "/database", "/notes"} {
			d.page(http.StatusOK, tenantHref(id)+tab)
		}
	}
}

// From the overview, two clicks lead to the sentence that says why.
func TestTwoClicksToWhyNot(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "failed")
	d.ladder(id, "database", "failed", "the server has no room. Make room, then retry", 5)

	overview := d.page(http.StatusOK, "/admin")
	list := d.page(http.StatusOK, overview.Find(`[data-live=needs] a[href*="status=failed"]`).First().AttrOr("href", ""))
	page := d.page(http.StatusOK, list.Find("a.row").AttrOr("href", ""))

	if why := words(page.Find("#why")); why != "Not ready: the step database failed: the server has no room. Make room, then retry." {
		t.Errorf("after two clicks: %q", why)
	}
}

func TestTenantLadder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "failed")
	d.ladder(id, "subscriptions", "failed", "salla: 422. Give the app this scope, then retry", 2)

	doc := d.page(http.StatusOK, tenantHref(id))

	var steps []string
	doc.Find(".ladder li").Each(func(_ int, li *goquery.Selection) {
		steps = append(steps, words(li.Find(".name"))+" "+words(li.Find(".sr")))
	})
	want := []string{"store done", "identity done", "database done", "seed done", "workspace skipped", "subscriptions failed", "verify not yet"}
	if diff := cmp.Diff(want, steps); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if took := words(doc.Find(".ladder li").First()); !strings.Contains(took, "41 ms") {
		t.Errorf("the first step says %q, want how long it took", took)
	}
	trouble := doc.Find(".trouble")
	if got := words(trouble); !strings.Contains(got, "subscriptions: salla: 422") || !strings.Contains(got, "Give the app this scope, then retry.") {
		t.Errorf("the trouble is %q", got)
	}
	if d.press(trouble.Find("form")).Code != http.StatusSeeOther {
		t.Error("the step is not retried")
	}
	if got := one[string](d.site, `SELECT status || ' ' || (SELECT act || ' by ' || actor FROM audit) FROM tenants`); got != "provisioning tenant.retry by "+deskOperator {
		t.Errorf("after the retry: %s", got)
	}
}

func TestTenantImportIsShownAsItGoesOn(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.grant(id, "active")
	run := d.ranImport(id, "initial", "running", 130*time.Second)
	d.readStream(run, id, "customers", "complete", 6000, 0, 0, 6000)
	orders := d.readStream(run, id, "orders", "running", 4200, 7, 3, 10_000)
	for i := range 10 {
		d.importPage(orders, run, id, i+1, 60, "done", "", 0, time.Duration(i)*5*time.Second)
	}
	carts := d.readStream(run, id, "carts", "running", 60, 0, 0, 300)
	d.importPage(carts, run, id, 1, 0, "runnable", "waits for room in Salla's limit of requests until 2026-11-21T10:00:00Z", 40*time.Second, 0)
	details := d.readStream(run, id, "order_details", "running", 0, 0, 0, -1)
	d.importPage(details, run, id, 1, 0, "runnable", "salla: GET /orders/7: 500", 20*time.Second, 0)
	d.exec(`UPDATE pages SET attempts = 4 WHERE stream_id = $1`, details)

	doc := d.page(http.StatusOK, tenantHref(id))

	section := doc.Find(`[data-live=imports]`)
	if got := words(section.Find("h2")); got != "Import · initial" {
		t.Errorf("the import is called %q", got)
	}
	if got := words(section.Find(".row-of").First()); !strings.HasPrefix(got, "running for 2 m 1") || !strings.Contains(got, " records a minute") {
		t.Errorf("it says %q", got)
	}
	lines := map[string]string{}
	section.Find(".progress").Each(func(_ int, p *goquery.Selection) { lines[words(p.Find(".name"))] = words(p) })
	for resource, wants := range map[string][]string{
		"customers":     {"6,000 / 6,000", "done in 1 m 10 s"},
		"orders":        {"4,210 / 10,000", " a minute · about 21 minutes left", "3 rejected"},
		"carts":         {"60 / 300", "waits for room in Salla's limit of requests, goes on in"},
		"order details": {"attempt 4 failed: salla: GET /orders/7: 500; again in"},
	} {
		for _, want := range wants {
			if !strings.Contains(lines[resource], want) {
				t.Errorf("%s: %q, want %q in it", resource, lines[resource], want)
			}
		}
	}
	if got := section.Find(`.progress a[href^="` + tenantHref(id) + `/rejects?resource=orders&run="]`).Length(); got != 1 {
		t.Errorf("%d links to the rejects, want 1", got)
	}
	if got := words(doc.Find(`[data-live=head] .notices`)); !strings.Contains(got, "3 records were rejected") {
		t.Errorf("the head says %q", got)
	}
}

func TestTenantImportThatDidNotComeOut(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for status, want := range map[string]string{
		"incomplete": "Orders: Salla counts 10005, here are 10003 stored and 0 rejected. Everything else is stored. Import again compares it once more.",
		"failed":     "Salla answered 500 twelve times. What was imported stays. Mend the cause, then import again.",
	} {
		id := d.store(status, int64(len(status)), "ready")
		d.grant(id, "active")
		d.ranImport(id, "initial", status, time.Hour)
		section := d.page(http.StatusOK, tenantHref(id)).Find(`[data-live=imports]`)
		if got := words(section.Find(".notices")); got != want {
			t.Errorf("%s: %q, want %q", status, got, want)
		}
		if got := words(section.Find(".row-of")); !strings.Contains(got, "took 1 m 20 s") {
			t.Errorf("%s: %q", status, got)
		}
	}
}

func TestTenantTimeline(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, other := d.store("Palm", 7, "ready"), d.store("Other", 8, "ready")
	d.ladder(id, "verify", "done", "", 1)
	d.grant(id, "active")
	run := d.ranImport(id, "initial", "complete", time.Hour)
	stream := d.readStream(run, id, "orders", "complete", 60, 0, 0, 60)
	d.importPage(stream, run, id, 1, 60, "done", "", 0, 59*time.Minute)
	ev := d.event(deskEvent{name: "order.created", status: "applied", tenant: &id, merchant: 7})
	d.event(deskEvent{name: "order.updated", status: "waiting", waiting: "grant", tenant: &id, merchant: 7})
	d.event(deskEvent{name: "product.created", status: "applied", tenant: &other, merchant: 8})
	d.exec(`INSERT INTO healings (id, task, row_id, epoch, reason) VALUES ($1, 'event:apply', $2, 2, 'its lease ran out'), ($3, 'event:apply', $4, 2, 'not mine')`,
		uuid.New(), ev, uuid.New(), uuid.New())
	d.exec(`INSERT INTO audit (id, actor, act, tenant_id) VALUES ($1, $2, 'tenant.import', $3)`, uuid.Must(uuid.NewV7()), deskOperator, id)

	for show, want := range map[string][]string{
		"":       {"event order.created applied in 40 ms", "event order.updated waits for Salla's grant", "import initial complete took 1 m 20 s", "step verify done", "grant grant refreshed", "task event:apply put back its lease ran out", deskOperator + " asked for an import"},
		"events": {"event order.created", "event order.updated"},
		"tasks":  {"import initial began customers, products, orders, carts, order details", "task import:page orders page 1 · 60 records", "event:apply put back"},
		"steps":  {"step store done took 41 ms", "step workspace skipped"},
		"grant":  {"access granted for the first time", "grant refreshed"},
		"people": {deskOperator + " asked for an import"},
	} {
		doc := d.page(http.StatusOK, listHref(tenantHref(id), nil, "show", show))
		got := words(doc.Find(".timeline"))
		for _, line := range want {
			if !strings.Contains(got, line) {
				t.Errorf("show=%s: %q, want %q in it", show, got, line)
			}
		}
		for _, foreign := range []string{"product.created", "not mine"} {
			if strings.Contains(got, foreign) {
				t.Errorf("show=%s has %s of another", show, foreign)
			}
		}
		if show == "" && strings.Contains(got, "import:page") {
			t.Error("all of it has single pages, want them only among the tasks")
		}
	}
	if href := d.page(http.StatusOK, tenantHref(id)+"?show=events").Find(`.timeline a[href="/admin/events/` + ev.String() + `"]`).Length(); href != 1 {
		t.Errorf("%d links to the event, want 1", href)
	}
}

func TestTenantTimelinePages(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	total := 2*timelineSize + 7
	for range total {
		d.event(deskEvent{name: "order.created", status: "applied", tenant: &id, merchant: 7})
	}
	d.ladder(id, "verify", "done", "", 1)

	seen := map[string]int{}
	rows := 0
	for path := tenantHref(id); path != ""; {
		doc := d.page(http.StatusOK, path)
		doc.Find(".timeline li").Each(func(_ int, li *goquery.Selection) {
			rows++
			if href, ok := li.Find(".title a").Attr("href"); ok && strings.HasPrefix(href, eventsPath) {
				seen[href]++
			}
		})
		path = doc.Find(`.pager a[rel=next]`).AttrOr("href", "")
	}
	if rows != total+7 || len(seen) != total {
		t.Errorf("%d rows and %d events, want %d and %d", rows, len(seen), total+7, total)
	}
	for href, n := range seen {
		if n != 1 {
			t.Errorf("%s is there %d times", href, n)
		}
	}
	d.page(http.StatusUnprocessableEntity, tenantHref(id)+"?cursor=x")
}

func TestTenantConnectionShowsNoToken(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.grant(id, "needs_reauthorisation")

	doc := d.page(http.StatusOK, tenantHref(id)+"/connection")

	got := words(doc.Find("main"))
	for _, want := range []string{"needs re-authorisation", "orders.read, offline_access", "Salla answered invalid_grant", "5 d ago"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page says %q, want %q in it", got, want)
		}
	}
	if html, _ := doc.Html(); strings.Contains(html, "sealed") || strings.Contains(html, "c2VhbGVk") {
		t.Error("the page has a token")
	}
}

func TestTenantEvents(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id, other := d.store("Palm", 7, "ready"), d.store("Other", 8, "ready")
	mine := d.event(deskEvent{name: "order.created", status: "failed", words: "its document cannot be read", tenant: &id, merchant: 7})
	d.event(deskEvent{name: "product.created", status: "applied", tenant: &other, merchant: 8})

	doc := d.page(http.StatusOK, tenantHref(id)+"/events")

	if got := words(doc.Find("tbody tr")); !strings.Contains(got, "order.created salla failed") || !strings.Contains(got, "cannot be read") || strings.Contains(got, "product") {
		t.Errorf("the list says %q", got)
	}
	if href := doc.Find("tbody a.row").AttrOr("href", ""); href != "/admin/events/"+mine.String() {
		t.Errorf("the row leads to %s", href)
	}
	if got := words(d.page(http.StatusOK, tenantHref(d.store("New", 9, "ready"))+"/events").Find(".empty")); !strings.Contains(got, "No event of this store yet") {
		t.Errorf("an empty list says %q", got)
	}
}

func TestTenantThatIsNotThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, path := range []string{"", "/data", "/rejects", "/events", "/connection", "/database", "/notes", "/suspend", "/import"} {
		d.page(http.StatusNotFound, tenantHref(uuid.New())+path)
	}
	d.page(http.StatusNotFound, "/admin/tenants/7")
}
