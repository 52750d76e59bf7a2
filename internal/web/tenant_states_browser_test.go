package web

import (
	"fmt"
	"net/http/httptest"
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/tenantdb"
)

// What only some stores have: notes, attempts that failed, a step that waits, a
// rejected record. It is drawn without an error and no wider than the window, light and
// dark, wide and on a phone; a note is written, and taken back, by its form.
func TestTenantStatesInABrowser(t *testing.T) {
	t.Parallel()
	x := drawer(t, "متجر النخيل")
	x.street()
	v7 := func() uuid.UUID { return uuid.Must(uuid.NewV7()) }
	x.exec(`INSERT INTO tenant_notes (id, tenant_id, body, author, removed_at, removed_by) VALUES
		($1, $4, 'Called the merchant: they reinstall the app tomorrow.', $5, NULL, NULL),
		($2, $4, $6, 'sara@wosool.example', NULL, NULL), ($3, $4, 'mistaken', 'sara@wosool.example', now(), $5)`,
		v7(), v7(), v7(), x.id, deskOperator, "المتجر يغيّر عملته الشهر القادم.\n"+evil)
	tried := x.event(deskEvent{
		name: "order.updated", status: "received", tenant: &x.id, merchant: 1234509876,
		payload: `{"event":"order.updated","data":{"id":91000,"note":"x"}}`,
	})
	x.exec(`UPDATE events SET attempts = 1, last_error = 'salla: GET /orders/91000: 502 bad gateway' WHERE id = $1`, tried)
	x.exec(`UPDATE events SET attempts = 2, state = 'failed', status = 'failed', error = 'salla: GET /orders/91000: 422',
		last_error = 'salla: GET /orders/91000: 422' WHERE id = $1`, tried)
	x.commit(tenantdb.OrderList, nil, tenantdb.Reject{
		Resource: tenantdb.Orders, SourceID: "91000", Field: "total", Reason: "total is not a number: " + evil, Record: []byte(`{"id":91000}`),
	})
	waits := one[uuid.UUID](x.site, `SELECT id FROM tenants WHERE name = 'مكتبة جرير الصغيرة'`)
	x.exec(`UPDATE steps SET intent = '{"address": "https://wosool.example/webhooks/salla", "strategy": "signature"}'
		WHERE tenant_id = $1 AND name = 'subscriptions'`, x.id)
	server := httptest.NewServer(x.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, x.cookie)
	pages := map[string]struct{ path, shows string }{
		"tenant":          {tenantHref(x.id), "Retry all that failed"},
		"timeline-tasks":  {tenantHref(x.id) + "?show=tasks", "was given up"},
		"timeline-people": {tenantHref(x.id) + "?show=people", "asked for an import"},
		"waits":           {tenantHref(waits), "it goes on by itself"},
		"notes":           {tenantHref(x.id) + "/notes", "reinstall the app tomorrow"},
		"record":          {tenantHref(x.id) + "/data/orders/91000", "amounts.total.amount"},
		"connection":      {tenantHref(x.id) + "/connection", "Webhooks of the store"},
		"database":        {tenantHref(x.id) + "/database", "Events a day"},
		"event":           {eventsPath + "/" + tried.String(), "was given up"},
	}
	for theme, width := range map[string]int64{"light": 1440, "dark": 390} {
		tab.Look(theme, width)
		for name, page := range pages {
			tab.Go(server.URL+page.path, page.shows)
			tab.Shoot(fmt.Sprintf("%s-%s-%d", name, theme, width))
		}
	}

	tab.Look("light", 1440)
	tab.Go(server.URL+tenantHref(x.id)+"/notes", "reinstall")
	tab.Await(`(document.querySelector("#body").value = "written here", document.querySelector(".note-form button").click(), true)`)
	tab.Await(`document.querySelector(".notes .body")?.innerText === "written here"`)
	tab.Await(`(document.querySelector(".notes li form button").click(), true)`)
	tab.Await(`document.querySelector(".notes li")?.innerText.includes("removed by")`)
	tab.Clean(server.URL)
}
