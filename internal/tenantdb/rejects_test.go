package tenantdb_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/tenantdb"
)

// Of what is deleted at the source nothing is left in its rejects, the details of an
// order included; those of others stay.
func TestTombstoneEmptiesRejects(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	first, second := uuid.New(), uuid.New()
	gone := tenantdb.TombstoneOrder{ReadAt: at(1), FromRead: true}
	customer := hold(t, c, first, tenantdb.Customers, "1", "email", "x")
	customerAgain := hold(t, c, second, tenantdb.Customers, "1", "email", "x")
	otherCustomer := hold(t, c, first, tenantdb.Customers, "2", "email", "x")
	sameID := hold(t, c, first, tenantdb.Products, "1", "price", "x")
	listed := hold(t, c, first, tenantdb.Orders, "7", "date", "x")
	details := hold(t, c, uuid.UUID{}, tenantdb.OrderDetails, "7", "items", "x")

	for resource, key := range map[string]string{tenantdb.Customers: "1", tenantdb.Orders: "7"} {
		if _, err := db.Tombstone(t.Context(), resource, key, gone); err != nil {
			t.Fatal(err)
		}
	}

	wantEmptied(t, db, customer, customerAgain, listed, details)
	if !isOpen(t, db, otherCustomer) || !isOpen(t, db, sameID) {
		t.Error("the rejects of other records are settled")
	}
}

// What a re-drive stores keeps no record; an order of which only a part is stored
// stays open and whole.
func TestRedriveKeepsOnlyWhatIsRefused(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	run := uuid.New()
	stored := hold(t, c, run, tenantdb.Products, "1", "price", "x")
	older := hold(t, c, uuid.New(), tenantdb.OrderDetails, "7", "items", "x")
	half := hold(t, c, run, tenantdb.OrderDetails, "7", "items", "x")
	items := tenantdb.Record{
		Key: "7", ReadAt: at(1), Document: json.RawMessage(`["\u0000"]`), Hash: []byte("items"), Fields: map[string]any{"line_items": []any{}},
	}
	details := again(t, db, half, tenantdb.OrderDetail(), order("7", "c", "CONFIRMED", "7", 1))
	details.Items = &items

	became, err := db.Redrive(t.Context(), []tenantdb.Redrive{
		again(t, db, stored, tenantdb.ProductList(), product("1", "7", 1)), details,
	})

	if err != nil || became[stored].Outcome != tenantdb.Stored || became[half].Outcome != tenantdb.Rejected {
		t.Fatalf("became %+v, %v", became, err)
	}
	wantEmptied(t, db, stored, older)
	if r, err := db.Reject(t.Context(), half); err != nil || r.RedrivenAt != nil || r.Record != `{"id":"7"}` {
		t.Errorf("the order is kept as %+v, %v", r, err)
	}
}

// A whole pass that came out equal settles what earlier runs could not store, unless
// it was kept later, by no run, or is of another list.
func TestSettleOlderLeavesARunsOwnRejects(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	earlier, run := uuid.New(), uuid.New()
	old := hold(t, c, earlier, tenantdb.Products, "1", "price", "x")
	vanished := hold(t, c, earlier, tenantdb.Products, "2", "price", "x")
	event := hold(t, c, uuid.UUID{}, tenantdb.Products, "3", "price", "x")
	other := hold(t, c, earlier, tenantdb.Customers, "1", "email", "x")
	detail := hold(t, c, earlier, tenantdb.OrderDetails, "1", "items", "x")
	unread := hold(t, c, earlier, tenantdb.OrderDetails, "2", "items", "x")
	exec(t, c, `UPDATE rejects SET created_at = $1`, at(0))
	own := hold(t, c, run, tenantdb.Products, "1", "price", "x")
	ownDetail := hold(t, c, run, tenantdb.OrderDetails, "1", "items", "x")
	late := hold(t, c, uuid.New(), tenantdb.Products, "4", "price", "x")

	for _, resource := range []string{tenantdb.Products, tenantdb.OrderDetails} {
		if err := db.SettleOlder(t.Context(), resource, run, at(1)); err != nil {
			t.Fatal(err)
		}
	}

	wantEmptied(t, db, old, vanished, detail)
	for _, id := range []uuid.UUID{event, other, unread, own, ownDetail, late} {
		if r, err := db.Reject(t.Context(), id); err != nil || r.RedrivenAt != nil || r.Record == "" {
			t.Errorf("the reject of %s %s is settled: %v", r.Resource, *r.SourceID, err)
		}
	}
}

// The end of a run forgets the pages of runs that began more than a month ago.
func TestFinishRunPrunesPagesOfOldRuns(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	runOf := func(age time.Duration) uuid.UUID {
		id := uuid.Must(uuid.NewV7())
		ms := time.Now().Add(-age).UnixMilli()
		for i := range 6 {
			id[i] = byte(ms >> (40 - 8*i))
		}
		return id
	}
	const day = 24 * time.Hour
	for _, age := range []time.Duration{31 * day, 29 * day, 0} {
		exec(t, c, `
			INSERT INTO import_pages (stream, seq, run, resource, pass, date_range, page_or_cursor, per_page, done_at)
			SELECT gen_random_uuid(), n, $1, $2, 1, '', '', 60, CASE WHEN n < 6000 THEN now() END
			FROM generate_series(1, 6001) AS n`, runOf(age), age.String())
	}

	if err := db.FinishRun(t.Context()); err != nil {
		t.Fatal(err)
	}

	if got := value(t, c, `SELECT string_agg(resource || ' ' || n, ', ' ORDER BY resource) FROM (SELECT resource, count(*) AS n FROM import_pages GROUP BY resource) AS p`); got != "0s 6001, 696h0m0s 6001" {
		t.Errorf("left are %s", got)
	}
}
