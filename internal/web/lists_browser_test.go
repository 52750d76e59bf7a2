package web

import (
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// A new event appears in the list by itself. How the lists look: TestEveryPageInABrowser.
func TestNewEventsAppearInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	furnish(d)
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)
	tab.Look("light", 1440)
	tab.Go(server.URL+"/admin/events", "order.created")
	id := d.event(deskEvent{name: "order.just.in", status: "received", merchant: 1234509876})
	tab.Await(fmt.Sprintf("document.querySelector('#events tbody tr').id === 'event-%s'", id))
	tab.Clean(server.URL)
}

// A line of trouble that comes or goes while somebody reads is seen, and moves nothing.
func TestStripMovesNothingInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	furnish(d)
	d.exec(`UPDATE workers SET seen_at = now() + interval '1 hour' WHERE stopped_at IS NULL`)
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)
	tab.Look("light", 1440)
	tab.Go(server.URL+"/admin/events", "order.created")
	const top = `String(document.querySelector("main h1").getBoundingClientRect().top)`
	before := tab.Text(top)
	d.exec(`DELETE FROM workers`)
	tab.Await(`(() => {
		const strip = document.querySelector(".strip").getBoundingClientRect();
		return document.querySelector(".strip").innerText.includes("No worker runs") && strip.height > 0 && strip.bottom <= innerHeight;
	})()`)
	if after := tab.Text(top); after != before {
		t.Errorf("the page moved from %s to %s", before, after)
	}
	tab.Shoot("strip-afloat")
	d.beat("now() + interval '1 hour'")
	tab.Await(`!document.querySelector(".strip").innerText.includes("No worker runs")`)
	if after := tab.Text(top); after != before {
		t.Errorf("the page moved back from %s to %s", before, after)
	}
	tab.Clean(server.URL)
}

// A search that stopped before its page was full goes on by itself, leaves what was found
// where it is, and ends with what there is; without scripts Older goes on.
func TestSearchGoesOnInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.exec(`
		INSERT INTO events (id, source, event, merchant, lane, status, state, error, last_error, attempts, due_at)
		SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'salla', 'order.created', 1000, 'events', 'failed', 'failed', 'x',
		       CASE WHEN n IN (3, 12000, 23000) THEN 'a needle' ELSE 'hay' END, 12, now() - n * interval '1 ms'
		FROM generate_series(1, 24010) AS n`)
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)
	tab.Look("light", 1440)
	tab.Go(server.URL+"/admin/lanes/failed?reason=needle", "Failed work")
	tab.Await(`document.querySelectorAll("#failed tbody tr").length === 3 && !document.getElementById("searched") && !document.querySelector(".pager a[rel=next]")`)
	tab.Go(server.URL+"/admin/lanes/failed?reason=nowhere", "None of it is left")
	tab.Await(`!document.getElementById("searched")`)
	tab.WithoutScript(true)
	tab.Go(server.URL+"/admin/lanes/failed?reason=nowhere", "Nothing like this so far")
	tab.Press("Older")
	tab.Shows("Searched back to")
	tab.Clean(server.URL)
}

// furnished names some of what furnish made.
type furnished struct{ applied, waiting, failed, unreadable uuid.UUID }

// furnish makes a store of everything that the lists show.
func furnish(d *desk) furnished {
	d.t.Helper()
	var f furnished
	palm := d.store("متجر النخيل للعطور والبخور", 1234509876, "ready")
	dune := d.store("Dune & Sons – خيام", 1200450071, "ready")
	shut := d.store("Closed for Eid", 1180023344, "suspended")
	broken := d.store("<script>alert('store')</script>", 1077001122, "failed")
	d.exec(`UPDATE tenants SET last_error = 'Clerk answered 422: the organization''s name is taken', attempts = 8, due_at = now() - interval '4 min' WHERE id = $1`, broken)
	order := `{"event": "order.created", "merchant": 1234509876, "created_at": "Sat Nov 14 2026 14:02:11 GMT+0300", "data": {"id": 5521, "reference_id": 41, "total": {"amount": 412.5, "currency": "SAR"}, "customer": {"first_name": "نورة", "last_name": "العتيبي", "mobile": 500000000}, "access_token": "[redacted]", "items": [{"name": "عود كمبودي </pre><script>alert(1)</script>", "quantity": 2, "taxed": true, "options": null}]}}`
	f.unreadable = d.event(deskEvent{name: "unreadable", status: "failed", words: "the body is not JSON", merchant: 1234509876, tenant: &palm, text: `{"event": "order.created", "data": {"token": "[redacted]", "name": "`, ago: 50 * time.Minute})
	for i := range 5 {
		d.event(deskEvent{name: "order.updated", status: "failed", words: fmt.Sprintf("Salla answered 50%d for order %d", i%3, 5500+i), attempts: 12, tenant: &dune, merchant: 1200450071, payload: order, ago: time.Hour})
	}
	f.failed = d.event(deskEvent{name: "customer.updated", status: "failed", words: "Salla answered 500: Internal error, after 12 attempts", attempts: 12, tenant: &dune, merchant: 1200450071, payload: order, ago: 40 * time.Minute})
	f.waiting = d.event(deskEvent{name: "order.created", status: "waiting", waiting: "grant", tenant: &palm, merchant: 1234509876, payload: order, ago: 30 * time.Minute})
	d.event(deskEvent{name: "order.created", status: "waiting", waiting: "merchant", merchant: 1999888777, payload: order, ago: 20 * time.Minute})
	d.event(deskEvent{name: "product.price.updated", status: "waiting", waiting: "resume", tenant: &shut, merchant: 1180023344, payload: order, ago: 12 * time.Minute})
	d.event(deskEvent{name: "order.created", status: "waiting", waiting: "ready", tenant: &broken, merchant: 1077001122, payload: order, ago: 11 * time.Minute})
	d.event(deskEvent{name: "organizationMembership.created", source: "clerk", status: "applied", tenant: &palm, ago: 9 * time.Minute, payload: `{}`})
	d.event(deskEvent{name: "app.feedback.created", status: "ignored", words: "nothing here follows app.feedback.created", tenant: &palm, merchant: 1234509876, ago: 8 * time.Minute, payload: `{}`})
	for i, name := range []string{"abandoned.cart", "product.quantity.low", "customer.created", "order.status.updated", "order.products.updated"} {
		d.event(deskEvent{name: name, status: "applied", tenant: &palm, merchant: 1234509876, payload: order, ago: time.Duration(6-i) * time.Minute})
	}
	f.applied = d.event(deskEvent{name: "order.created", status: "applied", tenant: &palm, merchant: 1234509876, payload: order, ago: 50 * time.Second})
	d.exec(`INSERT INTO audit (id, actor, act, tenant_id, details) VALUES ($1, 'noura@wosool.example', 'event.replay', $2, jsonb_build_object('id', $3::text, 'was', 'failed'))`, uuid.Must(uuid.NewV7()), palm, f.applied.String())
	d.exec(`INSERT INTO healings (id, task, row_id, epoch, reason) VALUES ($1, 'event:apply', $2, 2, 'its worker stopped without a word: the lease ran out')`, uuid.Must(uuid.NewV7()), f.applied)
	d.event(deskEvent{name: "order.created", status: "received", words: "salla: GET /orders/5521: 502 bad gateway", attempts: 1, tenant: &dune, merchant: 1200450071, payload: order, ago: 20 * time.Second})
	d.event(deskEvent{name: "order.created", status: "received", state: "held", tenant: &dune, merchant: 1200450071, payload: order, ago: 4 * time.Second})

	done := d.importRun(palm, deskRun{kind: "initial", status: "complete", started: "now() - interval '26 min'", finished: "now() - interval '2 min'"})
	for _, s := range []struct {
		resource string
		n        int
	}{{"customers", 6000}, {"products", 1998}, {"orders", 10000}, {"carts", 300}} {
		d.importStream(done, palm, s.resource, "complete", s.n, 0, 2, s.n+2)
	}
	failed := d.importRun(dune, deskRun{kind: "manual", status: "failed", reason: "orders: page 71: Salla answered 500", resources: "{orders,order_details}", started: "now() - interval '3 hours'", finished: "now() - interval '150 min'"})
	d.importStream(failed, dune, "orders", "failed", 4210, 88, 3, 10000)
	d.importRun(shut, deskRun{kind: "reconcile", status: "cancelled", reason: "cancelled by an operator", started: "now() - interval '2 days'", finished: "now() - interval '47 hours'"})
	part := d.importRun(shut, deskRun{kind: "reconcile", status: "incomplete", reason: "products: Salla counts 512, here are 510 stored and 1 rejected", started: "now() - interval '1 day'", finished: "now() - interval '23 hours'"})
	d.importStream(part, shut, "products", "incomplete", 12, 498, 1, 512)
	d.importRun(palm, deskRun{kind: "reconcile", status: "waiting", reason: "Salla's grant has to be renewed: ask the merchant to reinstall the app", state: "waiting"})
	running := d.importRun(dune, deskRun{kind: "initial", status: "running", started: "now() - interval '130 s'"})
	d.importStream(running, dune, "customers", "complete", 6000, 0, 0, 6000)
	d.importStream(running, dune, "products", "complete", 1995, 0, 5, 2000)
	d.importStream(running, dune, "orders", "running", 4210, 0, 3, 10000)
	d.importStream(running, dune, "carts", "running", 120, 0, 0, 0)
	d.importRun(dune, deskRun{kind: "manual", status: "pending", state: "held", resources: "{customers}"})

	d.worker("worker-6f7c9d-a", "now()", "NULL", "NULL", fmt.Sprintf(`[{"task": "import:page", "row": %q, "tenant": %q, "since": %q}, {"task": "event:apply", "row": %q, "tenant": %q, "since": %q}]`,
		uuid.New(), dune, time.Now().Add(-3*time.Second).Format(time.RFC3339), f.applied, palm, time.Now().Format(time.RFC3339)))
	d.worker("worker-6f7c9d-b", "now()", "NULL", "NULL", "[]")
	d.worker("worker-6f7c9d-c", "now()", "now()", "NULL", fmt.Sprintf(`[{"task": "tenant:provision", "row": %q, "tenant": %q, "since": %q}]`, broken, broken, time.Now().Add(-40*time.Second).Format(time.RFC3339)))
	d.worker("worker-5e1b00-a", "now() - interval '3 minutes'", "NULL", "NULL", "[]")
	d.worker("worker-5e1b00-b", "now() - interval '20 minutes'", "now()", "now() - interval '20 minutes'", "[]")
	d.exec(`UPDATE workers SET seen_at = now() + interval '1 hour' WHERE seen_at > now() - interval '1 minute'`) // they stay while pictures are taken
	d.exec(`INSERT INTO healings (id, task, count, reason) VALUES ($1, 'all', 214, 'Redis had lost everything: due work was queued again')`, uuid.Must(uuid.NewV7()))
	for i, lane := range tasks.Lanes()[:3] {
		for range 12 * (i + 1) {
			d.enqueue(tasks.Ref{Kind: store.KindImportPage, ID: uuid.New(), Epoch: 1, Lane: lane})
		}
	}
	if err := d.s.Queue.Pause(d.t.Context(), tasks.LaneCRM, true); err != nil {
		d.t.Fatal(err)
	}
	return f
}
