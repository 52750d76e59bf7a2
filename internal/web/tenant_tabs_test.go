package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestConnectionPageTellsOfWebhooksAndRequests(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.grant(id, "needs_reauthorisation")
	d.ladder(id, "verify", "done", "", 1)
	d.exec(`UPDATE steps SET intent = '{"address": "https://wosool.example/webhooks/salla", "strategy": "signature", "signed": {"order.created": 1}}'
		WHERE tenant_id = $1 AND name = 'subscriptions'`, id)
	says := func(wants ...string) {
		t.Helper()
		got := words(d.page(http.StatusOK, tenantHref(id)+"/connection").Find("main"))
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("the page says %q, want %q in it", got, want)
			}
		}
	}

	says("What the merchant must do Reinstall the app in Salla", "in place", "https://wosool.example/webhooks/salla", "Protection signature",
		"Events 24", "order.created, order.updated", "not known")

	d.s.Allowance = func(_ context.Context, merchants ...int64) (map[int64]budget.State, error) {
		return map[int64]budget.State{merchants[0]: {
			Limit: 120, Window: time.Minute, Left: 0, Known: true, BlockedUntil: time.Now().Add(time.Minute),
			Customers: budget.Share{Limit: 500, Window: 10 * time.Minute, Left: 490},
		}}, nil
	}
	says("In the last minute 120 of 120 requests as Salla's answers say · further ones wait", "Salla asked for silence until",
		"Customers endpoints 10 of 500 in 10 m")
	d.s.Allowance = func(context.Context, ...int64) (map[int64]budget.State, error) {
		return nil, errors.New("redis is away")
	}
	says("not known Redis does not answer")

	d.exec(`UPDATE steps SET status = 'running', finished_at = NULL WHERE tenant_id = $1 AND name = 'subscriptions'`, id)
	says("running", "1 of 24 confirmed so far")
}

func TestDatabasePageTellsOfServerAndUsage(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(3)
	x.event(deskEvent{name: "order.created", status: "applied", tenant: &x.id, merchant: 1234509876})

	got := words(x.page(http.StatusOK, tenantHref(x.id)+"/database").Find("main"))

	for _, want := range []string{"PostgreSQL 1", "Connections 1 open to it now", "Model version 1", "Events in the last day 1", "People ", "Orders ", "Rejects ", "Identity at Clerk"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page says %q, want %q in it", got, want)
		}
	}
}

// A record says where each column comes from, and which of what came of it could not
// be stored, with the act that tries again.
func TestRecordPageSaysWhereItComesFrom(t *testing.T) {
	t.Parallel()
	x := newShelf(t, "Palm")
	x.fill(2)
	x.commit(tenantdb.OrderList, nil, tenantdb.Reject{
		Resource: tenantdb.Orders, SourceID: "91000", Field: "total", Reason: "total is not a number", Record: []byte(`{"id":91000,"total":"x"}`),
	})
	path := tenantHref(x.id) + "/data/orders/91000"

	doc := x.page(http.StatusOK, path)

	from := map[string]string{}
	for _, tr := range doc.Find("#row tbody tr").EachIter() {
		from[words(tr.Find("td").Eq(0))] = words(tr.Find("td").Eq(2))
	}
	for column, want := range map[string]string{"order_number": "reference_id", "total": "amounts.total.amount", "placed_at": "date", "id": ""} {
		if got, there := from[column]; !there || got != want {
			t.Errorf("%s comes from %q, want %q", column, got, want)
		}
	}
	refused := doc.Find("#rejects tbody tr")
	if got := words(refused); !strings.Contains(got, "total is not a number") || refused.Length() != 1 {
		t.Errorf("the rejects are %q", got)
	}
	if back := refused.Find(`form[action$="/rejects/redrive"] input[name=back]`).AttrOr("value", ""); back != path {
		t.Errorf("re-driving leads back to %q", back)
	}
	if n := x.page(http.StatusOK, tenantHref(x.id)+"/data/orders/91001").Find("#rejects").Length(); n != 0 {
		t.Error("another record has that reject, too")
	}
}

// Every column that a document may fill is told where it comes from.
func TestSourcePathsAreWhole(t *testing.T) {
	t.Parallel()
	made := []string{"refunds", "order_notes"} // by events, and from nothing that is named
	for table, shapes := range map[string][]tenantdb.Shape{
		"people":   {tenantdb.CustomerList(), tenantdb.CustomerDetail()},
		"products": {tenantdb.ProductList(), tenantdb.ProductDetail()},
		"orders":   {tenantdb.OrderList(), tenantdb.OrderDetail()},
		"carts":    {tenantdb.CartList()},
	} {
		for _, s := range shapes {
			for _, column := range append([]string{s.Key}, s.Columns...) {
				if sourcePath(table, column) == "" && !slices.Contains(made, column) {
					t.Errorf("%s: %s is from nowhere", table, column)
				}
			}
		}
	}
}

// An event's page has each attempt at it, and leads to the record that it is about.
func TestEventPageHasItsAttempts(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	ev := d.event(deskEvent{name: "order.created", status: "received", tenant: &id, merchant: 7, payload: `{"event":"order.created","data":{"id":5521}}`})
	at := "/admin/events/" + ev.String()
	if got := words(d.page(http.StatusOK, at).Find("main")); !strings.Contains(got, "None ended yet.") || !strings.Contains(got, "order 5521 not changed by this event yet") {
		t.Errorf("at first: %q", got)
	}

	d.exec(`SET application_name = 'wosool-worker box/7'`)
	d.exec(`UPDATE events SET attempts = 1, last_error = 'salla: 502 ' || $2 WHERE id = $1`, ev, evil)
	d.exec(`UPDATE events SET attempts = 2, last_error = 'salla: 504' WHERE id = $1`, ev)
	d.exec(`UPDATE events SET status = 'applied', state = 'done', applied_at = now(), last_error = NULL WHERE id = $1`, ev)

	doc := d.page(http.StatusOK, at)
	rows := doc.Find("#tries tbody tr")
	var got []string
	for _, tr := range rows.EachIter() {
		got = append(got, words(tr))
	}
	for i, want := range []string{"3 got through", "2 failed", "1 failed"} {
		if rows.Length() != 3 || !strings.HasPrefix(got[i], want) {
			t.Fatalf("the attempts are %q, want %q", got, want)
		}
	}
	if !strings.Contains(got[2], "salla: 502 "+evil) || !strings.Contains(got[1], "salla: 504") {
		t.Errorf("the attempts say %q", got)
	}
	if href := doc.Find(`main a[href="` + tenantHref(id) + `/data/orders/5521"]`).Length(); href != 1 {
		t.Errorf("%d links to the record, want 1", href)
	}
	if copies := doc.Find(".payload [data-copy]").AttrOr("data-copy", ""); !strings.Contains(copies, `"id": 5521`) {
		t.Errorf("copied is %q, want the whole payload", copies)
	}

	plain := d.event(deskEvent{name: "customer.updated", status: "applied", tenant: &id, merchant: 7, payload: `{"data":{"id":9}}`})
	if got := words(d.page(http.StatusOK, "/admin/events/"+plain.String()).Find("#tries tbody")); !strings.HasPrefix(got, "1 got through") {
		t.Errorf("what got through at once: %q", got)
	}
	for process, want := range map[string]string{"wosool-worker box/7": "box/7", "wosool-api": "api", "": ""} {
		if got := workerName(process); got != want {
			t.Errorf("%q is %q, want %q", process, got, want)
		}
	}
}

// The timeline has every attempt that failed, and leads to what each thing is about.
func TestTimelineLeadsToWhatItIsAbout(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := d.store("Palm", 7, "ready")
	d.ladder(id, "verify", "done", "", 1)
	d.grant(id, "active")
	run := d.ranImport(id, "initial", "running", time.Hour)
	stream := d.readStream(run, id, "orders", "running", 60, 0, 0, 60)
	d.importPage(stream, run, id, 1, 60, "runnable", "", 0, 0)
	d.exec(`UPDATE pages SET attempts = 1, last_error = 'salla: 502' WHERE tenant_id = $1`, id)
	ev := d.event(deskEvent{name: "order.created", status: "applied", tenant: &id, merchant: 7})
	d.exec(`INSERT INTO audit (id, actor, act, tenant_id, details) VALUES ($1, 'sara@example.com', 'event.replay', $2, jsonb_build_object('id', $3::text))`,
		uuid.Must(uuid.NewV7()), id, ev)

	links := map[string]string{}
	for _, li := range d.page(http.StatusOK, tenantHref(id)).Find(".timeline li").EachIter() {
		links[words(li.Find(".what"))+" "+words(li.Find(".title"))] = li.Find("a").AttrOr("href", "")
	}

	for what, want := range map[string]string{
		"task import:page failed": importHref(run),
		"event order.created":     "/admin/events/" + ev.String(),
		"person sara@example.com": "/admin/events/" + ev.String(),
		"grant grant refreshed":   tenantHref(id) + "/connection",
		"step verify done":        tenantHref(id) + "#steps",
		"import initial began":    importHref(run),
	} {
		if got, there := links[what]; !there || got != want {
			t.Errorf("%s leads to %q, want %q; there are %v", what, got, want, links)
		}
	}
}
