package sandbox_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/sandbox"
)

// TestDocumentsHaveTheFixturesKeys holds what the sandbox writes, taken over
// many records, against the recorded documents: every key there must occur.
func TestDocumentsHaveTheFixturesKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	customerFields := "?fields[]=" + strings.Join([]string{
		"is_blocked", "is_inactive", "block_reason", "total_points", "country_id", "custom_fields", "current_store_customer",
		"is_orders_rated", "is_notifications_enabled", "orders_average", "orders_complete_ratio", "orders_cancel_ratio",
		"orders_cancel", "latest_purchase", "abandoned_carts_items", "wallet_balance",
	}, "&fields[]=")

	all := func(list, path, query string) []any {
		var docs []any
		for _, n := range r.SourceIDs(shop, list) {
			docs = append(docs, r.get(access, fmt.Sprintf(path, n)+query))
		}
		return docs
	}
	pages := func(path string) []any {
		var docs []any
		for page := 1; page <= 3; page++ {
			docs = append(docs, r.get(access, fmt.Sprintf("%s?per_page=60&page=%d", path, page)))
		}
		return docs
	}
	tests := []struct {
		fixture string
		docs    []any
	}{
		{"list_products", pages("/products")},
		{"list_orders", pages("/orders")},
		{"list_customers", pages("/customers")},
		{"list_abandoned_carts", pages("/carts/abandoned")},
		{"product_details", all("products", "/products/%d", "")},
		{"order_details", all("orders", "/orders/%d", "?format=light")},
		{"order_details_full", all("orders", "/orders/%d", "")},
		{"list_order_items", all("orders", "/orders/items?order_id=%d", "")},
		{"customer_details", all("customers", "/customers/%d", customerFields)},
		{"store_info", []any{r.get(access, "/store/info")}},
	}
	for _, tt := range tests {
		missing(t, "salla/"+tt.fixture, tt.docs, "data.product_reservations[].")
	}
}

func TestEventsHaveTheFixturesKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install(shop)
	var events []sandbox.Event
	take := func(c sandbox.Change, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		events = append(events, c.Events...)
	}
	for _, o := range r.SourceIDs(shop, "orders") {
		take(r.UpdateOrderStatus(shop, o, "payment_pending"))
		take(r.UpdateOrderStatus(shop, o, "completed"))
	}
	for range 150 {
		take(r.CreateOrder(shop))
		take(r.AbandonCart(shop))
		take(r.CreateCustomer(shop))
	}
	for _, p := range r.SourceIDs(shop, "products") {
		take(r.ChangePrice(shop, p, 0))
	}
	take(r.PurchaseCart(shop, r.SourceIDs(shop, "carts")[0]))
	if err := r.Install(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if err := r.Uninstall(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	for _, m := range r.app.messages() {
		events = append(events, sandbox.Event{Event: m.json(t)["event"].(string), Body: m.body})
	}

	for _, name := range []string{
		"order.created", "order.status.updated", "product.updated", "product.price.updated", "customer.created",
		"abandoned.cart", "abandoned.cart.purchased", "abandoned.cart.status.changed",
		"app.installed", "app.updated", "app.store.authorize", "app.uninstalled",
	} {
		var docs []any
		for _, e := range events {
			if e.Event == name {
				docs = append(docs, decode(t, e.Body))
			}
		}
		missing(t, "salla/webhook_"+name, docs)
	}
}

func TestUserInfoHasTheFixturesKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)

	wrapped := r.do("GET", r.AccountsURL(r.base)+"/oauth2/user/info", access, "", "")
	r.SetOptions(sandbox.Options{UserInfoUnwrapped: true})
	bare := r.do("GET", r.AccountsURL(r.base)+"/oauth2/user/info", access, "", "")

	missing(t, "salla/oauth_userinfo", []any{decode(t, wrapped.raw)})
	missing(t, "salla/oauth_userinfo_unwrapped", []any{decode(t, bare.raw)})
	if _, ok := bare.json["data"]; ok {
		t.Error("the unwrapped form has an envelope")
	}
}

func TestClerkAnswersHaveTheFixturesKeys(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sandbox.Config) { c.Options.Slugs = true })
	user := r.createUser("owner@shop.example")
	org := r.clerk("POST", "/organizations", `{"name":"Test Store","slug":"test-store-42","created_by":"`+user+`","private_metadata":{"store_id":"42"}}`)
	orgID := org.json["id"].(string)
	r.clerk("PATCH", "/organizations/"+orgID+"/metadata", `{"public_metadata":{"a":1}}`)
	r.clerk("PATCH", "/users/"+user, `{"first_name":"Ada2","external_id":"store:42"}`)
	r.clerk("PATCH", "/organizations/"+orgID+"/memberships/"+user, `{"role":"org:member"}`)
	gone := r.clerk("DELETE", "/organizations/"+orgID+"/memberships/"+user, "")

	missing(t, "clerk/user", []any{decode(t, r.clerk("GET", "/users/"+user, "").raw)})
	missing(t, "clerk/users_list", []any{decode(t, r.clerk("GET", "/users", "").raw)})
	missing(t, "clerk/organization", []any{decode(t, org.raw)})
	missing(t, "clerk/organizations_list", []any{decode(t, r.clerk("GET", "/organizations", "").raw)})
	missing(t, "clerk/organization_membership", []any{decode(t, gone.raw)})
	missing(t, "clerk/sign_in_token", []any{decode(t, r.clerk("POST", "/sign_in_tokens", `{"user_id":"`+user+`"}`).raw)})
	r.clerk("DELETE", "/organizations/"+orgID, "")
	missing(t, "clerk/deleted_user", []any{decode(t, r.clerk("DELETE", "/users/"+user, "").raw)})

	r.settle()
	for _, kind := range []string{
		"user.created", "user.updated", "user.deleted", "organization.created", "organization.updated", "organization.deleted",
		"organizationMembership.created", "organizationMembership.updated", "organizationMembership.deleted",
	} {
		var docs []any
		for _, m := range r.app.event(t, kind) {
			docs = append(docs, decode(t, m.body))
		}
		// Some messages lack the attributes of a request, by design.
		missing(t, "clerk/webhook_"+strings.ReplaceAll(kind, ".", "_"), docs, "event_attributes")
	}
}

// missing fails for each key path of a fixture that none of docs has. Paths
// that start with an exception are let go.
func missing(t *testing.T, fixture string, docs []any, except ...string) {
	t.Helper()
	if len(docs) == 0 {
		t.Errorf("%s: nothing to hold against it", fixture)
		return
	}
	b, err := os.ReadFile("testdata/" + fixture + ".json")
	if err != nil {
		t.Fatal(err)
	}
	want, got := map[string]bool{}, map[string]bool{}
	paths(decode(t, b), "", want)
	for _, d := range docs {
		paths(d, "", got)
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		if got[p] || slices.ContainsFunc(except, func(e string) bool { return strings.HasPrefix(p, e) }) {
			continue
		}
		t.Errorf("%s: no document has %s", fixture, p)
	}
}

// paths collects every key, with [] for the elements of an array.
func paths(v any, at string, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, below := range v {
			p := strings.TrimPrefix(at+"."+k, ".")
			if !strings.HasPrefix(k, "store_id") {
				into[p] = true
			}
			paths(below, p, into)
		}
	case []any:
		for _, below := range v {
			paths(below, at+"[]", into)
		}
	}
}

func decode(t *testing.T, b []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v: %.200s", err, b)
	}
	return v
}
