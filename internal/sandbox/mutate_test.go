package sandbox_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

// subscribed are the events an app like ours registers.
func subscribed() []string {
	return []string{
		"order.created", "order.updated", "order.status.updated", "order.cancelled", "order.refunded", "order.deleted",
		"order.products.updated", "order.payment.updated", "order.total.price.updated", "product.created", "product.updated",
		"product.deleted", "product.price.updated", "product.status.updated", "product.quantity.low", "customer.created",
		"customer.updated", "abandoned.cart", "abandoned.cart.status.changed", "abandoned.cart.purchased",
	}
}

// TestActs walks every act: what it sends, and what the API shows after it.
func TestActs(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	for _, e := range subscribed() {
		r.subscribe(access, e)
	}
	order, product := r.SourceIDs(shop, "orders")[3], r.SourceIDs(shop, "products")[3]
	buyer, left := r.SourceIDs(shop, "customers")[3], r.SourceIDs(shop, "carts")
	before := r.Source(shop)
	one := func(path string) map[string]any { return r.get(access, path)["data"].(map[string]any) }
	gone := func(path string) bool { return r.salla("GET", access, path, "").status == http.StatusNotFound }
	orderPath, productPath := fmt.Sprintf("/orders/%d?format=light", order), fmt.Sprintf("/products/%d", product)
	slug := func() any { return one(orderPath)["status"].(map[string]any)["slug"] }

	tests := []struct {
		name   string
		act    func() (sandbox.Change, error)
		events []string
		holds  func(c sandbox.Change) bool
	}{
		{"create order", func() (sandbox.Change, error) { return r.CreateOrder(shop) }, []string{"order.created"}, func(c sandbox.Change) bool {
			records, _ := r.list(access, "/orders")
			return id(records[0]) == c.ID
		}},
		{
			"move order", func() (sandbox.Change, error) { return r.UpdateOrderStatus(shop, order, "shipped") },
			[]string{"order.status.updated", "order.updated"},
			func(sandbox.Change) bool { return slug() == "shipped" },
		},
		{
			"cancel order", func() (sandbox.Change, error) { return r.UpdateOrderStatus(shop, order, "canceled") },
			[]string{"order.status.updated", "order.updated", "order.cancelled"},
			func(sandbox.Change) bool { return slug() == "canceled" },
		},
		{
			"unpaid order", func() (sandbox.Change, error) { return r.UpdateOrderStatus(shop, order, "payment_pending") },
			[]string{"order.status.updated", "order.updated"},
			func(sandbox.Change) bool { return one(orderPath)["is_pending_payment"] == true },
		},
		{
			"pay order", func() (sandbox.Change, error) { return r.PayOrder(shop, order) },
			[]string{"order.payment.updated", "order.status.updated", "order.updated"},
			func(sandbox.Change) bool { return slug() == "under_review" },
		},
		{
			"revise order", func() (sandbox.Change, error) { return r.ReviseOrder(shop, order) },
			[]string{"order.products.updated", "order.total.price.updated", "order.updated"},
			nil,
		},
		{
			"part refund", func() (sandbox.Change, error) { return r.RefundOrder(shop, order, false) },
			[]string{"order.refunded", "order.updated"},
			func(sandbox.Change) bool { return slug() == "under_review" },
		},
		{
			"full refund", func() (sandbox.Change, error) { return r.RefundOrder(shop, order, true) },
			[]string{"order.refunded", "order.status.updated", "order.updated"},
			func(sandbox.Change) bool { return slug() == "restored" },
		},
		{"delete order", func() (sandbox.Change, error) { return r.DeleteOrder(shop, order) }, []string{"order.deleted"}, func(sandbox.Change) bool {
			return gone(orderPath) && gone(fmt.Sprintf("/orders/items?order_id=%d", order)) && !slices.Contains(r.SourceIDs(shop, "orders"), order)
		}},
		{"create product", func() (sandbox.Change, error) { return r.CreateProduct(shop) }, []string{"product.created"}, nil},
		{
			"change price", func() (sandbox.Change, error) { return r.ChangePrice(shop, product, 321) },
			[]string{"product.price.updated", "product.updated"},
			func(sandbox.Change) bool {
				return fmt.Sprint(one(productPath)["price"].(map[string]any)["amount"]) == "321"
			},
		},
		{
			"hide product", func() (sandbox.Change, error) { return r.SetProductStatus(shop, product, "hidden") },
			[]string{"product.status.updated", "product.updated"},
			func(sandbox.Change) bool { return one(productPath)["status"] == "hidden" },
		},
		{
			"delete product", func() (sandbox.Change, error) { return r.DeleteProduct(shop, product) },
			[]string{"product.deleted"},
			func(sandbox.Change) bool { return gone(productPath) },
		},
		{"create customer", func() (sandbox.Change, error) { return r.CreateCustomer(shop) }, []string{"customer.created"}, nil},
		{"update customer", func() (sandbox.Change, error) { return r.UpdateCustomer(shop, buyer) }, []string{"customer.updated"}, nil},
		{
			"delete customer", func() (sandbox.Change, error) { return r.DeleteCustomer(shop, buyer) }, nil,
			func(sandbox.Change) bool { return gone(fmt.Sprintf("/customers/%d", buyer)) },
		},
		{"leave a cart", func() (sandbox.Change, error) { return r.AbandonCart(shop) }, []string{"abandoned.cart"}, nil},
		{"change a cart", func() (sandbox.Change, error) { return r.UpdateCart(shop, left[0]) }, []string{"abandoned.cart"}, nil},
		{
			"buy a cart", func() (sandbox.Change, error) { return r.PurchaseCart(shop, left[0]) },
			[]string{"abandoned.cart.status.changed", "abandoned.cart.purchased"},
			func(c sandbox.Change) bool {
				return one(fmt.Sprintf("/carts/abandoned/%d", c.ID))["status"] == "purchased" && !slices.Contains(r.SourceIDs(shop, "carts"), c.ID)
			},
		},
		{"a cart leaves the list", func() (sandbox.Change, error) { return r.LeaveCart(shop, left[1]) }, nil, func(c sandbox.Change) bool {
			return one(fmt.Sprintf("/carts/abandoned/%d", c.ID))["status"] == "active" && !slices.Contains(r.SourceIDs(shop, "carts"), c.ID)
		}},
		{
			"remove a cart", func() (sandbox.Change, error) { return r.RemoveCart(shop, left[2]) }, nil,
			func(c sandbox.Change) bool { return gone(fmt.Sprintf("/carts/abandoned/%d", c.ID)) },
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			had := len(r.Deliveries())
			c, err := tt.act()
			if err != nil {
				t.Fatal(err)
			}
			r.settle()

			var told []string
			for _, e := range c.Events {
				told = append(told, e.Event)
			}
			if diff := cmp.Diff(tt.events, told); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			if sent := len(r.Deliveries()) - had; sent != len(tt.events) {
				t.Errorf("%d deliveries, want %d", sent, len(tt.events))
			}
			if tt.holds != nil && !tt.holds(c) {
				t.Error("the API does not show it")
			}
		})
	}
	want := sandbox.Counts{Customers: before.Customers, Products: before.Products, Orders: before.Orders, Carts: before.Carts - 2}
	if diff := cmp.Diff(want, r.Source(shop)); diff != "" {
		t.Errorf("counts after all (-want +got):\n%s", diff)
	}
	if _, err := r.DeleteOrder(shop, order); err == nil {
		t.Error("deleting a deleted order is no error")
	}
	if _, err := r.UpdateOrderStatus(shop, r.SourceIDs(shop, "orders")[0], "nonsense"); err == nil {
		t.Error("an unknown status is no error")
	}
}

func TestUpdatesMoveTheirTime(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRig(t, func(c *sandbox.Config) { c.Now = at.now })
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Orders: 3, Products: 3, Customers: 3, Plain: true})
	access, _ := r.install(2)
	order := r.SourceIDs(2, "orders")[0]
	when := func() string {
		doc := r.get(access, fmt.Sprintf("/orders/%d?format=light", order))["data"].(map[string]any)
		return doc["updated_at"].(map[string]any)["date"].(string)
	}
	last := when()
	for _, slug := range []string{"shipped", "delivered", "completed"} { // within one second of the clock
		if _, err := r.UpdateOrderStatus(2, order, slug); err != nil {
			t.Fatal(err)
		}
		if now := when(); now <= last {
			t.Errorf("%s: updated_at went from %s to %s", slug, last, now)
		} else {
			last = now
		}
	}
	newest, _ := r.list(access, "/orders?sort_by=updated_at-desc")
	if id(newest[0]) != order {
		t.Errorf("the order updated last is not first by update")
	}
}

func TestDeletedProductIsNullInOrders(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	for _, p := range r.SourceIDs(shop, "products") {
		if _, err := r.DeleteProduct(shop, p); err != nil {
			t.Fatal(err)
		}
	}
	doc := r.get(access, fmt.Sprintf("/orders/%d", r.SourceIDs(shop, "orders")[0]))["data"].(map[string]any)
	for _, i := range doc["items"].([]any) {
		if p, ok := i.(map[string]any)["product"]; !ok || p != nil {
			t.Errorf("an item's product is %v, want null", p)
		}
	}
	if _, err := r.CreateOrder(shop); err != nil {
		t.Errorf("an order of a store without products: %v", err)
	}
}

func TestStatusEvent(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	order := r.SourceIDs(shop, "orders")[5]
	c, err := r.UpdateOrderStatus(shop, order, "completed")
	if err != nil {
		t.Fatal(err)
	}
	data := decode(t, c.Events[0].Body).(map[string]any)["data"].(map[string]any)
	within := data["order"].(map[string]any)
	if id(data) == order || id(within) != order {
		t.Errorf("data.id %d, data.order.id %d, want another and %d", id(data), id(within), order)
	}
	if data["status"] != "تم التنفيذ" || within["status"].(map[string]any)["slug"] != "completed" {
		t.Errorf("status %v, %v", data["status"], within["status"])
	}
	if _, ok := within["items"].([]any)[0].(map[string]any)["product_id"]; !ok {
		t.Error("items lack product_id")
	}
}

func TestLive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	for _, e := range subscribed() {
		r.subscribe(access, e)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Live(ctx, sandbox.LiveOptions{PerSecond: 500})
	}()
	r.app.await(t, "many kinds of events", func() bool {
		kinds := map[string]bool{}
		for _, d := range r.Deliveries() {
			kinds[d.Event] = true
		}
		return len(kinds) >= 14
	})
	cancel()
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("Live does not end with its context")
	}
}
