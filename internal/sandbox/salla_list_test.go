package sandbox_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	const host = "http://api.salla.dev/admin/v2"
	tests := []struct {
		name, query string
		records     int
		want        map[string]any
	}{
		{"default size", "/products", 15, map[string]any{
			"count": 15.0, "total": 70.0, "perPage": 15.0, "currentPage": 1.0, "totalPages": 5.0,
			"links": map[string]any{"next": host + "/products?page=2"},
		}},
		{"in the middle", "/products?page=2&per_page=20", 20, map[string]any{
			"count": 20.0, "total": 70.0, "perPage": 20.0, "currentPage": 2.0, "totalPages": 4.0,
			"links": map[string]any{"previous": host + "/products?page=1", "next": host + "/products?page=3"},
		}},
		{"size above the most", "/products?per_page=500", 60, map[string]any{
			"count": 60.0, "total": 70.0, "perPage": 60.0, "currentPage": 1.0, "totalPages": 2.0,
			"links": map[string]any{"next": host + "/products?page=2"},
		}},
		{"last", "/products?per_page=60&page=2", 10, map[string]any{
			"count": 10.0, "total": 70.0, "perPage": 60.0, "currentPage": 2.0, "totalPages": 2.0,
			"links": map[string]any{"previous": host + "/products?page=1"},
		}},
		{"beyond the end", "/products?per_page=60&page=9", 0, map[string]any{
			"count": 0.0, "total": 70.0, "perPage": 60.0, "currentPage": 9.0, "totalPages": 2.0,
			"links": map[string]any{"previous": host + "/products?page=8"},
		}},
		{"only one, links as a list", "/carts/abandoned?per_page=60", 20, map[string]any{
			"count": 20.0, "total": 20.0, "perPage": 60.0, "currentPage": 1.0, "totalPages": 1.0, "links": []any{},
		}},
		{"only one, links as an object", "/orders?per_page=60&reference_id=1", 0, map[string]any{
			"count": 0.0, "total": 0.0, "perPage": 60.0, "currentPage": 1.0, "totalPages": 1.0, "links": map[string]any{},
		}},
		{"a number that is no page", "/products?per_page=60&page=99999999999999999999", 60, map[string]any{
			"count": 60.0, "total": 70.0, "perPage": 60.0, "currentPage": 1.0, "totalPages": 2.0,
			"links": map[string]any{"next": host + "/products?page=2"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			records, pagination := r.list(access, tt.query)
			if len(records) != tt.records {
				t.Errorf("got %d records, want %d", len(records), tt.records)
			}
			if diff := cmp.Diff(tt.want, pagination); diff != "" {
				t.Errorf("pagination (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCursorPages(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Customers: 130, Carts: 3, Cursor: map[string]bool{"customers": true}})
	access, _ := r.install(2)

	seen := map[int64]bool{}
	for page := 1; ; page++ {
		records, p := r.list(access, fmt.Sprintf("/customers?per_page=60&page=%d", page))
		for _, one := range records {
			seen[id(one)] = true
		}
		if _, ok := p["totalPages"]; ok {
			t.Fatal("a cursor list tells totalPages")
		}
		next, more := p["next"].(string)
		if more != (page < 3) {
			t.Fatalf("page %d: next is %v", page, p["next"])
		}
		if !more {
			break
		}
		byCursor, _ := r.list(access, "/customers?per_page=60&cursor="+url.QueryEscape(next))
		byPage, _ := r.list(access, fmt.Sprintf("/customers?per_page=60&page=%d", page+1))
		if diff := cmp.Diff(byPage, byCursor); diff != "" {
			t.Fatalf("page %d by number and by cursor differ:\n%.500s", page+1, diff)
		}
	}
	if len(seen) != 130 {
		t.Errorf("saw %d customers, want 130", len(seen))
	}
	if _, p := r.list(access, "/carts/abandoned"); p["totalPages"] != 1.0 {
		t.Errorf("carts page as well by cursor: %v", p)
	}
}

func TestOrderListIsLight(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	records, _ := r.list(access, "/orders?per_page=60")

	for _, o := range records {
		for _, k := range []string{"updated_at", "amounts", "shipments"} {
			if _, ok := o[k]; ok {
				t.Errorf("order %d: the list tells %s", id(o), k)
			}
		}
		for _, i := range o["items"].([]any) {
			for _, k := range []string{"id", "sku", "amounts", "product", "product_id"} {
				if _, ok := i.(map[string]any)[k]; ok {
					t.Errorf("order %d: the list tells an item's %s", id(o), k)
				}
			}
		}
	}
}

func TestOrderDetailForms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	n := r.SourceIDs(shop, "orders")[0]
	light := r.get(access, fmt.Sprintf("/orders/%d?format=light", n))["data"].(map[string]any)
	full := r.get(access, fmt.Sprintf("/orders/%d", n))["data"].(map[string]any)
	reference := fmt.Sprintf("%.0f", light["reference_id"].(float64))
	byReference := r.get(access, "/orders/0?format=light&reference_id="+reference)["data"].(map[string]any)
	items, pagination := r.list(access, fmt.Sprintf("/orders/items?order_id=%d", n))

	for _, k := range []string{"items", "shipments", "shipping", "total"} {
		if _, ok := light[k]; ok {
			t.Errorf("light tells %s", k)
		}
	}
	if _, ok := full["updated_at"]; ok {
		t.Error("full tells updated_at")
	}
	if id(byReference) != n {
		t.Errorf("reference %s finds order %d, want %d", reference, id(byReference), n)
	}
	for _, i := range items {
		if i["product"] != nil || i["product_id"] != nil {
			t.Error("an item of the items list names its product")
		}
	}
	if pagination != nil {
		t.Error("the items list has pages")
	}
}

func TestOrderFiltersAndOrder(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Products: 10, Orders: 60, Customers: 20, Plain: true})
	access, _ := r.install(2)
	all, _ := r.list(access, "/orders?per_page=60")
	date := func(o map[string]any) string { return o["date"].(map[string]any)["date"].(string) }
	total := func(o map[string]any) float64 { return o["total"].(map[string]any)["amount"].(float64) }
	status := func(o map[string]any) map[string]any { return o["status"].(map[string]any) }
	only := func(query string, keep func(map[string]any) bool) {
		t.Helper()
		got, _ := r.list(access, "/orders?per_page=60&"+query)
		var want []map[string]any
		for _, o := range all {
			if keep(o) {
				want = append(want, o)
			}
		}
		if len(want) == 0 || len(want) == len(all) {
			t.Errorf("%s: tells nothing, %d of %d orders are meant", query, len(want), len(all))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%.800s", query, diff)
		}
	}

	day := date(all[30])[:10]
	only("to_date="+day, func(o map[string]any) bool { return date(o)[:10] <= day })
	only("from_date="+day, func(o map[string]any) bool { return date(o)[:10] >= day })
	instant := strings.Replace(date(all[30])[:19], " ", "T", 1)
	only("from_date="+instant, func(o map[string]any) bool { return date(o) >= date(all[30]) })
	wanted := fmt.Sprintf("%.0f", status(all[5])["id"].(float64))
	only("status[]="+wanted, func(o map[string]any) bool { return status(o)["slug"] == status(all[5])["slug"] })
	only("payment_method[]=mada&payment_method[]=cod", func(o map[string]any) bool {
		return o["payment_method"] == "mada" || o["payment_method"] == "cod"
	})
	buyer := id(all[3]["customer"].(map[string]any))
	only(fmt.Sprintf("customer_id=%d", buyer), func(o map[string]any) bool { return id(o["customer"].(map[string]any)) == buyer })
	only(fmt.Sprintf("reference_id=%.0f", all[7]["reference_id"]), func(o map[string]any) bool { return id(o) == id(all[7]) })

	byTotal, _ := r.list(access, "/orders?per_page=60&sort_by=total-asc")
	if !slices.IsSortedFunc(byTotal, func(a, b map[string]any) int { return int(total(a)*1000) - int(total(b)*1000) }) {
		t.Error("sort_by=total-asc is not sorted")
	}
	byID, _ := r.list(access, "/orders?per_page=60&sort_by=id-asc")
	slices.Reverse(byID)
	if diff := cmp.Diff(all, byID); diff != "" {
		t.Error("sort_by=id-asc is not the list from its end")
	}
	byUpdate, _ := r.list(access, "/orders?per_page=60&sort_by=updated_at-desc")
	last := "9"
	for _, o := range byUpdate {
		at := r.get(access, fmt.Sprintf("/orders/%d?format=light", id(o)))["data"].(map[string]any)["updated_at"].(map[string]any)["date"].(string)
		if at > last {
			t.Errorf("sort_by=updated_at-desc: %s comes after %s", at, last)
		}
		last = at
	}
	for _, bad := range []string{"sort_by=name-asc", "sort_by=id", "from_date=yesterday"} {
		if out := r.salla("GET", access, "/orders?"+bad, ""); out.status != http.StatusUnprocessableEntity {
			t.Errorf("%s: status %d, want 422", bad, out.status)
		}
	}
}

func TestListFilters(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	products, _ := r.list(access, "/products?per_page=60")

	hidden, _ := r.list(access, "/products?per_page=60&status=hidden")
	for _, p := range hidden {
		if p["status"] != "hidden" {
			t.Errorf("status=hidden gives a product that is %v", p["status"])
		}
	}
	bySKU, _ := r.list(access, "/products?keyword="+products[9]["sku"].(string))
	if len(bySKU) != 1 || id(bySKU[0]) != id(products[9]) {
		t.Errorf("keyword by SKU gives %d products", len(bySKU))
	}
	light, _ := r.list(access, "/products?format=light")
	if _, ok := light[0]["skus"]; ok {
		t.Error("format=light tells skus")
	}
	customers, _ := r.list(access, "/customers?per_page=60")
	byMail, _ := r.list(access, "/customers?keyword="+customers[4]["email"].(string))
	if len(byMail) == 0 || !slices.ContainsFunc(byMail, func(c map[string]any) bool { return id(c) == id(customers[4]) }) {
		t.Error("keyword by e-mail does not find the customer")
	}
	if recent, _ := r.list(access, "/carts/abandoned?offset=1"); len(recent) != 0 {
		t.Errorf("offset=1 gives %d carts, want none that young", len(recent))
	}
	if out := r.salla("GET", access, "/customers?date_from=x", ""); out.status != http.StatusUnprocessableEntity {
		t.Errorf("a date_from that is none: status %d, want 422", out.status)
	}
}
