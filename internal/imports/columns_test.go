package imports

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/tenantdb"
)

// source says where a column comes from: the form that fills it, a document in that
// form, the path in it, a value to put there and what the column then is. Bears is
// set where what cannot be read is nothing instead of a reason to reject the record.
type source struct {
	column, resource string
	form             form
	fixture, path    string
	value, want      string
	bears            bool
	anyObject        bool // any object will do
}

func sources() []source {
	customers, products, orders, carts := tenantdb.Customers, tenantdb.Products, tenantdb.Orders, tenantdb.Carts
	const order, created, product = "order_details", "webhook_order.created", "list_products"
	const customer, cart = "customer_details", "list_abandoned_carts"
	return []source{
		{column: "people.salla_customer_id", resource: customers, fixture: customer, path: "id", value: `"٧٧"`, want: "77"},
		{column: "people.first_name", resource: customers, fixture: customer, path: "first_name", value: `"سارة"`, want: "سارة"},
		{column: "people.last_name", resource: customers, fixture: customer, path: "last_name", value: `"X"`, want: "X"},
		{column: "people.email", resource: customers, fixture: customer, path: "email", value: `"A@b.example"`, want: "A@b.example"},
		{column: "people.phone", resource: customers, fixture: customer, path: "mobile", value: `501234567`, want: "+966501234567", bears: true},
		{column: "people.phone", resource: customers, fixture: customer, path: "mobile_code", value: `"971"`, want: "+971567000000", bears: true},
		{column: "people.city", resource: customers, fixture: customer, path: "city", value: `"X"`, want: "X"},
		{column: "people.country", resource: customers, fixture: customer, path: "country", value: `"X"`, want: "X"},
		{column: "people.country_code", resource: customers, fixture: customer, path: "country_code", value: `"AE"`, want: "AE"},
		{column: "people.avatar_url", resource: customers, fixture: customer, path: "avatar", value: `"https://x"`, want: "https://x"},
		{column: "people.registered_at", resource: customers, fixture: customer, path: "created_at.date", value: `"2026-01-02 03:00:00"`, want: "2026-01-02T00:00:00Z"},

		{column: "salla_products.salla_product_id", resource: products, fixture: product, path: "id", value: `77`, want: "77"},
		{column: "salla_products.name", resource: products, fixture: product, path: "name", value: `"X"`, want: "X"},
		{column: "salla_products.description", resource: products, fixture: product, path: "description", value: `"<p>"`, want: "<p>"},
		{column: "salla_products.price", resource: products, fixture: product, path: "price", value: `"12.345"`, want: "12.345"},
		{column: "salla_products.price", resource: products, fixture: product, path: "price.amount", value: `"٩٩"`, want: "99"},
		{column: "salla_products.compare_price", resource: products, fixture: product, path: "regular_price", value: `500`, want: "500"},
		{column: "salla_products.currency", resource: products, fixture: product, path: "price.currency", value: `"KWD"`, want: "KWD"},
		{column: "salla_products.stock_quantity", resource: products, fixture: product, path: "quantity", value: `"7"`, want: "7"},
		{column: "salla_products.sku", resource: products, fixture: product, path: "sku", value: `"X"`, want: "X"},
		{column: "salla_products.barcode", resource: products, fixture: product, path: "gtin", value: `7`, want: "7"},
		{column: "salla_products.main_image", resource: products, fixture: product, path: "main_image", value: `"https://x"`, want: "https://x"},
		{column: "salla_products.images", resource: products, fixture: product, path: "images[0].url", value: `"https://x"`, want: `[{"alt":"صورة","url":"https://x"}]`},
		{column: "salla_products.image_alt", resource: products, fixture: product, path: "images[0].alt", value: `"X"`, want: "X"},
		{column: "salla_products.status", resource: products, fixture: product, path: "status", value: `"hidden"`, want: "DRAFT"},
		{column: "salla_products.categories", resource: products, fixture: product, path: "categories", value: `[{"id":5,"name":"X"}]`, want: `[{"id":"5","name":"X"}]`},
		{column: "salla_products.brand_id", resource: products, fixture: "webhook_product.updated", form: asEvent, path: "brand", value: `{"id":5}`, want: "5", anyObject: true},
		{column: "salla_products.weight", resource: products, fixture: product, path: "weight", value: `"0.25"`, want: "0.25"},
		{column: "salla_products.requires_shipping", resource: products, fixture: product, path: "require_shipping", value: `0`, want: "false"},
		{column: "salla_products.meta_title", resource: products, fixture: product, path: "metadata.title", value: `"X"`, want: "X"},
		{column: "salla_products.meta_description", resource: products, fixture: product, path: "metadata.description", value: `"X"`, want: "X"},
		{column: "salla_products.canonical_url", resource: products, fixture: product, path: "urls.customer", value: `"https://x/y/p1"`, want: "https://x/y/p1"},
		{column: "salla_products.slug", resource: products, fixture: product, path: "urls.customer", value: `"https://x/y/p1"`, want: "y"},

		{column: "salla_orders.order_id", resource: orders, form: asDetail, fixture: order, path: "id", value: `77`, want: "77"},
		{column: "salla_orders.order_number", resource: orders, form: asDetail, fixture: order, path: "reference_id", value: `77`, want: "77"},
		{column: "salla_orders.customer", resource: orders, form: asDetail, fixture: order, path: "customer", value: `{"id":5}`, want: `{"id":5}`, anyObject: true},
		{column: "salla_orders.salla_customer_id", resource: orders, form: asDetail, fixture: order, path: "customer.id", value: `"5"`, want: "5"},
		{column: "salla_orders.status", resource: orders, form: asDetail, fixture: order, path: "status.slug", value: `"shipped"`, want: "CONFIRMED"},
		{column: "salla_orders.financial_status", resource: orders, form: asDetail, fixture: order, path: "is_pending_payment", value: `"1"`, want: "PENDING"},
		{column: "salla_orders.fulfillment_status", resource: orders, form: asDetail, fixture: order, path: "status.slug", value: `"shipped"`, want: "PARTIAL"},
		{column: "salla_orders.currency", resource: orders, form: asDetail, fixture: order, path: "currency", value: `"KWD"`, want: "KWD"},
		{column: "salla_orders.subtotal", resource: orders, form: asDetail, fixture: order, path: "amounts.sub_total", value: `7`, want: "7"},
		{column: "salla_orders.total", resource: orders, form: asDetail, fixture: order, path: "amounts.total.amount", value: `"7.125"`, want: "7.125"},
		{column: "salla_orders.total", resource: orders, fixture: "list_orders", path: "total", value: `7`, want: "7"},
		{column: "salla_orders.total_tax", resource: orders, form: asDetail, fixture: order, path: "amounts.tax.amount.amount", value: `7`, want: "7"},
		{column: "salla_orders.total_discount", resource: orders, form: asDetail, fixture: order, path: "amounts.discounts[0].discount", value: `"7"`, want: "7"},
		{column: "salla_orders.discount_codes", resource: orders, form: asDetail, fixture: order, path: "amounts.discounts[0].code", value: `"X"`, want: `[{"amount":5.00,"code":"X","title":"كوبون جديد","type":"normal"}]`},
		{column: "salla_orders.total_shipping", resource: orders, form: asDetail, fixture: order, path: "amounts.shipping_cost", value: `7`, want: "7"},
		{column: "salla_orders.line_items", resource: orders, form: asEvent, fixture: created, path: "items", value: `[{"quantity":"٣"}]`, want: `[{"currency":null,"discount":null,"id":null,"name":null,"notes":null,"options":null,"price":null,"product_id":null,"quantity":3,"sku":null,"tax":null,"total":null}]`},
		{column: "salla_orders.shipping_address", resource: orders, form: asEvent, fixture: created, path: "shipping.address", value: `{"city":"X"}`, want: `{"city":"X"}`, anyObject: true},
		{column: "salla_orders.fulfillments", resource: orders, form: asEvent, fixture: created, path: "shipments", value: `[{"id":1}]`, want: `[{"id":1}]`},
		{column: "salla_orders.payment_method", resource: orders, form: asDetail, fixture: order, path: "payment_method", value: `"cod"`, want: "cod"},
		{column: "salla_orders.placed_at", resource: orders, form: asDetail, fixture: order, path: "date", value: `"2026-01-02 03:00:00"`, want: "2026-01-02T00:00:00Z"},
		{column: "salla_orders.closed_at", resource: orders, form: asEvent, fixture: "webhook_order.status.updated", path: "first_complete_at", value: `"2026-01-02 03:00:00"`, want: "2026-01-02T00:00:00Z"},
		{column: "salla_orders.cancelled_at", resource: orders, form: asDetail, fixture: order, path: "status.slug", value: `"canceled"`, want: "2026-06-17T06:05:41Z"},

		{column: "salla_carts.salla_cart_id", resource: carts, fixture: cart, path: "id", value: `77`, want: "77"},
		{column: "salla_carts.customer_id", resource: carts, fixture: cart, path: "customer.id", value: `5`, want: "5"},
		{column: "salla_carts.total", resource: carts, fixture: cart, path: "total.amount", value: `"7.5"`, want: "7.5"},
		{column: "salla_carts.currency", resource: carts, fixture: cart, path: "total.currency", value: `"KWD"`, want: "KWD"},
		{column: "salla_carts.item_count", resource: carts, fixture: cart, path: "items[0].quantity", value: `"50"`, want: "50"},
		{column: "salla_carts.items", resource: carts, fixture: cart, path: "items", value: `[{"id":1}]`, want: `[{"id":"1","product_id":null,"quantity":null}]`},
		{column: "salla_carts.abandoned_at", resource: carts, fixture: cart, path: "created_at", value: `"2026-01-02 03:00:00"`, want: "2026-01-02T00:00:00Z"},
		{column: "salla_carts.recovery_status", resource: carts, form: asEvent, fixture: "webhook_abandoned.cart.status.changed", path: "status", value: `"active"`, want: "PENDING"},
	}
}

// sourceless are the columns that Salla says nothing of; they stay empty.
const sourceless = `
	salla_products.is_featured salla_products.meta_keywords salla_products.og_title salla_products.og_description
	salla_products.og_image salla_products.twitter_card salla_products.twitter_title
	salla_products.twitter_description salla_products.twitter_image salla_products.structured_data
	salla_orders.billing_address salla_orders.payment_gateway_transaction_id salla_orders.landing_page
	salla_orders.referring_site
	salla_carts.token salla_carts.source`

// elsewhere are the columns that no document fills by itself: events' own words,
// and what is computed of other columns. TestEveryColumnIsFilled sees them filled.
const elsewhere = `
	salla_orders.order_notes salla_orders.refunds salla_orders.person_id salla_carts.person_id
	people.total_spent people.orders_count people.last_order_date people.salla_tags
	opportunities.name opportunities.amount opportunities.currency opportunities.stage opportunities.close_date
	opportunities.salla_order_id opportunities.salla_cart_id opportunities.cart_status opportunities.person_id
	opportunities.abandoned_value opportunities.salla_payment_method opportunities.salla_shipping_address`

// Sourceless lists the columns that Salla says nothing of.
func Sourceless() []string { return strings.Fields(sourceless) }

func TestEachColumnHasASource(t *testing.T) {
	t.Parallel()
	known := map[string]bool{}
	for _, column := range strings.Fields(sourceless + elsewhere) {
		known[column] = true
	}
	for _, s := range sources() {
		known[s.column] = true
	}
	model, err := blueprint.Load()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := model.Tables()
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range tables {
		for _, c := range table.Columns {
			name := table.Name + "." + c.Name
			if table.Imported && !known[name] {
				t.Errorf("nothing fills %s", name)
			}
			delete(known, name)
		}
	}
	if len(known) > 0 {
		t.Errorf("no columns of the model: %v", known)
	}
}

func TestSourcesOfColumns(t *testing.T) {
	t.Parallel()
	for _, s := range sources() {
		t.Run(fmt.Sprintf("%s from %s of %s", s.column, s.path, s.fixture), func(t *testing.T) {
			t.Parallel()
			doc := compact(t, fixture(t, s.fixture)[0])
			if inside, ok := parse(doc)["order"]; ok {
				doc = inside
			}
			var place Place
			for _, p := range Places(t, doc) {
				if p.Path == s.path {
					place = p
				}
			}
			if place.Path == "" {
				t.Fatalf("there is no %s", s.path)
			}
			m := mustMap(t, s.resource, s.form, place.Replace(doc, s.value))
			_, column, _ := strings.Cut(s.column, ".")
			got := plain(m.Record.Fields)
			got[m.Shape.Key] = m.Record.Key
			if diff := cmp.Diff(s.want, fmt.Sprint(got[column])); diff != "" {
				t.Error(diff)
			}

			for _, malformed := range []string{`{"x":[1]}`, `[1]`} {
				if s.anyObject && malformed[0] == '{' {
					continue
				}
				_, err := mapRecord(s.resource, s.form, place.Replace(doc, malformed), began)
				bad, rejected := errors.AsType[*invalid](err)
				if rejected == s.bears || rejected && !Related(bad.Field, s.path) {
					t.Errorf("%s = %s: got %v", s.path, malformed, err)
				}
			}
		})
	}
}
