package tenantdb_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/tenantdb"
)

// hold puts a reject there by hand, with a record of a new id where none is given.
func hold(t *testing.T, c *pgx.Conn, run uuid.UUID, resource, id, field, reason string) uuid.UUID {
	t.Helper()
	var kept uuid.UUID
	if err := c.QueryRow(t.Context(), `
		INSERT INTO rejects (run, resource, key, source_id, record, field, reason)
		VALUES ($1, $2, $3, $3, '{"id":"' || $3 || '"}', nullif($4, ''), $5)
		RETURNING id`, run, resource, id, field, reason).Scan(&kept); err != nil {
		t.Fatal(err)
	}
	return kept
}

// kept gives the open rejects to re-drive, by id.
func kept(t *testing.T, db *tenantdb.DB, f tenantdb.RejectFilter) []tenantdb.KeptReject {
	t.Helper()
	f.Limit = max(f.Limit, 100)
	found, err := db.KeptRejects(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// again is what re-drives a reject as a record of a shape.
func again(t *testing.T, db *tenantdb.DB, id uuid.UUID, s tenantdb.Shape, rec tenantdb.Record) tenantdb.Redrive {
	t.Helper()
	r, err := db.Reject(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return tenantdb.Redrive{ID: id, KeptAt: r.CreatedAt, Shape: s, Record: rec}
}

func isOpen(t *testing.T, db *tenantdb.DB, id uuid.UUID) bool {
	t.Helper()
	r, err := db.Reject(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r.RedrivenAt == nil
}

// wantEmptied fails unless rejects are settled and keep no record.
func wantEmptied(t *testing.T, db *tenantdb.DB, ids ...uuid.UUID) {
	t.Helper()
	for _, id := range ids {
		r, err := db.Reject(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r.RedrivenAt == nil || r.Record != "" || r.Reason == "" {
			t.Errorf("the reject of %s keeps %q, settled %v, reason %q", r.Resource, r.Record, r.RedrivenAt, r.Reason)
		}
	}
}

func TestRedriveMergesLikeAReadOfThen(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	list, detail := tenantdb.ProductList(), tenantdb.ProductDetail()
	run, none := uuid.New(), uuid.UUID{}
	timed := func(r tenantdb.Record, minutes int) tenantdb.Record {
		r.SourceUpdatedAt = source(minutes)
		return r
	}
	apply(t, db, list, product("newer", "5", 50))
	apply(t, db, list, product("older", "5", 1))
	apply(t, db, list, product("same", "5", 50))
	apply(t, db, list, product("untimed", "5", 1))
	apply(t, db, list, timed(product("by-time", "5", 50), 1))
	for _, key := range []string{"gone", "long-gone"} {
		if _, err := db.Tombstone(t.Context(), tenantdb.Products, key, tenantdb.TombstoneOrder{ReadAt: at(1), FromRead: true}); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		key     string
		run     uuid.UUID
		shape   tenantdb.Shape
		rec     tenantdb.Record
		want    tenantdb.Outcome
		open    bool
		price   string
		deleted bool
	}{
		{key: "new", run: run, shape: list, rec: product("new", "7", 10), want: tenantdb.Stored, price: "7"},
		{key: "new-event", run: none, shape: detail, rec: product("new-event", "7", 10), want: tenantdb.Stored, price: "7"},
		{key: "newer", run: run, shape: list, rec: product("newer", "7", 10), want: tenantdb.Stale, price: "5"},
		{key: "older", run: run, shape: list, rec: product("older", "7", 10), want: tenantdb.Stored, price: "7"},
		{key: "same", run: run, shape: list, rec: product("same", "5", 10), want: tenantdb.Unchanged, price: "5"},
		// It may have come with an event, whose instant says nothing.
		{key: "untimed", run: none, shape: detail, rec: product("untimed", "7", 10), want: tenantdb.NeedsRead, open: true, price: "5"},
		{key: "by-time", run: none, shape: detail, rec: timed(product("by-time", "7", 10), 2), want: tenantdb.Stored, price: "7"},
		{key: "gone", run: run, shape: list, rec: product("gone", "7", 10), want: tenantdb.Stale, deleted: true},
		{key: "long-gone", run: none, shape: detail, rec: timed(product("long-gone", "7", 10), 9), want: tenantdb.Stale, deleted: true},
		{key: "bad", run: run, shape: list, rec: product("bad", "7", 10), want: tenantdb.Rejected, open: true},
	}
	var work []tenantdb.Redrive
	for _, tt := range tests {
		if tt.key == "bad" {
			tt.rec.Fields["price"] = "much"
		}
		work = append(work, again(t, db, hold(t, c, tt.run, tenantdb.Products, tt.key, "x", "it was not understood"), tt.shape, tt.rec))
	}
	refused := hold(t, c, run, tenantdb.Products, "refused", "x", "it was not understood")
	work = append(work, tenantdb.Redrive{ID: refused, KeptAt: work[0].KeptAt, Field: "name", Reason: "it is still not understood"})
	r, err := db.Reject(t.Context(), refused)
	if err != nil {
		t.Fatal(err)
	}
	work[len(work)-1].KeptAt = r.CreatedAt

	became, err := db.Redrive(t.Context(), work)
	if err != nil {
		t.Fatal(err)
	}
	for i, tt := range tests {
		id := work[i].ID
		if became[id].Outcome != tt.want || isOpen(t, db, id) != tt.open {
			t.Errorf("%s: %+v, open %t; want %s, open %t", tt.key, became[id], isOpen(t, db, id), tt.want, tt.open)
		}
		where := `salla_product_id = '` + tt.key + `'`
		if tt.price != "" && value(t, c, `SELECT price FROM salla_products WHERE `+where) != tt.price {
			t.Errorf("%s: price %s, want %s", tt.key, value(t, c, `SELECT price FROM salla_products WHERE `+where), tt.price)
		}
		if tt.deleted && value(t, c, `SELECT deleted_at IS NOT NULL AND price IS NULL FROM salla_products WHERE `+where) != "true" {
			t.Errorf("%s: the tombstone was lifted", tt.key)
		}
	}
	for id, want := range map[uuid.UUID]string{refused: "name: it is still not understood", work[len(tests)-1].ID: "price: "} {
		got := value(t, c, `SELECT field || ': ' || CASE field WHEN 'price' THEN '' ELSE reason END FROM rejects WHERE id = $1`, id)
		if got != want || !isOpen(t, db, id) {
			t.Errorf("still refused for %q, want %q, and open", got, want)
		}
	}
	if got := value(t, c, `SELECT count(*) FROM rejects`); got != fmt.Sprint(len(work)) {
		t.Errorf("%s rejects, want the %d of before", got, len(work))
	}

	repeated, err := db.Redrive(t.Context(), work[:2])
	if err != nil || repeated[work[0].ID].Outcome != "" {
		t.Errorf("what is settled was tried again: %+v, %v", repeated, err)
	}
}

// Of several rejects of one record the newest decides, so that an older version of
// the record never settles what is kept of a newer one.
func TestNewestRejectOfARecordDecides(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	list := tenantdb.ProductList()
	older := hold(t, c, uuid.New(), tenantdb.Products, "1", "name", "the name cannot be read")
	newer := hold(t, c, uuid.New(), tenantdb.Products, "1", "price", "the price cannot be read")

	if open := kept(t, db, tenantdb.RejectFilter{}); len(open) != 1 || open[0].ID != newer {
		t.Errorf("open = %+v, want the newest alone", open)
	}
	became, err := db.Redrive(t.Context(), []tenantdb.Redrive{again(t, db, older, list, product("1", "7", 1))})
	if err != nil || became[older].Outcome != tenantdb.Rejected || !isOpen(t, db, older) || !isOpen(t, db, newer) {
		t.Errorf("the older one became %+v, %v; want both left open", became[older], err)
	}
	if got := value(t, c, `SELECT count(*) FROM salla_products`); got != "0" {
		t.Error("an older version was stored")
	}
	became, err = db.Redrive(t.Context(), []tenantdb.Redrive{
		again(t, db, older, list, product("1", "7", 1)), again(t, db, newer, list, product("1", "8", 2)),
	})
	if err != nil || became[newer].Outcome != tenantdb.Stored || became[older].Outcome != tenantdb.Stale {
		t.Errorf("became %+v, %v; want the newer stored, and the older one overtaken", became, err)
	}
	if isOpen(t, db, older) || isOpen(t, db, newer) || value(t, c, `SELECT price FROM salla_products`) != "8" {
		t.Error("they are not settled by what is stored")
	}
}

// What is kept anew while it is re-driven is another record.
func TestRejectKeptAnewIsPassedOver(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	id := hold(t, c, uuid.UUID{}, tenantdb.Products, "1", "price", "x")
	work := again(t, db, id, tenantdb.ProductList(), product("1", "7", 1))
	if err := db.KeepReject(t.Context(), tenantdb.Reject{
		Resource: tenantdb.Products, SourceID: "1", Reason: "y", Record: []byte(`{"id":"1","newer":true}`),
	}); err != nil {
		t.Fatal(err)
	}
	became, err := db.Redrive(t.Context(), []tenantdb.Redrive{work})
	if err != nil || became[id].Outcome != "" || !isOpen(t, db, id) || value(t, c, `SELECT count(*) FROM salla_products`) != "0" {
		t.Errorf("became %+v, %v; want it passed over and open", became[id], err)
	}
}

// An order that was read by itself settles what is kept of its details and of the
// list's document.
func TestOrderReadByItselfSettlesItsRejects(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	run := uuid.New()
	listed := hold(t, c, run, tenantdb.Orders, "1", "date", "x")
	details := hold(t, c, run, tenantdb.OrderDetails, "1", "", "the order cannot be read")

	apply(t, db, tenantdb.OrderDetail(), order("1", "c", "CONFIRMED", "7", 1))

	if isOpen(t, db, listed) || isOpen(t, db, details) {
		t.Error("they are still open")
	}
	wantEmptied(t, db, listed, details)
	other := hold(t, c, run, tenantdb.OrderDetails, "2", "", "the order cannot be read")
	apply(t, db, tenantdb.OrderList(), order("2", "c", "CONFIRMED", "7", 1))
	if !isOpen(t, db, other) {
		t.Error("the list's document settled what is kept of the details")
	}
	if err := db.SettleRejects(t.Context(), tenantdb.Orders, "2"); err != nil || isOpen(t, db, other) {
		t.Errorf("a record that is gone keeps its rejects open: %v", err)
	}
	wantEmptied(t, db, other)
}

// Kept again in the same run, a reject is open again and counts once.
func TestRejectedAgainIsOpenAgain(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	im := newImporter(t, db, tenantdb.Products)
	bad := tenantdb.Reject{Resource: tenantdb.Products, SourceID: "1", Reason: "x", Record: []byte(`{"id":1}`)}
	if got := im.commit(tenantdb.ProductList(), nil, bad); got.Rejected != 1 {
		t.Fatalf("got %+v, want one rejected", got)
	}
	open := kept(t, db, tenantdb.RejectFilter{Run: im.ref.Run})
	became, err := db.Redrive(t.Context(), []tenantdb.Redrive{again(t, db, open[0].ID, tenantdb.ProductList(), product("1", "7", 1))})
	if err != nil || became[open[0].ID].Outcome != tenantdb.Stored {
		t.Fatalf("became %+v, %v", became, err)
	}
	if got := im.commit(tenantdb.ProductList(), []tenantdb.Record{product("1", "8", 2)}); got != (tenantdb.Tally{}) {
		t.Errorf("got %+v: the run counted the record twice", got)
	}
	if got := im.commit(tenantdb.ProductList(), nil, bad); got != (tenantdb.Tally{}) {
		t.Errorf("got %+v: the run counted the record twice", got)
	}
	if !isOpen(t, db, open[0].ID) || value(t, c, `SELECT count(*) FROM rejects`) != "1" {
		t.Error("it is not open again")
	}
}

// Two re-drives of the same rejects, and an import of the same records beside them,
// lose nothing and do nothing twice.
func TestRedrivesAndAnImportAtOnce(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	list, run := tenantdb.ProductList(), uuid.New()
	const n = 120
	ids := map[uuid.UUID]bool{}
	for i := range n {
		ids[hold(t, c, run, tenantdb.Products, fmt.Sprint(i), "price", "x")] = true
	}
	found := kept(t, db, tenantdb.RejectFilter{Limit: n})
	var mu sync.Mutex
	settled := map[uuid.UUID]int{}
	var group sync.WaitGroup
	for w := range 2 {
		group.Go(func() {
			for from := 0; from < n; from += 20 {
				var work []tenantdb.Redrive
				for _, r := range found[from : from+20] {
					rec := product(*r.SourceID, fmt.Sprint(100+w), 10)
					work = append(work, tenantdb.Redrive{ID: r.ID, KeptAt: r.CreatedAt, Shape: list, Record: rec})
				}
				became, err := db.Redrive(t.Context(), work)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				for id, b := range became {
					if b.Outcome != "" {
						settled[id]++
					}
				}
				mu.Unlock()
			}
		})
	}
	group.Go(func() {
		im := newImporter(t, db, tenantdb.Products)
		for from := n / 2; from < n; from += 20 {
			var records []tenantdb.Record
			for i := range 20 {
				records = append(records, product(fmt.Sprint(from+i), "200", 20))
			}
			im.commit(list, records)
		}
	})
	group.Wait()
	for id := range ids {
		if settled[id] > 1 || isOpen(t, db, id) {
			t.Errorf("%s was re-driven %d times, open %t", id, settled[id], isOpen(t, db, id))
		}
	}
	if got := value(t, c, `SELECT count(*) || ' ' || count(*) FILTER (WHERE price = 200) || ' ' || count(*) FILTER (WHERE price < 200) FROM salla_products`); got != "120 60 60" {
		t.Errorf("stored %s, want 120, of them the newest of the 60 that the import brought", got)
	}
}

func TestRejectsAreChosenAndGrouped(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	first, second := uuid.New(), uuid.New()
	for i := range 3 {
		hold(t, c, first, tenantdb.Orders, fmt.Sprint("a", i), "amounts.total", fmt.Sprintf(`the total is "%d SAR?", not an amount`, i))
	}
	hold(t, c, second, tenantdb.Orders, "a0", "amounts.total", `the total is "7 SAR?", not an amount`) // the same record
	hold(t, c, second, tenantdb.Products, "p", "", "the record is a list, not an object")
	done := hold(t, c, second, tenantdb.Products, "done", "name", "x")
	exec(t, c, `UPDATE rejects SET redriven_at = now() WHERE id = $1`, done)

	for name, tt := range map[string]struct {
		f    tenantdb.RejectFilter
		want int
	}{
		"all":                     {tenantdb.RejectFilter{}, 6},
		"open":                    {tenantdb.RejectFilter{Open: true}, 4},
		"of a run":                {tenantdb.RejectFilter{Open: true, Run: first}, 3},
		"of a resource":           {tenantdb.RejectFilter{Open: true, Resource: tenantdb.Products}, 1},
		"of a field":              {tenantdb.RejectFilter{Open: true, Field: "amounts.total"}, 3},
		"of no field":             {tenantdb.RejectFilter{Open: true, Field: tenantdb.NoField}, 1},
		"of a reason like it":     {tenantdb.RejectFilter{Open: true, Reason: `the total is "nothing", not an amount`}, 3},
		"of the reason's form":    {tenantdb.RejectFilter{Open: true, Reason: `the total is "…", not an amount`}, 3},
		"of another reason":       {tenantdb.RejectFilter{Open: true, Reason: `the tax is "…", not an amount`}, 0},
		"by id":                   {tenantdb.RejectFilter{IDs: []uuid.UUID{done}}, 1},
		"by the id of a done one": {tenantdb.RejectFilter{IDs: []uuid.UUID{done}, Open: true}, 0},
	} {
		found, err := db.Rejects(t.Context(), tt.f)
		if err != nil || len(found) != tt.want {
			t.Errorf("%s: %d rejects, %v, want %d", name, len(found), err, tt.want)
		}
		for _, r := range found {
			if r.Record != "" {
				t.Errorf("%s: a list has a record that nobody asked for", name)
			}
		}
		counts, err := db.RejectCounts(t.Context(), tt.f)
		if sum := counts[tenantdb.Orders] + counts[tenantdb.Products]; err != nil || sum != tt.want {
			t.Errorf("%s: counted %v, %v, want %d", name, counts, err, tt.want)
		}
	}
	groups, total, err := db.RejectGroups(t.Context(), tenantdb.RejectFilter{Open: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := range groups {
		groups[i].Newest = time.Time{}
	}
	want := []tenantdb.RejectGroup{
		{Resource: tenantdb.Orders, Field: "amounts.total", Reason: `the total is "7 SAR?", not an amount`, Count: 3},
		{Resource: tenantdb.Products, Reason: "the record is a list, not an object", Count: 1},
	}
	if diff := cmp.Diff(want, groups); diff != "" || total != 4 {
		t.Errorf("%d in groups (-want +got):\n%s", total, diff)
	}
}

// With 100,000 rejects of one store what people look at is there at once.
func TestManyRejectsAreLookedAtInTime(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	exec(t, c, `
		INSERT INTO rejects (run, resource, key, source_id, record, field, reason)
		SELECT uuid_v7(), 'orders', i::text, i::text, repeat('{"a":"0123456789"}', 40), 'items[' || i % 7 || '].quantity', 'the quantity "' || i || '" is no number'
		FROM generate_series(1, 100000) AS i`)
	exec(t, c, `ANALYZE rejects`)
	begun := time.Now()
	groups, total, err := db.RejectGroups(t.Context(), tenantdb.RejectFilter{Open: true})
	if err != nil || total != 10_001 || len(groups) != 7 {
		t.Fatalf("%d groups of %d, %v; want 7 of 10,001", len(groups), total, err)
	}
	took := time.Since(begun)
	if _, err := db.Rejects(t.Context(), tenantdb.RejectFilter{Open: true, Field: "items[3].quantity", Limit: 51}); err != nil {
		t.Fatal(err)
	}
	counts, err := db.RejectCounts(t.Context(), tenantdb.RejectFilter{Open: true, Reason: `the quantity "…" is no number`})
	if err != nil || counts[tenantdb.Orders] != 10_001 {
		t.Errorf("counted %v, %v, want 10,001", counts, err)
	}
	if found := kept(t, db, tenantdb.RejectFilter{Limit: 200}); len(found) != 200 || found[0].Record == "" {
		t.Errorf("%d rejects with records, want 200", len(found))
	}
	t.Logf("grouped in %s, all of it in %s", took, time.Since(begun))
}
