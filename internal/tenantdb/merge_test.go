package tenantdb_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestPageFence(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	ref := tenantdb.PageRef{
		Stream: uuid.New(), Run: uuid.New(), Seq: 1, Resource: tenantdb.Customers, Pass: 1,
		DateRange: "2026-01", PageOrCursor: "1", PerPage: 60,
	}
	commit := func(fence int64, name string) (tenantdb.PageResult, error) {
		return db.CommitPage(t.Context(), tenantdb.PageCommit{
			Ref: ref, Fence: fence, Deleted: 2, Digest: []byte("ids"), HasNext: true, NextCursor: "next",
			Batches: []tenantdb.Batch{{Shape: tenantdb.CustomerList(), Records: []tenantdb.Record{person("1", name, 1)}}},
		})
	}

	older := page(t, db, ref)
	changed := ref
	changed.PerPage, changed.DateRange = 15, "2027-01"
	newer := page(t, db, changed)
	if diff := cmp.Diff(ref, newer.Ref); diff != "" {
		t.Errorf("a resumed page must keep its size and range (-want +got):\n%s", diff)
	}

	if _, err := commit(older.Fence, "older"); !errors.Is(err, fault.ErrLost) {
		t.Errorf("commit of the older taker: got %v, want ErrLost", err)
	}
	if got := value(t, c, `SELECT count(*) FROM people`); got != "0" {
		t.Errorf("the lost commit left %s people", got)
	}
	first, err := commit(newer.Fence, "newer")
	if err != nil {
		t.Fatal(err)
	}
	again, err := commit(newer.Fence, "again")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("a repeated commit gives another result (-first +again):\n%s", diff)
	}
	if got := value(t, c, `SELECT first_name FROM people`); got != "newer" {
		t.Errorf("got %s, want what the newer taker stored", got)
	}
	done := page(t, db, ref)
	if done.Done == nil || !done.Done.HasNext || done.Done.NextCursor != "next" || done.Done.Imported != 1 {
		t.Errorf("got %+v, want the done page's result", done.Done)
	}
	if diff := cmp.Diff(&first, done.Done); diff != "" {
		t.Errorf("the next taker is told another result (-committed +told):\n%s", diff)
	}
	if first.Records != 3 || first.Deleted != 2 || string(first.Digest) != "ids" {
		t.Errorf("got %d records, %d of them deleted, digest %q; want 3, 2 and the one given", first.Records, first.Deleted, first.Digest)
	}
	unopened := ref
	unopened.Seq = 9
	_, err = db.CommitPage(t.Context(), tenantdb.PageCommit{Ref: unopened, Fence: 1})
	if !errors.Is(err, fault.ErrLost) {
		t.Errorf("commit of a page that nobody opened: got %v, want ErrLost", err)
	}
}

func TestEachRecordCountsOnceARun(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	list := tenantdb.CustomerList()
	im := newImporter(t, db, tenantdb.Customers)
	steps := []struct {
		name    string
		records []tenantdb.Record
		rejects []tenantdb.Reject
		want    tenantdb.Tally
	}{
		{"new", []tenantdb.Record{person("1", "a", 1), person("2", "b", 1)}, nil, tenantdb.Tally{Imported: 2}},
		{"seen again", []tenantdb.Record{person("2", "b", 2), person("3", "c", 2)}, nil, tenantdb.Tally{Imported: 1}},
		{"changed in the same run", []tenantdb.Record{person("3", "d", 3)}, nil, tenantdb.Tally{}},
		{"twice on a page", []tenantdb.Record{person("4", "e", 4), person("4", "f", 4)}, nil, tenantdb.Tally{Imported: 1}},
		{
			"rejected", nil,
			[]tenantdb.Reject{{Resource: tenantdb.Customers, SourceID: "5", Reason: "x", Record: []byte("{}")}},
			tenantdb.Tally{Rejected: 1},
		},
		{
			"rejected again", nil,
			[]tenantdb.Reject{{Resource: tenantdb.Customers, SourceID: "5", Reason: "y", Record: []byte("{}")}},
			tenantdb.Tally{},
		},
		{
			"rejected after it was counted", nil,
			[]tenantdb.Reject{{Resource: tenantdb.Customers, SourceID: "1", Reason: "x", Record: []byte("{}")}},
			tenantdb.Tally{},
		},
		{"stored after it was rejected", []tenantdb.Record{person("5", "g", 5)}, nil, tenantdb.Tally{}},
	}
	for _, s := range steps {
		if got := im.commit(list, s.records, s.rejects...); got != s.want {
			t.Errorf("%s: got %+v, want %+v", s.name, got, s.want)
		}
	}
	sum, err := db.Progress(t.Context(), im.ref.Stream)
	if err != nil {
		t.Fatal(err)
	}
	want := tenantdb.Progress{Pages: 8, Imported: 4, Rejected: 1, Records: 11}
	if sum != want {
		t.Errorf("got %+v, want %+v", sum, want)
	}

	// 1 was rejected after it had been stored: its reject is open, its row is live.
	open, err := db.Rejects(t.Context(), tenantdb.RejectFilter{Run: im.ref.Run, Open: true})
	if err != nil || len(open) != 1 || *open[0].SourceID != "1" {
		t.Errorf("got %d open rejects, %v, want that of 1", len(open), err)
	}

	next := newImporter(t, db, tenantdb.Customers)
	got := next.commit(list, []tenantdb.Record{person("1", "a", 11), person("2", "changed", 11), person("5", "g", 2)})
	if want := (tenantdb.Tally{Imported: 1, Unchanged: 2}); got != want {
		t.Errorf("next run: got %+v, want %+v", got, want)
	}
	unseen, err := db.Unseen(t.Context(), tenantdb.Customers, next.ref.Run, at(10), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"3", "4"}, unseen); diff != "" {
		t.Errorf("unseen (-want +got):\n%s", diff)
	}
	counts, err := db.Counts(t.Context(), tenantdb.Customers, im.ref.Run)
	if err != nil {
		t.Fatal(err)
	}
	if want := (tenantdb.Counts{Live: 5}); counts != want {
		t.Errorf("got %+v, want %+v", counts, want)
	}
}

func TestBadValuesNeverStopAPage(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	im := newImporter(t, db, tenantdb.Orders)
	broken := func(key string, change func(r *tenantdb.Record)) tenantdb.Record {
		r := order(key, "c", "PENDING", "1", 1)
		change(&r)
		return r
	}
	set := func(column string, v any) func(*tenantdb.Record) {
		return func(r *tenantdb.Record) { r.Fields[column] = v }
	}
	doc := func(d string) func(*tenantdb.Record) {
		return func(r *tenantdb.Record) { r.Document = json.RawMessage(d) }
	}
	im.commit(tenantdb.OrderList(), []tenantdb.Record{order("kept", "c", "PENDING", "7", 0)})

	got := im.commit(tenantdb.OrderList(), []tenantdb.Record{
		order("good1", "c", "PENDING", "10.5", 1),
		broken("date", set("placed_at", "2026-13-45")),
		broken("number", set("total", "twelve")),
		broken("huge", set("total", json.Number("1e200000"))),
		broken("comma", set("total", json.Number("12,5"))),
		broken("option", set("status", "EXPLODED")),
		broken("required", set("placed_at", nil)),
		broken("nul", doc(`{"name":"a\u0000b"}`)),
		broken("half", doc(`{"name":"\ud83d"}`)),
		broken("utf8", doc("{\"name\":\"\xff\"}")),
		broken("cut", doc(`{"name":`)),
		broken("deep", doc(strings.Repeat("[", 600)+strings.Repeat("]", 600))),
		broken("docnumber", doc(`{"n":1e200000}`)),
		broken("kept", set("total", "nine")),
		broken("", func(*tenantdb.Record) {}),
		broken("bad\x00id", func(*tenantdb.Record) {}),
		order("good2", "c", "COMPLETED", "20", 1),
	}, tenantdb.Reject{Resource: tenantdb.Orders, Reason: "no id", Record: []byte("\x00\xff raw")})

	// "kept" was counted by this run before.
	if want := (tenantdb.Tally{Imported: 2, Rejected: 15}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := value(t, c, `SELECT string_agg(order_id, ' ' ORDER BY order_id) FROM salla_orders`); got != "good1 good2 kept" {
		t.Errorf("stored %s", got)
	}
	if got := value(t, c, `SELECT total FROM salla_orders WHERE order_id = 'kept'`); got != "7" {
		t.Errorf("a rejected record changed its row: total %s", got)
	}
	rejects, err := db.Rejects(t.Context(), tenantdb.RejectFilter{Run: im.ref.Run, Resource: tenantdb.Orders, Open: true})
	if err != nil {
		t.Fatal(err)
	}
	fields := map[string]string{}
	for _, r := range rejects {
		id, field := "", ""
		if r.SourceID != nil {
			id = *r.SourceID
		}
		if r.Field != nil {
			field = *r.Field
		}
		if r.Reason == "" {
			t.Errorf("reject %q has no reason", id)
		}
		if _, twice := fields[id]; !twice {
			fields[id] = field
		}
	}
	delete(fields, "")
	want := map[string]string{
		"date": "placed_at", "number": "total", "huge": "total", "comma": "total", "option": "status", "required": "placed_at",
		"nul": "name", "half": "name", "utf8": "name", "cut": "source_document",
		`bad\u0000id`: "order_id", "deep": strings.Repeat("[0]", 12), "docnumber": "n", "kept": "total",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("fields at fault (-want +got):\n%s", diff)
	}
	one, err := db.Reject(t.Context(), rejects[0].ID)
	if err != nil || one.ID != rejects[0].ID {
		t.Errorf("got %v, %v", one.ID, err)
	}
	if _, err := db.Reject(t.Context(), uuid.New()); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
	if got := value(t, c, `SELECT record FROM rejects WHERE source_id = 'nul'`); got != `{"name":"a\u0000b"}` {
		t.Errorf("the reject keeps %s", got)
	}
}

func TestUnknownColumnIsOurMistake(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	r := person("1", "a", 1)
	r.Fields["salla_tags"] = "VIP"
	if _, err := db.Apply(t.Context(), tenantdb.CustomerList(), r); err == nil {
		t.Error("a column that the shape does not fill was accepted")
	}
}

func TestApply(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	list, event := tenantdb.ProductList(), tenantdb.ProductEvent()
	with := func(r tenantdb.Record, source *time.Time) tenantdb.Record {
		r.SourceUpdatedAt = source
		return r
	}
	price := func() string { return value(t, c, `SELECT price FROM salla_products`) }
	steps := []struct {
		name  string
		shape tenantdb.Shape
		rec   tenantdb.Record
		want  tenantdb.Outcome
		price string
	}{
		{"event first", event, with(product("1", "10", 5), source(5)), tenantdb.Stored, "10"},
		{"page that began before", list, with(product("1", "9", 4), source(3)), tenantdb.Stale, "10"},
		{"page of later", list, with(product("1", "11", 7), source(6)), tenantdb.Stored, "11"},
		{"event of before", event, with(product("1", "10.5", 8), source(5)), tenantdb.Stale, "11"},
		{"event of the same second", event, with(product("1", "12", 8), source(6)), tenantdb.NeedsRead, "11"},
		{"event without time", event, product("1", "13", 9), tenantdb.NeedsRead, "11"},
		{"event of what the list says", event, with(product("1", "11", 9), source(9)), tenantdb.Unchanged, "11"},
		{"event of later", event, with(product("1", "14", 9), source(9)), tenantdb.Stored, "14"},
		{
			"the list's document again, since the price went back", list, with(product("1", "11", 10), source(10)),
			tenantdb.Stored, "11",
		},
		{"the list's document once more", list, with(product("1", "11", 11), source(10)), tenantdb.Unchanged, "11"},
	}
	for _, s := range steps {
		if got := apply(t, db, s.shape, s.rec); got != s.want {
			t.Errorf("%s: got %s, want %s", s.name, got, s.want)
		}
		if got := price(); got != s.price {
			t.Errorf("%s: price %s, want %s", s.name, got, s.price)
		}
	}
	bad := product("1", "15", 20)
	bad.Fields["price"] = "much"
	a, err := db.Apply(t.Context(), list, bad)
	if err != nil || a.Outcome != tenantdb.Rejected || a.Field != "price" {
		t.Errorf("got %+v, %v, want a rejected price", a, err)
	}
	if price() != "11" {
		t.Errorf("a rejected record changed the price to %s", price())
	}
	apply(t, db, list, product("1", "15", 21))
	open, err := db.Rejects(t.Context(), tenantdb.RejectFilter{Open: true})
	if err != nil || len(open) != 0 {
		t.Errorf("got %d open rejects, %v; want none after the record was stored", len(open), err)
	}
}

func TestFieldsThatAreNotNamedStay(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	r := product("1", "10", 1)
	r.Fields["sku"] = "A-1"
	apply(t, db, tenantdb.ProductList(), r)
	if got := value(t, c, `SELECT stock_quantity || ' ' || requires_shipping FROM salla_products`); got != "0 true" {
		t.Errorf("defaults: got %s", got)
	}
	r = product("1", "11", 2)
	r.Fields["status"] = nil
	apply(t, db, tenantdb.ProductList(), r)
	got := value(t, c, `SELECT concat_ws(' ', sku, price, coalesce(status, 'none')) FROM salla_products`)
	if want := "A-1 11 none"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOrderDetails(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	im := newImporter(t, db, tenantdb.Orders)
	im.commit(tenantdb.OrderList(), []tenantdb.Record{
		order("1", "c", "PENDING", "10", 1), order("2", "c", "PENDING", "20", 1), order("3", "c", "PENDING", "30", 1),
	})
	due := func(after string) []string {
		refs, err := db.DetailsDue(t.Context(), after, 2)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range refs {
			ids = append(ids, r.OrderID)
		}
		return ids
	}
	if diff := cmp.Diff([]string{"1", "2"}, due("")); diff != "" {
		t.Errorf("due (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"3"}, due("2")); diff != "" {
		t.Errorf("due after 2 (-want +got):\n%s", diff)
	}

	detail := func(key, status, total string, read int) tenantdb.Record {
		r := order(key, "c", status, total, read)
		r.SourceUpdatedAt = source(read)
		r.Fields["subtotal"] = json.Number("5")
		return r
	}
	items := func(key, sku string, read int) tenantdb.Record {
		doc := json.RawMessage(fmt.Sprintf(`[{"sku":%q}]`, sku))
		return tenantdb.Record{Key: key, Document: doc, Hash: []byte(sku), ReadAt: at(read), Fields: map[string]any{"line_items": doc}}
	}
	pass := newImporter(t, db, tenantdb.OrderDetails)
	pass.ref.Run = im.ref.Run
	p := page(t, db, pass.ref)
	result, err := db.CommitPage(t.Context(), tenantdb.PageCommit{
		Ref: p.Ref, Fence: p.Fence,
		Batches: []tenantdb.Batch{
			{Shape: tenantdb.OrderDetail(), Records: []tenantdb.Record{
				detail("1", "PENDING", "10", 2), detail("2", "COMPLETED", "20", 2), detail("3", "PENDING", "30", 2),
			}},
			{Shape: tenantdb.OrderItems(), Records: []tenantdb.Record{items("1", "a", 2), items("2", "b", 2)}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := (tenantdb.Tally{Imported: 3}); result.Tally != want || result.Records != 3 {
		t.Errorf("got %+v, want 3 imported of 3", result)
	}
	got := value(t, c, `SELECT concat_ws(' ', subtotal, line_items, source_items, source_updated_at IS NOT NULL)
		FROM salla_orders WHERE order_id = '1'`)
	if want := `5 [{"sku": "a"}] [{"sku": "a"}] t`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if d := due(""); len(d) != 0 {
		t.Errorf("still due: %v", d)
	}
	counts, err := db.Counts(t.Context(), tenantdb.OrderDetails, im.ref.Run)
	if err != nil || counts.Live != 3 {
		t.Errorf("got %+v, %v, want 3 orders with detail", counts, err)
	}

	// The detail of 2 changed its status, so the list's document counts as
	// changed even if it is the same as before.
	again := newImporter(t, db, tenantdb.Orders)
	tally := again.commit(tenantdb.OrderList(), []tenantdb.Record{
		order("1", "c", "PENDING", "10", 3), order("2", "c", "PENDING", "20", 3), order("3", "c", "CANCELED", "30", 3),
	})
	if want := (tenantdb.Tally{Imported: 2, Unchanged: 1}); tally != want {
		t.Errorf("got %+v, want %+v", tally, want)
	}
	if diff := cmp.Diff([]string{"3"}, due("")); diff != "" {
		t.Errorf("due after a change of the list (-want +got):\n%s", diff)
	}
	if got := apply(t, db, tenantdb.OrderItems(), items("unknown", "z", 9)); got != tenantdb.NeedsRead {
		t.Errorf("items of an unknown order: got %s", got)
	}
}

func TestLeftList(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	im := newImporter(t, db, tenantdb.Carts)
	im.commit(tenantdb.CartList(), []tenantdb.Record{cart("1", "c", "PENDING", "5", 1), cart("2", "c", "PENDING", "6", 1)})
	if err := db.MarkLeftList(t.Context(), "1"); err != nil {
		t.Fatal(err)
	}
	if err := db.MarkLeftList(t.Context(), "9"); !errors.Is(err, fault.NotFound) {
		t.Errorf("got %v, want not found", err)
	}
	counts, err := db.Counts(t.Context(), tenantdb.Carts, im.ref.Run)
	if err != nil || counts.Live != 1 {
		t.Errorf("got %+v, %v, want one cart on the list", counts, err)
	}
	unseen, err := db.Unseen(t.Context(), tenantdb.Carts, uuid.New(), at(10), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"2"}, unseen); diff != "" {
		t.Errorf("unseen (-want +got):\n%s", diff)
	}
	next := newImporter(t, db, tenantdb.Carts)
	next.commit(tenantdb.CartList(), []tenantdb.Record{cart("1", "c", "PENDING", "5", 2)})
	if got := value(t, c, `SELECT left_list FROM salla_carts WHERE salla_cart_id = '1'`); got != "false" {
		t.Errorf("a cart that is on the list again has left_list %s", got)
	}
}

func TestMergesOfOneTenantAtOnce(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	const streams, pages = 4, 6
	errs := make(chan error, streams)
	run := uuid.New()
	for s := range streams {
		go func() {
			resource, shape := tenantdb.Orders, tenantdb.OrderList()
			if s%2 == 0 {
				resource, shape = tenantdb.Customers, tenantdb.CustomerList()
			}
			errs <- func() error {
				ref := tenantdb.PageRef{Stream: uuid.New(), Run: run, Resource: resource, Pass: 1, PerPage: 60}
				for seq := range pages {
					ref.Seq = seq
					p, err := db.OpenPage(t.Context(), ref)
					if err != nil {
						return err
					}
					var records []tenantdb.Record
					for i := range 20 {
						key := fmt.Sprint((seq*20 + i) % 60)
						if s%2 == 0 {
							records = append(records, person(key, "p"+key, s))
						} else {
							records = append(records, order(key, key, "COMPLETED", "10", s))
						}
					}
					_, err = db.CommitPage(t.Context(), tenantdb.PageCommit{
						Ref: p.Ref, Fence: p.Fence, Batches: []tenantdb.Batch{{Shape: shape, Records: records}},
					})
					if err != nil {
						return err
					}
				}
				return nil
			}()
		}()
	}
	for range streams {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	got := value(t, c, `SELECT count(*) || ' ' || sum(orders_count) || ' ' || sum(total_spent) FROM people`)
	if want := "60 60 600"; got != want {
		t.Errorf("people, orders and spent: got %s, want %s", got, want)
	}
	if got := value(t, c, `SELECT count(*) FROM opportunities WHERE person_id IS NOT NULL`); got != "60" {
		t.Errorf("got %s linked opportunities, want 60", got)
	}
}

// atOnce stores pages of orders that were all opened, at the same time.
func (i *importer) atOnce(pages [][]tenantdb.Record) (sum tenantdb.Tally) {
	i.t.Helper()
	opened := make([]tenantdb.OpenedPage, len(pages))
	for n := range pages {
		i.ref.Seq++
		opened[n] = page(i.t, i.db, i.ref)
	}
	results := make([]tenantdb.PageResult, len(pages))
	var g errgroup.Group
	for n, records := range pages {
		g.Go(func() (err error) {
			results[n], err = i.db.CommitPage(i.t.Context(), tenantdb.PageCommit{
				Ref: opened[n].Ref, Fence: opened[n].Fence,
				Batches: []tenantdb.Batch{{Shape: tenantdb.OrderList(), Records: records}},
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		i.t.Fatal(err)
	}
	for _, r := range results {
		sum.Imported, sum.Unchanged, sum.Rejected = sum.Imported+r.Imported, sum.Unchanged+r.Unchanged, sum.Rejected+r.Rejected
	}
	return sum
}

// Pages of new orders are stored beside each other. What their customers have spent
// has all of their orders in it all the same.
func TestPagesOfNewOrdersAtOnce(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	const customers, rounds, pages, each = 7, 8, 4, 20
	var people []tenantdb.Record
	for n := range customers {
		people = append(people, person(fmt.Sprint(n), "p", 1))
	}
	newImporter(t, db, tenantdb.Customers).commit(tenantdb.CustomerList(), people)

	i, next := newImporter(t, db, tenantdb.Orders), 0
	for round := range rounds {
		all := make([][]tenantdb.Record, pages)
		for p := range all {
			for range each {
				next++
				all[p] = append(all[p], order(fmt.Sprint(next), fmt.Sprint(next%customers), "COMPLETED", "10", 2))
			}
		}
		if sum := i.atOnce(all); sum.Imported != pages*each {
			t.Fatalf("round %d: %+v, want %d imported", round, sum, pages*each)
		}
		got := value(t, c, `SELECT sum(orders_count) || ' ' || sum(total_spent) FROM people`)
		if want := fmt.Sprint(next, " ", next*10); got != want {
			t.Fatalf("round %d: orders and spent: got %s, want %s", round, got, want)
		}
	}
}

// The source shifts while it is read: a new order is on several pages that are stored
// at the same time.
func TestPagesThatHaveOrdersInCommon(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	newImporter(t, db, tenantdb.Customers).commit(tenantdb.CustomerList(), []tenantdb.Record{person("1", "p", 1)})
	const rounds, pages, each = 10, 4, 12
	i := newImporter(t, db, tenantdb.Orders)
	for round := range rounds {
		all, different := make([][]tenantdb.Record, pages), map[string]bool{}
		for p := range all {
			for n := range each {
				key := fmt.Sprint(round*1000 + p*each/2 + n) // half of a page is on the next one
				different[key] = true
				all[p] = append(all[p], order(key, "1", "COMPLETED", "10", 2))
			}
			if p%2 == 1 {
				slices.Reverse(all[p])
			}
		}
		if sum := i.atOnce(all); sum.Imported != len(different) || sum.Unchanged != 0 {
			t.Fatalf("round %d: %+v, want %d imported, each counted once", round, sum, len(different))
		}
	}
	got := value(t, c, `SELECT orders_count || ' ' || total_spent FROM people`)
	orders := value(t, c, `SELECT count(*) FROM salla_orders`)
	if want := orders + " " + orders + "0"; got != want {
		t.Errorf("orders and spent: got %s, want %s", got, want)
	}
}
