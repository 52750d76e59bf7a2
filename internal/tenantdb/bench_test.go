package tenantdb_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/tenantdb"
)

// BenchmarkCommitPage merges pages of 60 orders with documents of 3 KB: all new,
// all changed, all unchanged.
func BenchmarkCommitPage(b *testing.B) {
	pad := strings.Repeat("نص ", 600)
	records := func(page int, status string, read int) []tenantdb.Record {
		var rs []tenantdb.Record
		for i := range 60 {
			r := order(fmt.Sprint(page*60+i), fmt.Sprint((page*60+i)%1200), status, "10.5", read)
			r.Document = json.RawMessage(fmt.Sprintf(`{"pad":%q}`, pad))
			r.Fields["customer"] = map[string]any{"id": i, "name": "أحمد"}
			rs = append(rs, r)
		}
		return rs
	}
	db, _ := newDB(b)
	customers := newImporter(b, db, tenantdb.Customers)
	for n := range 40 {
		var people []tenantdb.Record
		for i := range 30 {
			people = append(people, person(fmt.Sprint(n*30+i), "a", 1))
		}
		customers.commit(tenantdb.CustomerList(), people)
	}
	b.Run("new", func(b *testing.B) {
		im := newImporter(b, db, tenantdb.Orders)
		for n := 0; b.Loop(); n++ {
			im.commit(tenantdb.OrderList(), records(n, "PENDING", 1))
		}
	})
	b.Run("changed", func(b *testing.B) {
		for n := 0; b.Loop(); n++ {
			im := newImporter(b, db, tenantdb.Orders)
			im.commit(tenantdb.OrderList(), records(0, []string{"CONFIRMED", "COMPLETED"}[n%2], n+2))
		}
	})
	b.Run("unchanged", func(b *testing.B) {
		rs := records(0, "CONFIRMED", 1000000)
		im := newImporter(b, db, tenantdb.Orders)
		im.commit(tenantdb.OrderList(), rs)
		for b.Loop() {
			im := newImporter(b, db, tenantdb.Orders)
			im.commit(tenantdb.OrderList(), rs)
		}
	})
}
