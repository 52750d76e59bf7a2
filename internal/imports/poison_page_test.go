package imports_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// lander lands pages of one list in a tenant's database.
type lander struct {
	t   *testing.T
	im  *imports.Importer
	db  *tenantdb.DB
	ref tenantdb.PageRef
}

func newLander(t *testing.T, db *tenantdb.DB, resource string) *lander {
	t.Helper()
	return &lander{
		t: t, im: &imports.Importer{Log: dbtest.Log(t)}, db: db,
		ref: tenantdb.PageRef{
			Stream: uuid.Must(uuid.NewV7()), Run: uuid.Must(uuid.NewV7()), Resource: resource, Pass: 1, PerPage: 60,
		},
	}
}

func (l *lander) land(records ...json.RawMessage) tenantdb.PageResult {
	l.t.Helper()
	l.ref.Seq++
	opened, err := l.db.OpenPage(l.t.Context(), l.ref)
	if err != nil {
		l.t.Fatal(err)
	}
	result, err := l.im.Land(l.t.Context(), l.db, opened, salla.Page{Records: records}, time.Now())
	if err != nil {
		l.t.Fatalf("page %d of %s: %v", l.ref.Seq, l.ref.Resource, err)
	}
	return result
}

func (l *lander) rejects() map[string]tenantdb.StoredReject {
	l.t.Helper()
	found := map[string]tenantdb.StoredReject{}
	f := tenantdb.RejectFilter{Resource: l.ref.Resource, Records: true}
	for {
		some, err := l.db.Rejects(l.t.Context(), f)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, r := range some {
			key := r.Record
			if r.SourceID != nil {
				key = *r.SourceID
			}
			found[key], f.Before = r, r.ID
		}
		if len(some) == 0 {
			return found
		}
	}
}

// poisoned is a record with one value replaced by one of a wrong type.
type poisoned struct {
	id, path, wrong string
	raw             json.RawMessage
}

// poisonedList gives a resource's recorded record of the list with every value
// replaced in turn, each time by some of the wrong types and under an id of its own.
func poisonedList(t *testing.T, resource string, types int) []poisoned {
	t.Helper()
	wrong := imports.WrongTypes()
	names := slices.Sorted(maps.Keys(wrong))
	var all []poisoned
	for _, recorded := range imports.AllRecorded(t) {
		if recorded.Resource != resource || !strings.HasPrefix(recorded.Fixture, "list_") || recorded.Form != 0 {
			continue
		}
		for _, place := range imports.Places(t, recorded.Document) {
			if place.Path == "id" {
				continue
			}
			for range types {
				name := names[len(all)%len(names)]
				id := fmt.Sprint(700_000_000 + len(all))
				raw := place.Replace(recorded.Document, wrong[name])
				all = append(all, poisoned{id, place.Path, name, withID(t, raw, id)})
			}
		}
	}
	return all
}

// withID replaces the id, the first member of every recorded document.
func withID(t *testing.T, raw json.RawMessage, id string) json.RawMessage {
	t.Helper()
	_, rest, found := strings.Cut(string(raw), ",")
	if !found || !strings.HasPrefix(string(raw), `{"id":`) {
		t.Fatalf("a record begins with %.20s", raw)
	}
	return json.RawMessage(`{"id":` + id + "," + rest)
}

// Pages in which nearly every record is poisoned, each in another value: the good
// ones are stored, each of the others is stored or rejected, whole, by the path of
// what is wrong, and the pages' counts tell.
func TestPoisonedPagesLoseNothing(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{tenantdb.Customers, tenantdb.Products, tenantdb.Orders, tenantdb.Carts} {
		t.Run(resource, func(t *testing.T) {
			t.Parallel()
			db := newTenantDB(t, uuid.Must(uuid.NewV7()))
			l := newLander(t, db, resource)
			all := poisonedList(t, resource, 3)
			imported, rejected, sound := 0, 0, 0
			var good json.RawMessage
			for _, recorded := range slices.Backward(imports.AllRecorded(t)) {
				if recorded.Resource == resource && strings.HasPrefix(recorded.Fixture, "list_") {
					good = recorded.Document
				}
			}
			for page := range slices.Chunk(all, 58) {
				var records []json.RawMessage
				for _, p := range page {
					records = append(records, p.raw)
				}
				for range 2 {
					sound++
					records = slices.Insert(records, len(records)/2, withID(t, good, fmt.Sprint(900_000_000+sound)))
				}
				got := l.land(records...)
				if got.Records != len(records) || got.Imported+got.Rejected != len(records) || got.Unchanged != 0 {
					t.Errorf("page %d has %d records, counted as %+v", l.ref.Seq, len(records), got)
				}
				imported, rejected = imported+got.Imported, rejected+got.Rejected
			}
			rejects := l.rejects()
			if len(rejects) != rejected || rejected == 0 {
				t.Errorf("%d rejects are kept, %d counted", len(rejects), rejected)
			}
			for _, p := range all {
				kept, bad := rejects[p.id]
				switch {
				case !bad:
					stored, err := db.StoredRecord(t.Context(), resource, p.id)
					if err != nil || len(stored.Document) == 0 {
						t.Errorf("%s = %s: neither stored nor rejected: %v", p.path, p.wrong, err)
					}
				case kept.Record != strings.ToValidUTF8(string(p.raw), "\uFFFD"):
					t.Errorf("%s = %s: the reject does not keep the record", p.path, p.wrong)
				case kept.Field == nil || !imports.Related(*kept.Field, p.path) || kept.Reason == "":
					t.Errorf("%s = %s: rejected for %v: %s", p.path, p.wrong, kept.Field, kept.Reason)
				}
			}
			for n := range sound {
				if _, err := db.StoredRecord(t.Context(), resource, fmt.Sprint(900_000_001+n)); err != nil {
					t.Errorf("a good record is not stored: %v", err)
				}
			}
			counts, err := db.Counts(t.Context(), resource, uuid.Nil)
			if err != nil || counts.Live != imported {
				t.Errorf("%d records are live, %v, counted %d", counts.Live, err, imported)
			}
		})
	}
}

func TestOddRecordsOfAPage(t *testing.T) {
	t.Parallel()
	l := newLander(t, newTenantDB(t, uuid.Must(uuid.NewV7())), tenantdb.Carts)
	odd := []string{
		`null`, `7`, `"x"`, `[]`, `{}`, `{"id":0}`, `{"id":-1}`, `{"id":1.5}`, `{"id":"a b"}`, `{"id":null,"total":5}`,
		`{"id":9223372036854775808}`, `{"id":[1]}`,
	}
	records := []json.RawMessage{
		json.RawMessage(`{"id":1,"total":5}`),
		json.RawMessage(`{"id":2,"id":3,"total":1,"total":6}`), // of a key that comes twice the last counts
		json.RawMessage(`{"id":4,"total":7}`), json.RawMessage(`{"id":4,"total":8}`),
		json.RawMessage(`{"id":5,"total":"abc"}`), json.RawMessage(`{"id":5,"total":9}`),
		json.RawMessage(`{"id":6,"checkout_url":"` + strings.Repeat("x", 4<<20) + `"}`),
		json.RawMessage(`{"id":"a-text","total":10}`),
	}
	for _, raw := range odd {
		records = append(records, json.RawMessage(raw))
	}
	got := l.land(records...)
	if got.Records != len(records) || got.Imported != 6 || got.Rejected != len(odd) {
		t.Errorf("got %+v, want 6 imported and %d rejected of %d", got, len(odd), len(records))
	}
	rejects := l.rejects()
	for _, raw := range odd {
		if r, kept := rejects[raw]; !kept || r.Reason == "" {
			t.Errorf("%s is lost", raw)
		}
	}
	for id, want := range map[string]string{"1": "5", "3": "6", "4": "8", "5": "9", "a-text": "10"} {
		stored, err := l.db.StoredRecord(t.Context(), tenantdb.Carts, id)
		if err != nil {
			t.Errorf("cart %s: %v", id, err)
			continue
		}
		var row struct{ Total json.Number }
		if err := json.Unmarshal(stored.Row, &row); err != nil || row.Total.String() != want {
			t.Errorf("cart %s: got total %s, %v, want %s", id, row.Total, err, want)
		}
	}
	if again := l.land(records...); again.Imported+again.Unchanged+again.Rejected != 0 && again.Imported != 0 {
		t.Errorf("a page that comes again counts %+v", again)
	}
}

// An answer that is no page at all stops nothing but itself: it is asked again, then
// a dead letter, and goes on where it was once the source answers as it should.
func TestAPageThatIsNoListIsADeadLetterToRetry(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 12, Products: 25, Orders: 3, Carts: 2})
	r.PerPage = 10
	id, err := r.shop.Fault(sandbox.FaultRule{
		System: "salla", Path: "/products", Contains: "page=2", Effect: sandbox.EffectStatus, Status: http.StatusOK,
		Body: `{"status":200,"success":true,"data":{"x":1},"pagination":{"total":25,"totalPages":3,"currentPage":2}}`,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.open()
	r.work()
	if run := r.last(); run.Status != "failed" || len(r.dead) != 1 || r.retries == 0 || !strings.Contains(r.dead[0], "not a list") {
		t.Fatalf("the run is %s after %d retries, dead letters %q", run.Status, r.retries, r.dead)
	}
	if got := totals(r.last(), tenantdb.Customers); got != [3]int64{12, 0, 0} {
		t.Errorf("customers: got %v, want all of them", got)
	}

	r.shop.ClearFault(id)
	page := mustUUID(t, r.value(`SELECT id FROM pages WHERE state = 'failed'`))
	if _, err := r.DB.RetryDead(t.Context(), store.KindImportPage, page, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	r.work()
	if got := totals(r.wantComplete(), tenantdb.Products); got != [3]int64{25, 0, 0} {
		t.Errorf("products: got %v, want all of them", got)
	}
}

// malformer answers for the shop, but for paths that it has an answer of its own for.
type malformer map[string]string

func (m malformer) serve(t *testing.T, base string) string {
	t.Helper()
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for asked, body := range m {
			if path.Base(r.URL.Path) == asked || strings.Contains(asked, "=") && strings.Contains(r.URL.RawQuery, asked) {
				_, _ = io.WriteString(w, `{"status":200,"success":true,"data":`+body+`}`)
				return
			}
		}
		again, err := http.NewRequestWithContext(r.Context(), r.Method, base+r.URL.RequestURI(), r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		again.Header = r.Header
		answer, err := http.DefaultClient.Do(again)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer func() { _ = answer.Body.Close() }()
		w.WriteHeader(answer.StatusCode)
		_, _ = io.Copy(w, answer.Body)
	}))
	t.Cleanup(served.Close)
	return served.URL
}

// Orders whose detail or items are poisoned are rejects that name the order; the
// run tells of them, and of every other order the detail is stored.
func TestPoisonedDetailsNameTheOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 3, Products: 3, Orders: 9, Carts: 1})
	ids := r.ids(salla.Orders)
	r.access.base = malformer{
		ids[1]:               `{"id":` + ids[1] + `,"date":"2026-01-02 10:00:00","amounts":{"total":"abc"}}`,
		ids[3]:               `{"id":` + ids[3] + `,"date":true}`,
		ids[5]:               `"nothing"`,
		"order_id=" + ids[7]: `[{"id":1,"quantity":[3]}]`,
	}.serve(t, r.access.base)
	r.open()
	r.work()
	run := r.wantComplete()
	want := map[string]string{ids[1]: "amounts.total", ids[3]: "date", ids[5]: "", ids[7]: "items[0].quantity"}
	if got := totals(run, tenantdb.OrderDetails); got != [3]int64{5, 0, 4} {
		t.Errorf("got %v, want 5 details and 4 rejected", got)
	}
	rejects, err := r.tdb.Rejects(t.Context(), tenantdb.RejectFilter{Resource: tenantdb.OrderDetails, Records: true})
	if err != nil || len(rejects) != len(want) {
		t.Fatalf("got %d rejects, %v, want %d", len(rejects), err, len(want))
	}
	for _, reject := range rejects {
		field := ""
		if reject.Field != nil {
			field = *reject.Field
		}
		if expected, known := want[*reject.SourceID]; !known || field != expected {
			t.Errorf("the reject of %s names %q, want %q: %s", *reject.SourceID, field, expected, reject.Reason)
		}
		if *reject.SourceID == ids[7] && !strings.Contains(reject.Record, `"quantity":[3]`) {
			t.Errorf("the reject of the items keeps %s", reject.Record)
		}
	}
	for _, id := range ids {
		stored, row := r.stored(tenantdb.Orders, id)
		_, bad := want[id]
		if (stored.Detail == nil) != bad || row["total"] == nil {
			t.Errorf("order %s: detail %.20s, total %v", id, stored.Detail, row["total"])
		}
	}
}

// Events whose document is malformed lose nothing: what a read can tell is read, and
// an order's document, which says more than a read, is kept among the rejects too.
func TestPoisonedEventsAreReadOrKept(t *testing.T) {
	t.Parallel()
	r := filled(t)
	product, customer, order := r.ids(salla.Products)[0], r.ids(salla.Customers)[0], r.ids(salla.Orders)[0]
	for _, tt := range []struct{ name, payload, want, field string }{
		{"product.updated", `{"id":` + product + `,"name":{"x":1},"price":5,"updated_at":"2026-11-12 12:14:21"}`, "products " + product, ""},
		{"customer.updated", `{"id":` + customer + `,"first_name":true,"updated_at":"2026-11-12 12:14:21"}`, "customers " + customer, ""},
		{"abandoned.cart", `{"id":77,"total":"abc","updated_at":"2026-11-12 12:14:21"}`, "carts 77", ""},
		{
			"order.created", `{"id":` + order + `,"date":"2026-11-12 12:14:21","amounts":{"total":"abc"},"shipping":{"address":{"city":"X"}}}`,
			"orders " + order, "amounts.total",
		},
		{
			"order.status.updated", `{"id":5,"status":"X","note":["y"],"order":{"id":` + order + `,"date":"2026-11-12 12:14:21"}}`,
			"orders " + order, "note",
		},
	} {
		wants, err := r.ApplyEvent(t.Context(), imports.LiveEvent{
			TenantID: r.tenant, Name: tt.name, Payload: json.RawMessage(tt.payload), ReceivedAt: time.Now(),
		})
		got := ""
		for _, w := range wants {
			got = w.Resource + " " + w.Entity
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: got %q, %v, want a read of %q", tt.name, got, err, tt.want)
		}
		rejects, err := r.tdb.Rejects(t.Context(), tenantdb.RejectFilter{Resource: tenantdb.Orders, Open: true, Records: true})
		if err != nil {
			t.Fatal(err)
		}
		if tt.field == "" {
			if len(rejects) != 0 {
				t.Errorf("%s: %d rejects", tt.name, len(rejects))
			}
			continue
		}
		if len(rejects) != 1 || rejects[0].Field == nil || *rejects[0].Field != tt.field || *rejects[0].SourceID != order ||
			!strings.Contains(rejects[0].Record, order) {
			t.Errorf("%s: got rejects %+v, want one of %s", tt.name, rejects, tt.field)
		}
	}
	if _, row := r.stored(tenantdb.Orders, order); fmt.Sprint(row["shipping_address"]) != "map[city:X]" {
		t.Errorf("the address is %v: what could be read of the event is lost", row["shipping_address"])
	}
}

// Every column of the model that Salla has a source for is filled by an import and
// the events of a shop; the others stay as a new row has them.
func TestEveryColumnIsFilled(t *testing.T) {
	t.Parallel()
	r := filled(t)
	created := r.shippedOrder()
	r.event(created.Events[0], true)
	r.events(r.shop.UpdateOrderStatus(shop, created.ID, "completed"))
	r.events(r.shop.RefundOrder(shop, created.ID, false))
	r.events(r.shop.UpdateOrderStatus(shop, number(t, r.ids(salla.Orders)[1]), "canceled"))
	for _, file := range []string{"webhook_order.created", "webhook_abandoned.cart"} {
		r.recorded(file)
	}
	for _, resource := range []string{tenantdb.Customers, tenantdb.Products, tenantdb.Carts} {
		l := newLander(t, r.tdb, resource)
		for _, recorded := range imports.AllRecorded(t) {
			if recorded.Resource == resource && strings.HasPrefix(recorded.Fixture, "list_") && recorded.Form == 0 {
				l.land(recorded.Document)
			}
		}
	}
	// What the others leave as a new row has it.
	newLander(t, r.tdb, tenantdb.Products).land(json.RawMessage(`{"id":990001,"name":"X","price":5,"status":"hidden","brand":{"id":5}}`))
	newLander(t, r.tdb, tenantdb.Orders).land(json.RawMessage(`{"id":990002,"date":"2026-01-02","total":{"amount":5,"currency":"KWD"}}`))
	newLander(t, r.tdb, tenantdb.Carts).land(json.RawMessage(`{"id":990003,"status":"purchased"}`))
	empty := imports.Sourceless()
	for column, filled := range r.filledColumns() {
		switch sourceless := slices.Contains(empty, column); {
		case sourceless && filled:
			t.Errorf("%s is filled, though Salla has no source for it", column)
		case !sourceless && !filled:
			t.Errorf("nothing has filled %s", column)
		}
	}
}

// recorded applies a recorded event, without the reads that it asks for.
func (r *rig) recorded(name string) {
	r.t.Helper()
	body, err := os.ReadFile("testdata/" + name + ".json")
	if err != nil {
		r.t.Fatal(err)
	}
	var doc struct {
		Event string
		Data  json.RawMessage
	}
	if err := json.Unmarshal(body, &doc); err != nil {
		r.t.Fatal(err)
	}
	_, err = r.ApplyEvent(r.t.Context(), imports.LiveEvent{
		TenantID: r.tenant, Name: doc.Event, Payload: doc.Data, ReceivedAt: time.Now(),
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// filledColumns tells of each column of the model's imported tables whether any row
// has another value in it than a new row.
func (r *rig) filledColumns() map[string]bool {
	r.t.Helper()
	model, err := blueprint.Load()
	if err != nil {
		r.t.Fatal(err)
	}
	tables, err := model.Tables()
	if err != nil {
		r.t.Fatal(err)
	}
	config, err := pgx.ParseConfig(dbtest.AdminURL(r.t))
	if err != nil {
		r.t.Fatal(err)
	}
	config.Database = tenantdb.Name(r.tenant)
	conn, err := pgx.ConnectConfig(r.t.Context(), config)
	if err != nil {
		r.t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(r.t.Context())) }()
	filled := map[string]bool{}
	for _, table := range tables {
		for _, c := range table.Columns {
			if !table.Imported {
				continue
			}
			preset := ""
			if c.Default != nil {
				preset = fmt.Sprint(c.Default)
			}
			var some bool
			err := conn.QueryRow(r.t.Context(), fmt.Sprintf(
				`SELECT EXISTS (SELECT FROM %s WHERE %s IS NOT NULL AND %[2]s::text <> $1)`, table.Name, c.Name), preset).Scan(&some)
			if err != nil {
				r.t.Fatal(err)
			}
			filled[table.Name+"."+c.Name] = some
		}
	}
	return filled
}
