package tenantdb_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/tenantdb"
)

// New rows are copied and changed ones updated; both must store the same.
func TestNewAndChangedRecordsAreStoredAlike(t *testing.T) {
	t.Parallel()
	db, c := newDB(t)
	odd := func(key string) tenantdb.Record {
		r := product(key, "1e3", 2)
		r.Hash = []byte("odd")
		r.Document = json.RawMessage("{\"id\":1,\n\t\"a\\\\b\":\"tab\\t \\\\N \\u0623\", \"n\": 1.50}")
		r.Fields["name"] = "tab\tline\r\nback\\slash \\N \\. نص"
		r.Fields["images"] = json.RawMessage(` [{"url":"https:\/\/x\/\\n"}] `)
		r.Fields["categories"] = json.RawMessage(`null`)
		r.Fields["description"] = nil
		r.Fields["weight"] = json.Number("0.250")
		r.Fields["requires_shipping"] = false
		r.Fields["sku"] = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)
		r.Fields["brand_id"] = 42
		return r
	}
	products := newImporter(t, db, tenantdb.Products)
	products.commit(tenantdb.ProductList(), []tenantdb.Record{product("changed", "1", 1)})
	products.commit(tenantdb.ProductList(), []tenantdb.Record{odd("changed"), odd("new")})
	row := func(key string) string {
		return value(t, c, `SELECT to_jsonb(p) - 'id' - 'created_at' - 'updated_at' - 'salla_product_id'
			FROM salla_products p WHERE salla_product_id = '`+key+`'`)
	}
	if diff := cmp.Diff(row("changed"), row("new")); diff != "" {
		t.Errorf("a new row differs from a changed one (-changed +new):\n%s", diff)
	}
	if got := value(t, c, `SELECT name FROM salla_products WHERE salla_product_id = 'new'`); got != odd("new").Fields["name"] {
		t.Errorf("the name is %q", got)
	}
}

// A record that has not changed is never filled, and one that cannot be is a reject
// that stops nobody.
func TestOnlyChangedRecordsAreFilled(t *testing.T) {
	t.Parallel()
	db, _ := newDB(t)
	filled := map[string]int{}
	lazy := func(key, price string, read int) tenantdb.Record {
		r := product(key, price, read)
		fields := r.Fields
		r.Fields, r.Fill = nil, func() (map[string]any, error) {
			filled[key]++
			if price == "0" {
				return nil, &tenantdb.Unfit{Field: "price.amount", Reason: "the price is nothing"}
			}
			return fields, nil
		}
		return r
	}
	first := newImporter(t, db, tenantdb.Products)
	got := first.commit(tenantdb.ProductList(), []tenantdb.Record{lazy("1", "1", 1), lazy("2", "2", 1), lazy("3", "0", 1)})
	if want := (tenantdb.Tally{Imported: 2, Rejected: 1}); got != want {
		t.Fatalf("the first run came to %+v, want %+v", got, want)
	}
	rejects, err := db.Rejects(t.Context(), tenantdb.RejectFilter{})
	if err != nil || len(rejects) != 1 || fmt.Sprint(*rejects[0].Field, *rejects[0].SourceID) != "price.amount3" {
		t.Fatalf("got rejects %+v, %v", rejects, err)
	}
	clear(filled)
	second := newImporter(t, db, tenantdb.Products)
	got = second.commit(tenantdb.ProductList(), []tenantdb.Record{lazy("1", "1", 2), lazy("2", "3", 2)})
	if want := (tenantdb.Tally{Imported: 1, Unchanged: 1}); got != want {
		t.Errorf("the second run came to %+v, want %+v", got, want)
	}
	if diff := cmp.Diff(map[string]int{"2": 1}, filled); diff != "" {
		t.Errorf("filled (-want +got):\n%s", diff)
	}
}
