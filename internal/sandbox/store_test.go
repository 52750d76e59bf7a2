package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

func TestSameSeedSameDocuments(t *testing.T) {
	t.Parallel()
	at := newClock()
	read := func(seed uint64, day time.Duration) string {
		r := newRig(t, func(c *sandbox.Config) {
			c.Seed = seed
			c.Now = func() time.Time { return at.now().Add(day) }
		})
		access, _ := r.install(shop)
		var all string
		for _, path := range []string{"/products?per_page=60", "/orders?per_page=60", "/customers?per_page=60", "/carts/abandoned?per_page=60", "/store/info"} {
			all += string(r.salla("GET", access, path, "").raw)
		}
		o := r.SourceIDs(shop, "orders")[0]
		return all + string(r.salla("GET", access, fmt.Sprintf("/orders/%d", o), "").raw)
	}

	first := read(7, 0)
	if diff := cmp.Diff(first, read(7, 0)); diff != "" {
		t.Errorf("the same seed gave other documents:\n%.2000s", diff)
	}
	if first == read(8, 0) {
		t.Error("another seed gave the same documents")
	}
	if first == read(7, 48*time.Hour) {
		t.Error("a store of another day has the same history")
	}
}

func TestActsAreSeeded(t *testing.T) {
	t.Parallel()
	at := newClock()
	run := func() string {
		r := newRig(t, func(c *sandbox.Config) { c.Now = at.now })
		order, err := r.CreateOrder(shop)
		if err != nil {
			t.Fatal(err)
		}
		price, err := r.ChangePrice(shop, r.SourceIDs(shop, "products")[0], 0)
		if err != nil {
			t.Fatal(err)
		}
		return string(order.Events[0].Body) + string(price.Events[0].Body)
	}

	if diff := cmp.Diff(run(), run()); diff != "" {
		t.Errorf("the same acts gave other events:\n%s", diff)
	}
}

func TestSourceIsWhatTheListsGive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)

	want := sandbox.Counts{Customers: 65, Products: 70, Orders: 130, Carts: 20}
	if diff := cmp.Diff(want, r.Source(shop)); diff != "" {
		t.Fatalf("counts (-want +got):\n%s", diff)
	}
	for list, path := range map[string]string{"customers": "/customers", "products": "/products", "orders": "/orders", "carts": "/carts/abandoned"} {
		var ids []int64
		for page := 1; ; page++ {
			records, _ := r.list(access, fmt.Sprintf("%s?per_page=60&page=%d", path, page))
			if len(records) == 0 {
				break
			}
			for _, one := range records {
				ids = append(ids, id(one))
			}
		}
		if !slices.IsSortedFunc(ids, func(a, b int64) int { return int(b - a) }) {
			t.Errorf("%s: not newest first", list)
		}
		slices.Sort(ids)
		if diff := cmp.Diff(r.SourceIDs(shop, list), ids); diff != "" {
			t.Errorf("%s: ids (-source +list):\n%s", list, diff)
		}
	}
}

// TestLooseForms looks for every loose form that the product must bear.
func TestLooseForms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Products: 300, Orders: 600, Customers: 300, Carts: 60})
	r.AddStore(sandbox.StoreSpec{Merchant: 3, Products: 60, Orders: 60, Customers: 60, Carts: 60, Plain: true})
	text := func(merchant int64, path string) string {
		access, _ := r.install(merchant)
		var all string
		for page := 1; page <= 10; page++ {
			all += string(r.salla("GET", access, fmt.Sprintf("%s?per_page=60&page=%d", path, page), "").raw)
		}
		return all
	}
	forms := map[string][]string{
		"/orders": {
			`"total":\{"amount":[0-9.]+,`, `"total":\{"amount":"[0-9.]+",`, `"customized":null`, `"customized":\{`,
			`"slug":"[a-z_]+"\},"draft"`, `"timezone_type":3,"timezone":"Asia/Riyadh"`, `"date":\{"date":"[^"]+"\}`,
			`"date":\{"date":"[^"]+","timezone_type":3\}`, `"slug":"completed"`, `"slug":"canceled"`, `"slug":"restored"`,
			`"slug":"payment_pending"`, `"payment_method":"waiting"`, `"exchange_rate"`,
		},
		"/products": {
			`"quantity":[0-9]`, `"quantity":"[0-9]`, `"sale_end":\{\}`, `"sale_end":"20`, `"brand":\{\}`, `"brand":\{"id"`,
			`"sold_quantity":"`, `"stock_quantity":\{\}`, `"stock_quantity":"`, `"stock_quantity":[0-9]`, `"main_image":null`,
			`"starting_price":\{\}`, `"status":"hidden"`, `"status":"out"`, `"calories":"350"`, `"calories":500`, `"calories":null`,
			`"maximum_quantity_per_order":"10"`, `"maximum_quantity_per_order":10`, `\\"`,
		},
		"/customers": {
			`"mobile":[0-9]`, `"mobile":"[0-9]`, `"mobile_code":"\+966"`, `"mobile_code":"9[0-9]+"`, `"country":"السعودية \| Saudi Arabia"`,
			`"birthday":null`, `"birthday":\{`, `"location":"null"`, `"location":""`, `"created_at":null`, `"updated_at":"20`,
			`"updated_at":\{`, `"email":"[^"]+","avatar"`, `"groups":\[\]`, `"groups":\[[0-9]`,
		},
		"/carts/abandoned": {`"coupon":null`, `"coupon":\{`, `"total_discount":\{"amount":0,`},
	}
	for path, patterns := range forms {
		all := text(2, path)
		for _, p := range patterns {
			if !regexp.MustCompile(p).MatchString(all) {
				t.Errorf("%s: no record has the form %s", path, p)
			}
		}
	}
	if plain := text(3, "/orders"); regexp.MustCompile(`"amount":"`).MatchString(plain) {
		t.Error("a plain store writes amounts as strings")
	}
}

// TestOrdersAddUp proves that amounts fit together: nothing is made up per document.
func TestOrdersAddUp(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Products: 30, Orders: 60, Customers: 20, Carts: 5, Plain: true})
	access, _ := r.install(2)
	amount := func(v any) float64 { return v.(map[string]any)["amount"].(float64) }
	records, _ := r.list(access, "/orders?per_page=60")

	for _, o := range records {
		a := r.get(access, fmt.Sprintf("/orders/%d?format=light", id(o)))["data"].(map[string]any)["amounts"].(map[string]any)
		items, _ := r.list(access, fmt.Sprintf("/orders/items?order_id=%d", id(o)))
		var subtotal float64
		for _, i := range items {
			subtotal += amount(i["amounts"].(map[string]any)["total"])
		}
		if diff := subtotal - amount(a["sub_total"]); diff > 0.001 || diff < -0.001 {
			t.Errorf("order %d: items cost %v, sub_total is %v", id(o), subtotal, amount(a["sub_total"]))
		}
		if amount(a["total"]) != amount(o["total"]) {
			t.Errorf("order %d: total %v in the list, %v in the detail", id(o), o["total"], a["total"])
		}
	}
}

// BenchmarkOrderPage is a page of 60 orders of a store of 100,000, over HTTP.
func BenchmarkOrderPage(b *testing.B) {
	s := sandbox.New(sandbox.Config{Seed: 7, PublicURL: publicURL})
	b.Cleanup(s.Close)
	s.AddStore(sandbox.StoreSpec{Merchant: 2, Products: 2000, Orders: 100_000, Customers: 6000, Carts: 300})
	token := s.GrantForTest(2)
	for _, query := range []string{"sort_by=updated_at-desc", "sort_by=created_at-asc", "sort_by=created_at-asc&from_date=2026-03-01&to_date=2026-03-20"} {
		b.Run(query, func(b *testing.B) {
			for n := 0; b.Loop(); n++ {
				req := httptest.NewRequest(http.MethodGet, fmt.Sprintf("/salla/admin/v2/orders?per_page=60&page=%d&%s", n%20+1, query), nil)
				req.Header.Set("Authorization", "Bearer "+token)
				w := httptest.NewRecorder()
				s.Handler().ServeHTTP(w, req)
				if w.Code != http.StatusOK {
					b.Fatalf("status %d", w.Code)
				}
			}
		})
	}
}
