package imports_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// filled is a rig whose shop has been imported.
func filled(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, sandbox.StoreSpec{Customers: 12, Products: 12, Orders: 12, Carts: 6})
	r.open()
	r.work()
	r.wantComplete()
	return r
}

// shippedOrder creates orders until one goes to an address; the others' events are
// applied.
func (r *rig) shippedOrder() sandbox.Change {
	r.t.Helper()
	for {
		c, err := r.shop.CreateOrder(shop)
		if err != nil {
			r.t.Fatal(err)
		}
		var doc struct {
			Data struct {
				Shipping struct{ Address map[string]any }
			}
		}
		if json.Unmarshal(c.Events[0].Body, &doc) == nil && len(doc.Data.Shipping.Address) > 0 {
			return c
		}
		r.events(c, nil)
	}
}

func TestEventsOfOrders(t *testing.T) {
	t.Parallel()
	r := filled(t)
	created := r.shippedOrder()
	id := fmt.Sprint(created.ID)

	r.event(created.Events[0], false)

	// The order shows at once, with what only its event says; the read adds to it.
	first, row := r.stored(tenantdb.Orders, id)
	if first.Event == nil || row["shipping_address"] == nil || row["status"] == nil {
		t.Fatalf("the new order is %v", row)
	}
	r.work()
	read, row := r.stored(tenantdb.Orders, id)
	if read.Detail == nil || read.SourceUpdatedAt == nil || row["shipping_address"] == nil || row["person_id"] == nil {
		t.Errorf("after its read the order is %v", row)
	}

	r.events(r.shop.UpdateOrderStatus(shop, created.ID, "completed"))
	_, row = r.stored(tenantdb.Orders, id)
	if row["status"] != "COMPLETED" || row["closed_at"] == nil || row["order_notes"] == nil {
		t.Errorf("completed: %v, closed %v, note %v", row["status"], row["closed_at"], row["order_notes"])
	}
	closed := row["closed_at"]
	r.events(r.shop.RefundOrder(shop, created.ID, false))
	_, row = r.stored(tenantdb.Orders, id)
	if row["financial_status"] != "PARTIALLY_REFUNDED" || row["status"] != "COMPLETED" || row["closed_at"] != closed {
		t.Errorf("refunded: %v %v, closed %v, was %v", row["financial_status"], row["status"], row["closed_at"], closed)
	}
	r.events(r.shop.RefundOrder(shop, created.ID, true))
	if _, row = r.stored(tenantdb.Orders, id); row["financial_status"] != "REFUNDED" || row["status"] != "REFUNDED" || row["closed_at"] != nil {
		t.Errorf("restored: %v %v, closed %v", row["financial_status"], row["status"], row["closed_at"])
	}
	r.events(r.shop.DeleteOrder(shop, created.ID))
	if s, row := r.stored(tenantdb.Orders, id); s.DeletedAt == nil || s.Event != nil || row["total"] != nil {
		t.Errorf("deleted: %v", row)
	}
	r.wantSame(salla.Orders)
}

func TestEventsOfProductsAndCustomers(t *testing.T) {
	t.Parallel()
	r := filled(t)
	made, err := r.shop.CreateProduct(shop)
	r.events(made, err)
	before := r.access.made()
	r.events(r.shop.ChangePrice(shop, made.ID, 4321))
	if r.access.made() == before {
		t.Error("a price event is believed without a read")
	}
	if _, row := r.stored(tenantdb.Products, fmt.Sprint(made.ID)); fmt.Sprint(row["price"]) == "<nil>" {
		t.Errorf("the price is %v", row["price"])
	}
	person, err := r.shop.CreateCustomer(shop)
	r.events(person, err)
	r.events(r.shop.UpdateCustomer(shop, person.ID))
	r.events(r.shop.DeleteProduct(shop, made.ID))
	r.wantSame(salla.Products)
	r.wantSame(salla.Customers)
}

func TestEventsOfCarts(t *testing.T) {
	t.Parallel()
	r := filled(t)
	left, err := r.shop.AbandonCart(shop)
	r.events(left, err)
	id := fmt.Sprint(left.ID)
	r.events(r.shop.UpdateCart(shop, left.ID))
	if _, row := r.stored(tenantdb.Carts, id); row["recovery_status"] != "PENDING" || row["left_list"] != false {
		t.Errorf("the cart is %v, left the list: %v", row["recovery_status"], row["left_list"])
	}
	bought, err := r.shop.PurchaseCart(shop, left.ID)
	if err != nil {
		t.Fatal(err)
	}
	r.event(bought.Events[1], false)
	if _, row := r.stored(tenantdb.Carts, id); row["recovery_status"] != "RECOVERED" {
		t.Errorf("before its read the cart is %v", row["recovery_status"])
	}
	r.work()
	r.wantSame(salla.Carts)
}

// TestEventsInAnyOrder delivers what happened to a few records in every which
// order, some of it twice, and finds the same tenant each time.
func TestEventsInAnyOrder(t *testing.T) {
	t.Parallel()
	r := filled(t)
	var all []sandbox.Event
	note := func(c sandbox.Change, err error) sandbox.Change {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c.Events...)
		return c
	}
	order := note(r.shippedOrder(), nil).ID
	note(r.shop.UpdateOrderStatus(shop, order, "in_progress"))
	note(r.shop.UpdateOrderStatus(shop, order, "completed"))
	dead := note(r.shop.CreateOrder(shop)).ID
	note(r.shop.DeleteOrder(shop, dead))
	product := note(r.shop.CreateProduct(shop)).ID
	note(r.shop.UpdateProduct(shop, product))
	gone := note(r.shop.CreateProduct(shop)).ID
	note(r.shop.DeleteProduct(shop, gone))
	cart := note(r.shop.AbandonCart(shop)).ID
	note(r.shop.PurchaseCart(shop, cart))
	person := note(r.shop.CreateCustomer(shop)).ID
	note(r.shop.UpdateCustomer(shop, person))

	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 1))
	all = append(all, all[:len(all)/2]...)
	dice.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, e := range all {
		r.event(e, dice.IntN(3) == 0)
	}
	r.work()

	for _, resource := range []salla.Resource{salla.Customers, salla.Products, salla.Orders, salla.Carts} {
		r.wantSame(resource)
	}
	if _, row := r.stored(tenantdb.Orders, fmt.Sprint(order)); row["status"] != "COMPLETED" || row["shipping_address"] == nil || row["closed_at"] == nil {
		t.Errorf("the order is %v, to %v, closed %v", row["status"], row["shipping_address"], row["closed_at"])
	}
	for resource, id := range map[string]int64{tenantdb.Orders: dead, tenantdb.Products: gone} {
		if s, _ := r.stored(resource, fmt.Sprint(id)); s.DeletedAt == nil {
			t.Errorf("%s %d lives again", resource, id)
		}
	}
	if _, row := r.stored(tenantdb.Carts, fmt.Sprint(cart)); row["recovery_status"] != "RECOVERED" {
		t.Errorf("the cart is %v", row["recovery_status"])
	}
}

func TestReadIsDoneAgainWhereItWasWantedMeanwhile(t *testing.T) {
	t.Parallel()
	r := filled(t)
	want := []store.Want{{Resource: tenantdb.Products, Entity: r.ids(salla.Products)[0]}}
	tasks, err := r.DB.WantReads(t.Context(), r.tenant, append(want, want...))
	if err != nil || len(tasks) != 1 {
		t.Fatalf("got %v, %v, want one read", tasks, err)
	}
	again := 0
	r.access.hook(func(budget.Class) error {
		if again++; again == 1 {
			if more, err := r.DB.WantReads(t.Context(), r.tenant, want); err != nil || len(more) != 0 {
				t.Errorf("wanted again: got %v, %v, want no second task", more, err)
			}
		}
		return nil
	})

	r.step(tasks[0])
	if got := r.value(`SELECT state || ' ' || epoch FROM entity_reads`); got != "runnable 2" {
		t.Fatalf("the read is %s, want handed on", got)
	}
	r.step(tasks[0]) // the old epoch has nothing to do
	r.work()

	if got := r.value(`SELECT state || ' ' || epoch FROM entity_reads`); got != "done 2" || again != 2 {
		t.Errorf("the read is %s after %d calls, want done after 2", got, again)
	}
	more, err := r.DB.WantReads(t.Context(), r.tenant, want)
	if err != nil || len(more) != 1 || more[0].Epoch != 3 {
		t.Errorf("wanted once more: got %v, %v", more, err)
	}
}

func TestReadsComeInWindows(t *testing.T) {
	t.Parallel()
	r := filled(t)
	var wants []store.Want
	for _, id := range r.ids(salla.Orders) {
		wants = append(wants, store.Want{Resource: tenantdb.Orders, Entity: id})
	}
	tasks, err := r.DB.WantReads(t.Context(), r.tenant, wants)
	if err != nil || len(tasks) != 8 {
		t.Fatalf("got %d tasks, %v, want a window of 8 for 12 reads", len(tasks), err)
	}
	l, _ := r.take(tasks[0])
	next, err := r.Read(t.Context(), l)
	if err != nil || len(next) != 1 {
		t.Errorf("a finished read released %v, %v, want one", next, err)
	}
	r.work()
	if got := r.value(`SELECT count(*) FROM entity_reads WHERE state = 'done'`); got != "12" {
		t.Errorf("%s of 12 reads are done", got)
	}
}

func TestReadOfAGoneRecord(t *testing.T) {
	t.Parallel()
	r := filled(t)
	customer := r.ids(salla.Customers)[0]
	if _, err := r.shop.DeleteCustomer(shop, number(t, customer)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.DB.WantReads(t.Context(), r.tenant, []store.Want{{Resource: tenantdb.Customers, Entity: customer}}); err != nil {
		t.Fatal(err)
	}
	r.work()
	s, row := r.stored(tenantdb.Customers, customer)
	if s.DeletedAt == nil || s.Document != nil || row["email"] != nil || row["phone"] != nil {
		t.Errorf("what is left of the customer: %v", row)
	}
}

func TestUnintelligibleEvents(t *testing.T) {
	t.Parallel()
	r := filled(t)
	now := time.Now()
	for name, payload := range map[string]string{
		"order.created":    `[]`,
		"order.updated":    `{"reference_id":7}`,
		"product.updated":  `"x"`,
		"customer.created": `{"id":null}`,
		"abandoned.cart":   ``,
		"review.added":     `{"id":7}`,
	} {
		_, err := r.ApplyEvent(t.Context(), imports.LiveEvent{
			TenantID: r.tenant, Name: name, Payload: json.RawMessage(payload), ReceivedAt: now,
		})
		if !errors.Is(err, fault.Invalid) {
			t.Errorf("%s %s: got %v, want invalid", name, payload, err)
		}
	}
	// A document that lacks what its table requires is no reject: the read tells.
	wants, err := r.ApplyEvent(t.Context(), imports.LiveEvent{
		TenantID: r.tenant, Name: "product.updated", ReceivedAt: now,
		Payload: json.RawMessage(`{"id":77,"name":"x","updated_at":"2026-11-12 12:14:21"}`),
	})
	if err != nil || len(wants) != 1 || wants[0].Entity != "77" {
		t.Errorf("got %v, %v, want a read of 77", wants, err)
	}
}

func TestRecordedEvents(t *testing.T) {
	t.Parallel()
	r := filled(t)
	for name, want := range map[string]string{
		"order.created": "orders 2116149737", "order.status.updated": "orders 2116149737",
		"abandoned.cart": "", "abandoned.cart.purchased": "carts 1097962121", "abandoned.cart.status.changed": "carts 1097962121",
		"customer.created": "", "product.updated": "", "product.price.updated": "products 1025569331",
	} {
		body, err := os.ReadFile("testdata/webhook_" + name + ".json")
		if err != nil {
			t.Fatal(err)
		}
		var doc struct{ Data json.RawMessage }
		if err := json.Unmarshal(body, &doc); err != nil {
			t.Fatal(err)
		}
		wants, err := r.ApplyEvent(t.Context(), imports.LiveEvent{
			TenantID: r.tenant, Name: name, Payload: doc.Data, ReceivedAt: time.Now(),
		})
		got := ""
		for _, w := range wants {
			got = w.Resource + " " + w.Entity
		}
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
		}
	}
	_, row := r.stored(tenantdb.Orders, "2116149737")
	if row["shipping_address"] == nil {
		t.Errorf("the order is %v", row)
	}
}
