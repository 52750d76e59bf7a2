package imports

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/tenantdb"
)

var began = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)

// fixture gives the documents of a recorded answer or event.
func fixture(t testing.TB, name string) []json.RawMessage {
	t.Helper()
	body, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	data := parse(body)["data"]
	var all []json.RawMessage
	if json.Unmarshal(data, &all) == nil {
		return all
	}
	return []json.RawMessage{data}
}

// with gives a document with one key changed; nil takes it out.
func with(t *testing.T, raw json.RawMessage, key string, value any) json.RawMessage {
	t.Helper()
	d := parse(raw)
	if value == nil {
		delete(d, key)
	} else {
		b, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		d[key] = b
	}
	b, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func mustMap(t *testing.T, resource string, f form, raw json.RawMessage) mapped {
	t.Helper()
	m, err := mapRecord(resource, f, raw, began)
	if err != nil {
		t.Fatalf("map a document of %s: %v", resource, err)
	}
	return m
}

// plain gives fields as they are compared: times and JSON as text.
func plain(f map[string]any) map[string]any {
	out := map[string]any{}
	for column, v := range f {
		switch v := v.(type) {
		case time.Time:
			out[column] = v.UTC().Format(time.RFC3339)
		case json.RawMessage:
			out[column] = string(v)
		case json.Number:
			out[column] = v.String()
		default:
			out[column] = v
		}
	}
	return out
}

func TestCustomerFields(t *testing.T) {
	t.Parallel()
	listed := fixture(t, "list_customers")
	for _, tt := range []struct {
		name string
		form form
		doc  json.RawMessage
		want map[string]any
	}{
		{"the older form of the list", asListed, listed[0], map[string]any{
			"first_name": "أحمد", "last_name": "علي", "email": "ahmedali@example.com", "phone": "+967777777777",
			"city": "Riyadh", "country": "السعودية", "country_code": "SA",
			"avatar_url": "https://i.ibb.co/jyqRQfQ/avatar-male.webp",
		}},
		{"the newer form of the list", asListed, listed[1], map[string]any{
			"first_name": "علي", "last_name": "أحمد", "email": "email9@example.com", "phone": "+966567000000",
			"city": "جدة", "country": "السعودية | Saudi Arabia", "country_code": "SA",
			"avatar_url":    "https://cdn.assets.salla.network/prod/admin/cp/assets/images/avatar_male.png",
			"registered_at": "2026-07-24T09:23:42Z",
		}},
		{"an event", asEvent, fixture(t, "webhook_customer.created")[0], map[string]any{
			"first_name": "نورة", "last_name": "القحطاني", "email": "noura@example.com", "phone": "+966555555555",
			"city": "الرياض", "country": "السعودية", "country_code": "SA",
			"avatar_url": "https://i.ibb.co/jyqRQfQ/avatar-female.webp",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m := mustMap(t, tenantdb.Customers, tt.form, tt.doc)
			if diff := cmp.Diff(tt.want, plain(m.Record.Fields)); diff != "" {
				t.Error(diff)
			}
		})
	}
	detail := mustMap(t, tenantdb.Customers, asDetail, fixture(t, "customer_details")[0])
	if got := detail.Record.SourceUpdatedAt.UTC().Format(time.RFC3339); got != "2026-07-24T09:23:42Z" {
		t.Errorf("the update time is %s", got)
	}
	if got := detail.Record.Key; got != "234324533" {
		t.Errorf("the id is %q", got)
	}
}

func TestProductFields(t *testing.T) {
	t.Parallel()
	listed := fixture(t, "list_products")
	m := mustMap(t, tenantdb.Products, asListed, listed[0])
	want := map[string]any{
		"name": "تيشيرت قطني", "description": "<p>تيشيرت قطن ١٠٠٪</p>", "price": "100", "compare_price": nil,
		"currency": "SAR", "stock_quantity": "50", "sku": "TSH-01", "barcode": "45344432343",
		"main_image": "https://cdn.salla.sa/nWzD/main1.jpg", "image_alt": "صورة",
		"images": `[{"alt":"صورة","url":"https://cdn.salla.sa/nWzD/main1.jpg"}]`, "status": "ACTIVE",
		"categories": "[]", "weight": "1", "requires_shipping": true, "meta_title": "تيشيرت",
		"meta_description": "تيشيرت قطني فاخر", "slug": "تيشيرت-قطني",
		"canonical_url": "https://salla.sa/dev-wofftr4xsra5xtlv/تيشيرت-قطني/p1672932878",
	}
	if diff := cmp.Diff(want, plain(m.Record.Fields)); diff != "" {
		t.Error(diff)
	}
	if got := m.Record.SourceUpdatedAt.Format(time.RFC3339); got != "2026-03-06T10:50:32Z" {
		t.Errorf("the update time is %s", got)
	}

	onSale := plain(mustMap(t, tenantdb.Products, asListed, listed[1]).Record.Fields)
	if onSale["price"] != "79" || onSale["compare_price"] != "159" || onSale["brand_id"] != nil {
		t.Errorf("got price %v, compared with %v, brand %v", onSale["price"], onSale["compare_price"], onSale["brand_id"])
	}
	if got := onSale["categories"]; got != `[{"id":"1032561074","name":"الفساتين"}]` {
		t.Errorf("got categories %s", got)
	}

	event := plain(mustMap(t, tenantdb.Products, asEvent, fixture(t, "webhook_product.updated")[0]).Record.Fields)
	if _, said := event["barcode"]; said {
		t.Error("an event that leaves the barcode out takes it away")
	}
	if event["price"] != "299" || event["main_image"] != nil {
		t.Errorf("got price %v, image %v", event["price"], event["main_image"])
	}
}

func TestOrderFields(t *testing.T) {
	t.Parallel()
	listed := mustMap(t, tenantdb.Orders, asListed, fixture(t, "list_orders")[0])
	fields := plain(listed.Record.Fields)
	delete(fields, "customer")
	want := map[string]any{
		"order_number": "40497536", "salla_customer_id": "225167971", "status": "PENDING", "financial_status": "PAID",
		"fulfillment_status": "UNFULFILLED", "currency": "SAR", "total": "55", "payment_method": "bank",
		"placed_at": "2026-06-16T11:48:20Z",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	if listed.Record.SourceUpdatedAt != nil {
		t.Error("the list of orders has no update time; the customer's is not the order's")
	}

	light := mustMap(t, tenantdb.Orders, asDetail, fixture(t, "order_details")[0])
	fields = plain(light.Record.Fields)
	delete(fields, "customer")
	want = map[string]any{
		"order_number": "40497536", "salla_customer_id": "225167971", "status": "PENDING", "financial_status": "PAID",
		"fulfillment_status": "UNFULFILLED", "currency": "SAR", "subtotal": "34.78", "total": "55", "total_tax": "7.17",
		"total_shipping": "13.05", "total_discount": "5.00", "payment_method": "bank",
		"discount_codes": `[{"amount":5.00,"code":"kb123","title":"كوبون جديد","type":"normal"}]`,
		"placed_at":      "2026-06-16T11:48:20Z", "closed_at": nil, "cancelled_at": nil,
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Error(diff)
	}
	if got := light.Record.SourceUpdatedAt.UTC().Format(time.RFC3339); got != "2026-06-17T06:05:41Z" {
		t.Errorf("the update time is %s", got)
	}

	full := plain(mustMap(t, tenantdb.Orders, asDetail, fixture(t, "order_details_full")[0]).Record.Fields)
	if full["financial_status"] != "PENDING" || full["shipping_address"] == nil || full["fulfillments"] == nil {
		t.Errorf("got %v, address %v, shipments %v", full["financial_status"], full["shipping_address"], full["fulfillments"])
	}
	event := plain(mustMap(t, tenantdb.Orders, asEvent, fixture(t, "webhook_order.created")[0]).Record.Fields)
	var lines []document
	err := json.Unmarshal([]byte(event["line_items"].(string)), &lines)
	if err != nil || len(lines) != 1 || lines[0].text("product_id") != "720881993" || lines[0].text("total") != "186" {
		t.Errorf("got lines %s", event["line_items"])
	}
}

func TestOrderStatuses(t *testing.T) {
	t.Parallel()
	doc := fixture(t, "order_details")[0]
	for slug, want := range map[string][3]string{
		"payment_pending": {"PENDING", "PENDING", "UNFULFILLED"},
		"under_review":    {"PENDING", "PAID", "UNFULFILLED"},
		"in_progress":     {"CONFIRMED", "PAID", "UNFULFILLED"},
		"delivering":      {"CONFIRMED", "PAID", "PARTIAL"},
		"shipped":         {"CONFIRMED", "PAID", "PARTIAL"},
		"delivered":       {"COMPLETED", "PAID", "FULFILLED"},
		"completed":       {"COMPLETED", "PAID", "FULFILLED"},
		"canceled":        {"CANCELED", "PAID", "UNFULFILLED"},
		"cancelled":       {"CANCELED", "PAID", "UNFULFILLED"},
		"restoring":       {"REFUNDED", "REFUNDED", "UNFULFILLED"},
		"restored":        {"REFUNDED", "REFUNDED", "UNFULFILLED"},
		"a_new_one":       {"PENDING", "PAID", "UNFULFILLED"},
	} {
		m := mustMap(t, tenantdb.Orders, asDetail, with(t, doc, "status", map[string]any{"slug": slug, "name": "تم التنفيذ"}))
		f := m.Record.Fields
		if got := [3]string{f["status"].(string), f["financial_status"].(string), f["fulfillment_status"].(string)}; got != want {
			t.Errorf("%s: got %v, want %v", slug, got, want)
		}
		if (m.Strange != "") != (slug == "a_new_one") {
			t.Errorf("%s: strange is %q", slug, m.Strange)
		}
		if (f["closed_at"] != nil) != (want[0] == "COMPLETED") || (f["cancelled_at"] != nil) != (want[0] == "CANCELED") {
			t.Errorf("%s: closed %v, cancelled %v", slug, f["closed_at"], f["cancelled_at"])
		}
	}
	// A list cannot tell when an order came to its end, and so does not speak of it.
	listed := mustMap(t, tenantdb.Orders, asListed,
		with(t, fixture(t, "list_orders")[0], "status", map[string]any{"slug": "completed"}))
	if _, said := listed.Record.Fields["closed_at"]; said {
		t.Error("the list names the time of the end")
	}
}

func TestCartFields(t *testing.T) {
	t.Parallel()
	m := mustMap(t, tenantdb.Carts, asListed, fixture(t, "list_abandoned_carts")[0])
	want := map[string]any{
		"customer_id": "1052347477", "total": "1428", "currency": "SAR", "item_count": "2",
		"items":        `[{"id":"1372409436","product_id":"91502809","quantity":2,"total":750}]`,
		"abandoned_at": "2026-11-05T09:19:23Z",
	}
	if diff := cmp.Diff(want, plain(m.Record.Fields)); diff != "" {
		t.Error(diff)
	}
	doc := fixture(t, "webhook_abandoned.cart")[0]
	if got := plain(mustMap(t, tenantdb.Carts, asEvent, doc).Record.Fields)["item_count"]; got != "3" {
		t.Errorf("got %v items, want 3", got)
	}
	for status, want := range map[string]any{"active": "PENDING", "purchased": "RECOVERED", "lost?": nil} {
		if got := mustMap(t, tenantdb.Carts, asDetail, with(t, doc, "status", status)).Record.Fields["recovery_status"]; got != want {
			t.Errorf("%s: got %v, want %v", status, got, want)
		}
	}
}

func TestDeletedStatusIsATombstone(t *testing.T) {
	t.Parallel()
	if m := mustMap(t, tenantdb.Products, asListed, with(t, fixture(t, "list_products")[0], "status", "deleted")); !m.Deleted {
		t.Error("a deleted product is kept")
	}
	deleted := map[string]any{"slug": "deleted"}
	if m := mustMap(t, tenantdb.Orders, asListed, with(t, fixture(t, "list_orders")[0], "status", deleted)); !m.Deleted {
		t.Error("a deleted order is kept")
	}
}

func TestSloppyTypes(t *testing.T) {
	t.Parallel()
	product, order, customer := fixture(t, "list_products")[0], fixture(t, "list_orders")[0], fixture(t, "list_customers")[1]
	for _, tt := range []struct {
		resource string
		doc      json.RawMessage
		key      string
		value    any
		column   string
		want     any
	}{
		{tenantdb.Products, product, "price", 99.5, "price", "99.5"},
		{tenantdb.Products, product, "price", "99.50", "price", "99.50"},
		{tenantdb.Products, product, "price", map[string]any{"amount": "١٢٫٥", "currency": "SAR"}, "price", "12.5"},
		{tenantdb.Products, product, "price", json.RawMessage(`{"amount":0.1234567890123456789,"currency":"KWD"}`), "price", "0.1234567890123456789"},
		{tenantdb.Products, product, "quantity", json.RawMessage(`"٥٠"`), "stock_quantity", "50"},
		{tenantdb.Products, product, "quantity", json.RawMessage(`{}`), "stock_quantity", nil},
		{tenantdb.Products, product, "quantity", json.RawMessage(`null`), "stock_quantity", nil},
		{tenantdb.Products, product, "brand", json.RawMessage(`[]`), "brand_id", nil},
		{tenantdb.Products, product, "brand", map[string]any{"id": "77"}, "brand_id", "77"},
		{tenantdb.Products, product, "status", "hidden", "status", "DRAFT"},
		{tenantdb.Products, product, "status", "out", "status", "ACTIVE"},
		{tenantdb.Products, product, "require_shipping", "0", "requires_shipping", false},
		{tenantdb.Orders, order, "total", "55.00", "total", "55.00"},
		{tenantdb.Orders, order, "total", 7, "total", "7"},
		{tenantdb.Orders, order, "reference_id", "40497536", "order_number", "40497536"},
		{tenantdb.Orders, order, "customer", json.RawMessage(`[]`), "salla_customer_id", nil},
		{tenantdb.Orders, order, "date", map[string]any{"date": "2026-06-16 14:48:20.000000"}, "placed_at", "2026-06-16T11:48:20Z"},
		{tenantdb.Orders, order, "date", "2026-06-16 14:48:20", "placed_at", "2026-06-16T11:48:20Z"},
		{tenantdb.Orders, order, "date", "Tue Jun 16 2026 14:48:20 GMT+0300", "placed_at", "2026-06-16T11:48:20Z"},
		{tenantdb.Orders, order, "date", "2026-06-16T14:48:20+03:00", "placed_at", "2026-06-16T11:48:20Z"},
		{tenantdb.Orders, order, "date", map[string]any{"date": "2026-06-16 14:48:20", "timezone": "UTC"}, "placed_at", "2026-06-16T14:48:20Z"},
		{tenantdb.Orders, order, "is_pending_payment", 1, "financial_status", "PENDING"},
		{tenantdb.Customers, customer, "mobile", "0567000000", "phone", "+966567000000"},
		{tenantdb.Customers, customer, "mobile", "+971501234567", "phone", "+971501234567"},
		{tenantdb.Customers, customer, "mobile", "٥٦٧٠٠٠٠٠٠", "phone", "+966567000000"},
		{tenantdb.Customers, customer, "mobile", "call me", "phone", nil},
		{tenantdb.Customers, customer, "mobile", 5, "phone", nil},
		{tenantdb.Customers, customer, "mobile_code", "966", "phone", "+966567000000"},
		{tenantdb.Customers, customer, "city", "null", "city", nil},
		{tenantdb.Customers, customer, "email", json.RawMessage(`[]`), "email", nil},
		{tenantdb.Customers, customer, "country_code", "", "country_code", "SA"},
	} {
		m := mustMap(t, tt.resource, asListed, with(t, tt.doc, tt.key, tt.value))
		if got := plain(m.Record.Fields)[tt.column]; got != tt.want {
			t.Errorf("%s %s = %v: got %s %v, want %v", tt.resource, tt.key, tt.value, tt.column, got, tt.want)
		}
	}
}

func TestCountryCodes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"السعودية": "SA", "السعودية | Saudi Arabia": "SA", "المملكة العربية السعوديه": "SA", "saudi arabia": "SA", "SA": "SA",
		"الإمارات": "AE", "الامارات العربية المتحدة": "AE", "UAE": "AE", "الكويت": "KW", "مصر": "EG", "عمان": "OM",
		"سلطنة عُمان": "OM", "الأردن": "JO", "Türkiye": "TR", "Turkey": "TR", "قطر | Qatar": "QA", "": "", "Atlantis": "",
	} {
		if got := countryCode(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}

func TestHash(t *testing.T) {
	t.Parallel()
	cart, order := fixture(t, "list_abandoned_carts")[0], fixture(t, "list_orders")[0]
	same := [][2]json.RawMessage{
		{cart, with(t, cart, "age_in_minutes", 9000)},
		{order, with(t, order, "read", false)},
		{order, with(t, order, "pending_payment_ends_at", 172796)},
		{json.RawMessage(`{"a":1,"b":2.50}`), json.RawMessage(`{ "b": 2.5, "a": 1.0 }`)},
	}
	for i, pair := range same {
		if !cmp.Equal(hashOf(pair[0]), hashOf(pair[1])) {
			t.Errorf("pair %d has two hashes", i)
		}
	}
	if cmp.Equal(hashOf(order), hashOf(with(t, order, "payment_method", "cod"))) {
		t.Error("a changed order has the same hash")
	}
	if cmp.Equal(hashOf(cart), hashOf(with(t, cart, "updated_at", "2026-12-01 00:00:00"))) {
		t.Error("a cart's own update time does not count")
	}
}
