package web

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
)

// An import that goes on and ends shows on the store's page without a reload. How the
// pages about tenants look: TestEveryPageInABrowser.
func TestTenantPageGoesOnInABrowser(t *testing.T) {
	t.Parallel()
	x := drawer(t, "متجر النخيل")
	x.street()
	server := httptest.NewServer(x.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, x.cookie)
	tab.Look("light", 1440)
	tab.Go(server.URL+tenantHref(x.id), "Import · initial")
	x.exec(`UPDATE streams SET imported = imported + 1000 WHERE resource = 'orders' AND tenant_id = $1`, x.id)
	tab.Await(`document.querySelector("[data-live=imports]").innerText.includes("5,210")`)
	x.exec(`UPDATE streams SET status = 'complete', finished_at = now() WHERE tenant_id = $1`, x.id)
	x.exec(`UPDATE runs SET status = 'complete', finished_at = now() WHERE tenant_id = $1`, x.id)
	tab.Await(`document.querySelector("[data-live=imports] .status").innerText === "complete"`)
	tab.Await(`document.querySelector("[data-live=timeline]").innerText.includes("initial complete")`)
	tab.Clean(server.URL)
}

// street seeds stores in every state, with work behind them.
func (x *shelf) street() {
	x.t.Helper()
	x.fill(60)
	x.beat("now()")
	x.beat("now() - interval '1 minute'")
	x.exec(`UPDATE tenants SET store = '{"domain":"nakheel.example"}', plan = 'pro', created_at = now() - interval '9 days', ready_at = now() - interval '9 days' + interval '812 ms' WHERE id = $1`, x.id)
	x.ladder(x.id, "verify", "done", "", 1)
	x.grant(x.id, "active")
	run := x.ranImport(x.id, "initial", "running", 130*time.Second)
	x.readStream(run, x.id, "customers", "complete", 6000, 0, 0, 6000)
	x.readStream(run, x.id, "products", "complete", 2000, 0, 0, 2000)
	orders := x.readStream(run, x.id, "orders", "running", 4200, 7, 3, 10_000)
	for i := range 12 {
		x.importPage(orders, run, x.id, i+1, 60, "done", "", 0, time.Duration(i)*4*time.Second)
	}
	carts := x.readStream(run, x.id, "carts", "running", 60, 0, 0, 300)
	x.importPage(carts, run, x.id, 1, 0, "runnable", "waits for room in Salla's limit of requests until 2026-11-21T10:00:00Z", 14*time.Minute, 0)
	details := x.readStream(run, x.id, "order_details", "running", 1800, 0, 0, 10_000)
	x.importPage(details, run, x.id, 1, 0, "runnable", "salla: GET /orders/7: 502 bad gateway", 12*time.Minute, 0)
	x.exec(`UPDATE pages SET attempts = 2 WHERE stream_id = $1`, details)
	for i, e := range []deskEvent{
		{name: "order.created", status: "applied"},
		{name: "order.updated", status: "applied"},
		{name: "product.price.updated", status: "received"},
		{name: "abandoned.cart", status: "applied"},
		{name: "customer.updated", status: "failed", words: "its document has no id"},
		{name: "app.settings.updated", status: "ignored", words: "nothing here follows app.settings.updated"},
	} {
		for j := range 5 {
			e.tenant, e.merchant, e.ago = &x.id, 1234509876, time.Duration(i*5+j)*73*time.Second
			x.event(e)
		}
	}
	x.exec(`INSERT INTO audit (id, actor, act, tenant_id) VALUES ($1, $2, 'tenant.import', $3)`, uuid.Must(uuid.NewV7()), deskOperator, x.id)
	x.exec(`INSERT INTO healings (id, task, row_id, epoch, reason) VALUES ($1, 'import:page', $2, 2, 'its lease ran out: the worker is gone')`, uuid.New(), run)

	for i, s := range []struct {
		name, status, at, step, why string
		attempt                     int
		grant                       string
	}{
		{"عطور الشرق", "ready", "verify", "done", "", 1, "active"},
		{"Dates of Qassim", "failed", "identity", "failed", "clerk: POST /organizations: 403 organization_quota_exceeded. Clerk's plan has no room for it: raise the plan or remove what is not used, then retry", 8, "active"},
		{"Coffee & Co. <b>Riyadh</b>", "provisioning", "database", "running", "", 1, "active"},
		{"مكتبة جرير الصغيرة", "provisioning", "identity", "waiting", "waits for Clerk's limit of requests until 2026-11-21T10:00:00Z", 1, "active"},
		{"Abaya House", "suspended", "verify", "done", "", 1, "revoked"},
		{"Honey of Taif with a very long name that goes on and on, as merchants like them", "ready", "verify", "done", "", 1, "needs_reauthorisation"},
		{"Sweets", "pending", "store", "pending", "", 0, ""},
		{"Gold", "ready", "verify", "done", "", 1, "active"},
	} {
		id := x.store(s.name, int64(1_305_146_000+i), s.status)
		x.ladder(id, s.at, s.step, s.why, s.attempt)
		if s.grant != "" {
			x.grant(id, s.grant)
		}
		if s.status == "ready" {
			x.exec(`UPDATE tenants SET created_at = now() - $2 * interval '7 minutes', ready_at = now() - $2 * interval '7 minutes' + $2 * interval '640 ms' WHERE id = $1`, id, i+1)
			r := x.ranImport(id, "initial", "complete", 10*time.Minute)
			x.readStream(r, id, "customers", "complete", int64(600*(i+1)), 0, 0, int64(600*(i+1)))
		}
	}
	x.exec(`UPDATE tenants SET clerk_owner = 'invited' WHERE name = 'Gold'`)
	x.exec(`INSERT INTO figures (minute, installs, events_in, events_applied, records, dead, oldest_seconds)
		SELECT m, (random() * 2)::int, (40 + 30 * sin(extract(epoch FROM m) / 9000) + random() * 20)::int, 60, (900 + 500 * random())::int, 2, random() * 4
		FROM generate_series(date_trunc('minute', now() - interval '7 days'), now() - interval '2 minutes', interval '1 minute') AS m`)
}
