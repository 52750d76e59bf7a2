package web

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/browsertest"
	"github.com/wosool/wosool/internal/budget"
)

// The page of an import in a real browser: drawn under the policy without an error, in
// both themes, wide and narrow; it goes on by itself within two seconds, and its acts
// work.
func TestImportPageInABrowser(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.s.Allowance = func(_ context.Context, merchants ...int64) (map[int64]budget.State, error) {
		states := map[int64]budget.State{}
		for _, m := range merchants {
			states[m] = budget.State{Known: true, Limit: 120, Window: time.Minute}
		}
		return states, nil
	}
	id := d.store("متجر النخيل", 1234509876, "ready")
	d.grant(id, "active")
	run := d.ranImport(id, "initial", "running", 31*time.Minute)
	d.readStream(run, id, "customers", "complete", 6000, 0, 0, 6000)
	d.readStream(run, id, "products", "complete", 1988, 0, 12, 2000)
	orders := d.readStream(run, id, "orders", "running", 91_000, 7, 3, 300_000)
	d.exec(`
		INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, records, done_at, state, due_at)
		SELECT gen_random_uuid(), $1, $2, $3, i, (45 + 15 * sin(i / 200.0))::int, now() - i * interval '500 ms', 'done', NULL
		FROM generate_series(1, 3600) AS i`, orders, run, id)
	carts := d.readStream(run, id, "carts", "running", 60, 0, 0, 300)
	d.importPage(carts, run, id, 1, 0, "runnable", "waits for room in Salla's limit of requests until 2026-11-21T10:00:00Z", 40*time.Second, 0)
	other := d.store("Dates of Qassim", 8, "ready")
	d.grant(other, "active")
	incomplete := d.ranImport(other, "manual", "incomplete", 3*time.Hour)
	stream := d.readStream(incomplete, other, "orders", "incomplete", 9_990, 3, 10, 10_005)
	d.exec(`UPDATE streams SET total_after = 10005, reason = 'orders: Salla counts 10005, here are 9993 stored and 10 rejected' WHERE id = $1`, stream)
	d.exec(`INSERT INTO audit (id, at, actor, act, tenant_id) SELECT $1, created_at, $3, 'tenant.import', tenant_id FROM runs WHERE id = $2`,
		uuid.Must(uuid.NewV7()), incomplete, deskOperator)
	stands := map[string]string{}
	d.exec(`UPDATE streams SET window_aim = 1500 WHERE id = $1`, orders)
	d.exec(`
		INSERT INTO stream_windows (stream_id, seq, from_date, to_date, total, total_low, total_high, last_page, pages, records)
		SELECT $1, i, (date '2019-03-02' + 21 * i)::text, CASE WHEN i < 61 THEN (date '2019-03-02' + 21 * (i + 1))::text ELSE '' END,
		       1500, CASE WHEN i = 17 THEN 1499 ELSE 1500 END, 1500, 25, CASE WHEN i > 59 THEN 61 - i ELSE 25 END, CASE WHEN i > 59 THEN 60 ELSE 1500 END
		FROM generate_series(1, 61) AS i`, orders)
	for i, status := range []string{"paused", "waiting", "failed", "complete"} {
		name := "Oasis " + status
		of := d.store(name, int64(20+i), "ready")
		d.grant(of, map[bool]string{true: "needs_reauthorisation", false: "active"}[status == "waiting"])
		run := d.ranImport(of, "initial", status, 2*time.Hour)
		stands[status] = importHref(run)
		d.readStream(run, of, "customers", "complete", 240, 0, 0, 240)
		stream := d.readStream(run, of, "orders", map[bool]string{true: "complete", false: "running"}[status == "complete"], 4190, 7, 3, 4200)
		switch status {
		case "failed":
			d.importPage(stream, run, of, 71, 0, "failed", "salla: GET /orders: 500 Internal Server Error", 0, 0)
			d.exec(`UPDATE streams SET status = 'failed', imported = 3000, reason = 'page 71: salla: GET /orders: 500 Internal Server Error' WHERE id = $1`, stream)
		case "paused":
			d.exec(`UPDATE streams SET status = 'paused', imported = 3000 WHERE id = $1`, stream)
		case "complete":
			d.exec(`UPDATE streams SET total_after = 4202, reason = 'orders: Salla counts 4202, and all of them are here: 2 came meanwhile by events' WHERE id = $1`, stream)
			d.exec(`UPDATE runs SET lists_done_at = finished_at - interval '1 minute' WHERE id = $1`, run)
		}
	}
	server := httptest.NewServer(d.h)
	t.Cleanup(server.Close)
	tab := browsertest.Open(t)
	tab.Cookie(server.URL, d.cookie)

	for theme, width := range map[string]int64{"light": 1440, "dark": 420} {
		tab.Look(theme, width)
		for name, page := range map[string]struct{ path, shows string }{
			"import":            {importHref(run), "Salla allows 2 requests a second"},
			"import-incomplete": {importHref(incomplete), "Orders: Salla counts 10005, here are 10003 stored"},
			"import-cancel":     {importHref(run) + "/cancel", "Cancel the import"},
			"imports":           {importsPath, "متجر النخيل"},
			"import-tenant":     {tenantHref(id), "Salla allows 2 requests a second"},
		} {
			tab.Go(server.URL+page.path, page.shows)
			tab.Shoot(fmt.Sprintf("%s-%s-%d", name, theme, width))
		}
		for status, path := range stands {
			if width == 1440 && theme == "light" || status == "failed" || status == "complete" {
				tab.Go(server.URL+path, "Oasis "+status)
				tab.Shoot(fmt.Sprintf("import-%s-%s-%d", status, theme, width))
			}
		}
	}

	tab.Look("light", 1440)
	tab.Go(server.URL+importHref(run), "91,010 / 300,000")
	d.exec(`UPDATE streams SET imported = imported + 1000 WHERE id = $1`, orders)
	began := time.Now()
	tab.Await(`document.querySelector("[data-live=progress]").innerText.includes("92,010")`)
	if took := time.Since(began); took > 10*time.Second { // two on a machine that is not busy
		t.Errorf("the page was %v behind", took)
	}
	tab.Text(`(document.querySelector('form[action$="/pause"] button').click(), "")`)
	tab.Shows("Paused by " + deskOperator)
	tab.Text(`(document.querySelector('form[action$="/resume"] button').click(), "")`)
	tab.Shows("Resumed: it goes on where it stopped.")
	tab.Clean(server.URL)
}
