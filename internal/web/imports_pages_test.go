package web

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// deskRun is one import to be there.
type deskRun struct {
	kind, status, reason, state string
	resources                   string // as an array of PostgreSQL; "" for all
	started, finished           string // SQL
}

func (d *desk) importRun(tenant uuid.UUID, r deskRun) uuid.UUID {
	d.t.Helper()
	id := uuid.Must(uuid.NewV7())
	if r.state == "" {
		r.state = "done"
	}
	if r.resources == "" {
		r.resources = "{customers,products,orders,carts,order_details}"
	}
	if r.started == "" {
		r.started = "NULL"
	}
	if r.finished == "" {
		r.finished = "NULL"
	}
	d.exec(`
		INSERT INTO runs (id, tenant_id, kind, status, reason, state, resources, started_at, finished_at)
		VALUES ($1, $2, $3, $4, nullif($5, ''), $6, $7::text[], `+r.started+`, `+r.finished+`)`,
		id, tenant, r.kind, r.status, r.reason, r.state, r.resources)
	return id
}

// importStream gives a run a stream; total 0 is not known.
func (d *desk) importStream(run, tenant uuid.UUID, resource, status string, imported, unchanged, rejected, total int) {
	d.t.Helper()
	d.exec(`
		INSERT INTO streams (id, run_id, tenant_id, resource, status, per_page, ahead, pages, imported, unchanged, rejected, total_before)
		VALUES ($1, $2, $3, $4, $5, 60, 3, 10, $6, $7, $8, nullif($9, 0))`,
		uuid.Must(uuid.NewV7()), run, tenant, resource, status, imported, unchanged, rejected, total)
}

func TestImportsPage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	palm, dune := d.store("متجر <النخيل>", 100, "ready"), d.store("Dune", 101, "ready")
	done := d.importRun(palm, deskRun{kind: "initial", status: "complete", started: "now() - interval '80 s'", finished: "now()"})
	d.importStream(done, palm, "orders", "complete", 9000, 990, 10, 10000)
	failed := d.importRun(palm, deskRun{
		kind: "manual", status: "failed", reason: "orders: page 7: Salla answered 500", resources: "{orders}",
		started: "now() - interval '2 hours'", finished: "now() - interval '1 hour'",
	})
	d.importStream(failed, palm, "orders", "failed", 100, 0, 0, 200)
	running := d.importRun(dune, deskRun{kind: "initial", status: "running", started: "now() - interval '10 s'"})
	d.importStream(running, dune, "customers", "complete", 500, 0, 0, 500)
	d.importStream(running, dune, "orders", "running", 250, 0, 3, 1500)
	queued := d.importRun(dune, deskRun{kind: "reconcile", status: "pending", state: "held"})
	waiting := d.importRun(palm, deskRun{kind: "reconcile", status: "waiting", reason: "Salla's grant has to be renewed", state: "waiting"})

	page := d.page(http.StatusOK, "/admin/imports")

	for id, want := range map[uuid.UUID][]string{
		done:    {"متجر <النخيل>", "initial", "complete", "100 %", "9,000 990 10 10,000", "1 m 20 s"},
		failed:  {"by hand orders", "failed", "orders: page 7: Salla answered 500", "1 h"},
		running: {"Dune", "running", "37 %", "750 0 3 2,000"},
		queued:  {"reconcile", "pending", "Queued behind the store's other import.", "–"},
		waiting: {"waiting", "Waits for a grant: no Salla store has granted access yet."},
	} {
		row := words(page.Find("#import-" + id.String()))
		for _, w := range want {
			if !strings.Contains(row, w) {
				t.Errorf("row %q, want %q in it", row, w)
			}
		}
	}
	streams := page.Find("#import-" + running.String()).Next()
	if got := words(streams); !strings.Contains(got, "customers 500 / 500") && !strings.Contains(got, "customers 100 % 500 / 500") {
		t.Errorf("streams of the running import = %q", got)
	}
	if got := streams.Find(`a[href^="/admin/tenants/` + dune.String() + `/rejects?resource=orders&run=` + running.String() + `"]`); words(got) != "3 rejected" {
		t.Errorf("its rejects are %q", words(got))
	}
	for query, want := range map[string]int{
		"?status=running": 1, "?kind=reconcile": 2, "?tenant=" + dune.String(): 2, "?status=paused": 0,
		"?status=pending&kind=reconcile&tenant=" + dune.String(): 1,
	} {
		page := d.page(http.StatusOK, "/admin/imports"+query)
		if got := page.Find(`#imports tr[id]`).Length(); got != want {
			t.Errorf("%s: %d imports, want %d", query, got, want)
		}
	}
	d.first("/admin/imports/live", "import-"+running.String())
	d.page(http.StatusBadRequest, "/admin/imports?tenant=x")
}

func TestSearchGoesStraightThere(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	palm := d.store("متجر النخيل", 1234509876, "ready")
	d.store("Palm garden", 1234500000, "failed")
	d.exec(`UPDATE tenants SET slug = 'nakheel' WHERE id = $1`, palm)
	event := d.event(deskEvent{name: "order.created", status: "waiting", waiting: "merchant", merchant: 555})
	d.event(deskEvent{name: "order.updated", status: "applied"})
	run := d.importRun(palm, deskRun{kind: "initial", status: "complete"})

	for q, want := range map[string]string{
		"1234509876":                           "/admin/tenants/" + palm.String(),
		palm.String():                          "/admin/tenants/" + palm.String(),
		"nakheel":                              "/admin/tenants/" + palm.String(),
		"النخيل":                               "/admin/tenants/" + palm.String(),
		event.String():                         "/admin/events/" + event.String(),
		"event:apply:" + event.String() + ":3": "/admin/events/" + event.String(),
		"tenant:provision:" + palm.String() + ":1": "/admin/tenants/" + palm.String(),
		"import:finish:" + run.String() + ":2":     "/admin/imports/" + run.String(),
		run.String():                               "/admin/imports/" + run.String(),
		"555":                                      "/admin/events?merchant=555",
		"order.upd":                                "/admin/events?event=order.updated",
	} {
		if to := d.led("/admin/search?q=" + url.QueryEscape(q)); to != want {
			t.Errorf("%q leads to %q, want %q", q, to, want)
		}
	}
	several := d.page(http.StatusOK, "/admin/search?q=12345")
	if got := several.Find(".found tr").Length(); got != 2 {
		t.Errorf("12345 finds %d, want the two tenants", got)
	}
	if got := d.page(http.StatusOK, "/admin/search?q=order.").Find(".found tr").Length(); got != 2 {
		t.Errorf("order. finds %d, want two names of events", got)
	}
	for _, q := range []string{"", url.QueryEscape("<script>alert(1)</script>"), uuid.NewString(), "event:apply:" + uuid.NewString() + ":1", "no:such:" + uuid.NewString() + ":1", "999999999999999999999"} {
		none := d.page(http.StatusOK, "/admin/search?q="+q)
		if none.Find("#searchable dt").Length() == 0 || none.Find("script:not([src])").Length() != 0 {
			t.Errorf("%q: want what can be searched for, and no script", q)
		}
	}
}
