package imports_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// provedOrders is a rig whose 95 orders are proved, ten on a page.
func provedOrders(t *testing.T) (*rig, []string) {
	t.Helper()
	r := newRig(t, sandbox.StoreSpec{Customers: 5, Products: 5, Orders: 95, Carts: 1})
	r.PerPage = 10
	r.open()
	r.work()
	r.manual(nil, "orders") // takes the word of the details
	r.work()
	r.wantComplete()
	return r, r.ids(salla.Orders)
}

// cancelled cancels an order at the source.
func (r *rig) cancelled(id string) sandbox.Change {
	r.t.Helper()
	c, err := r.shop.UpdateOrderStatus(shop, number(r.t, id), "canceled")
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// ordersRead gives how many pages of orders the newest run has read.
func (r *rig) ordersRead() string {
	r.t.Helper()
	return r.value(`SELECT coalesce(sum(pages), 0) FROM streams WHERE resource = 'orders'
		AND run_id = (SELECT id FROM runs ORDER BY id DESC LIMIT 1)`)
}

// What lies behind the page of a run that was cancelled is not known for that.
func TestReconcileAfterACancelledOneReadsOnBehindIt(t *testing.T) {
	t.Parallel()
	r, orders := provedOrders(t)
	for _, id := range orders[:25] { // their webhooks are lost
		r.cancelled(id)
	}
	r.open()
	for range 200 {
		due := r.due()
		if len(due) == 0 || r.ordersRead() == "1" {
			break
		}
		r.step(due[len(due)-1])
	}
	if got := r.ordersRead(); got != "1" {
		t.Fatalf("%s pages of orders were read, want one", got)
	}
	if _, err := r.DB.CancelRun(t.Context(), r.tenant, store.Actor{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	r.exec(`UPDATE pages SET lease_until = NULL`)

	r.open()
	r.work()

	r.wantComplete()
	for _, id := range orders[:25] {
		if _, row := r.stored(tenantdb.Orders, id); row["status"] != "CANCELED" {
			t.Errorf("order %s is %v, want cancelled", id, row["status"])
		}
	}
}

// What a run since a day, or webhooks, made known says nothing of what lies behind.
func TestReconcileReadsOnBehindWhatIsNew(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"a run since a day", "webhooks"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			r, orders := provedOrders(t)
			r.cancelled(orders[50]) // its webhook is lost
			for range 12 {
				c, err := r.shop.CreateOrder(shop)
				if err != nil {
					t.Fatal(err)
				}
				if how == "webhooks" {
					r.events(c, nil)
				}
			}
			if since := time.Now().Add(-24 * time.Hour); how != "webhooks" {
				for range 2 { // the second finds nothing new
					r.manual(&since, "orders")
					r.work()
					r.wantComplete()
				}
			}

			r.open()
			r.work()

			r.wantComplete()
			if _, row := r.stored(tenantdb.Orders, orders[50]); row["status"] != "CANCELED" {
				t.Errorf("the order is %v, want cancelled", row["status"])
			}
			if got := number(t, r.ordersRead()); got > 4 {
				t.Errorf("%d pages of orders were read, want no more than what is new and one", got)
			}
		})
	}
}

func TestOrdersAreReadWholeOnceAMonth(t *testing.T) {
	t.Parallel()
	r, _ := provedOrders(t)
	r.exec(`UPDATE streams SET started_at = started_at - interval '31 days'`)
	r.open()
	r.work()
	r.wantComplete()
	if got := r.ordersRead(); got != "10" {
		t.Errorf("%s pages of orders were read, want all 10", got)
	}
}

// A list that is proved is not read whole again because another is not.
func TestNextInitialRunReadsWhatIsProvedUntilKnown(t *testing.T) {
	t.Parallel()
	r, _ := provedOrders(t)
	r.exec(`DELETE FROM runs WHERE kind = 'initial'`)
	r.exec(`UPDATE runs SET resources = '{orders}'`)
	r.open()
	r.work()
	if run := r.wantComplete(); run.Kind != store.RunInitial {
		t.Fatalf("the run is of kind %s", run.Kind)
	}
	if got := r.ordersRead(); got != "1" {
		t.Errorf("%s pages of orders were read, want 1", got)
	}
	if got := r.value(`SELECT sum(pages) FROM streams WHERE resource = 'customers'
		AND NOT until_known AND run_id = (SELECT id FROM runs ORDER BY id DESC LIMIT 1)`); got != "1" {
		t.Errorf("%s pages of customers were read whole, want their one", got)
	}
}

// A pass that another one had to follow proves nothing, though it ended.
func TestPassThatIsReadAgainIsNoWholePass(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 45, Products: 5, Orders: 5, Carts: 1})
	r.PerPage, r.Ahead = 10, 1
	pages := 0
	r.access.hook(func(class budget.Class) error {
		if class != budget.Page.OfCustomers() {
			return nil
		}
		pages++
		if ids := r.ids(salla.Customers); pages < 60 && len(ids) > 2 { // one that was read goes, before every page
			if _, err := r.shop.DeleteCustomer(shop, number(t, ids[1])); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	r.manual(nil, "customers")
	r.work()

	if got := r.value(`SELECT string_agg(DISTINCT status, ' ') FROM streams AS s WHERE EXISTS (
		SELECT FROM streams AS l WHERE l.run_id = s.run_id AND l.pass > s.pass)`); got != "incomplete" {
		t.Errorf("passes that were read again are %s, want incomplete", got)
	}
	at, err := r.DB.WholePassAt(t.Context(), r.tenant, tenantdb.Customers)
	if err != nil || (at != nil) != (r.last().Status == "complete") {
		t.Errorf("the run is %s, and there is a whole pass: %v, %v", r.last().Status, at, err)
	}
}

// A stored record whose document is rejected now was shown, whichever pass it is.
func TestRejectInALaterPassWasShown(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 5, Products: 45, Orders: 5, Carts: 1})
	r.PerPage, r.Ahead = 10, 1
	r.open()
	r.work()
	ids := r.ids(salla.Products)
	if _, err := r.shop.Fault(sandbox.FaultRule{
		System: "salla", Effect: sandbox.EffectMalform, Path: "/products", Field: "price", Value: []byte(`"cheap"`), Record: number(t, ids[20]),
	}); err != nil {
		t.Fatal(err)
	}
	pages := 0
	r.access.hook(func(class budget.Class) error {
		if class != budget.Page {
			return nil
		}
		if pages++; pages == 3 {
			if _, err := r.shop.DeleteProduct(shop, number(t, ids[2])); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	r.manual(nil, "products")
	r.work()

	run := r.wantComplete()
	if got := r.value(`SELECT max(pass) FROM streams WHERE run_id = $1`, run.ID); got != "2" {
		t.Errorf("%s passes were made, want 2", got)
	}
	if got := r.value(`SELECT string_agg(entity, ' ') FROM entity_reads WHERE resource = 'products'`); got != ids[2] {
		t.Errorf("%s were read one by one, want only the deleted %s", got, ids[2])
	}
}

// The end is written when it is known what became of what no list showed.
func TestEndComesAfterWhatNoListShowed(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 15, Products: 15, Orders: 5, Carts: 1})
	r.PerPage = 10
	r.open()
	r.work()
	r.wantComplete()
	ids := r.ids(salla.Products)
	for _, id := range ids[3:7] { // their webhooks are lost
		if _, err := r.shop.DeleteProduct(shop, number(t, id)); err != nil {
			t.Fatal(err)
		}
	}
	waited := 0
	r.manual(nil, "products")
	for range 200 {
		r.exec(`UPDATE runs SET due_at = now() WHERE state = 'runnable' AND due_at > now()`)
		due := r.due()
		if len(due) == 0 {
			break
		}
		if open := r.value(`SELECT count(*) FROM entity_reads WHERE state <> 'done'`); open != "0" {
			waited++
			if status := r.last().Status; status != "running" {
				t.Fatalf("the run is %s while %s reads are open", status, open)
			}
		}
		for _, task := range due[:1] { // the run before the reads
			r.step(task)
		}
		if waited > 3 {
			r.work()
		}
	}
	if waited == 0 {
		t.Error("nothing was read one by one")
	}
	r.wantComplete()
	r.wantSame(salla.Products)
}

// A run by hand over a part does not put off the daily one.
func TestRunByHandOverAPartDoesNotPutOffTheReconcile(t *testing.T) {
	t.Parallel()
	r, _ := provedOrders(t)
	r.exec(`UPDATE runs SET started_at = now() - interval '3 days' WHERE kind <> 'manual'`)
	tasks, err := r.DB.ReconcileDue(t.Context(), 24*time.Hour, 10)
	if err != nil || len(tasks) != 1 {
		t.Errorf("got %v, %v, want a run after the one over orders", tasks, err)
	}
	r.work()
	r.manual(nil)
	r.work()
	r.wantComplete()
	r.exec(`UPDATE runs SET started_at = now() - interval '3 days' WHERE kind <> 'manual'`)
	if tasks, err := r.DB.ReconcileDue(t.Context(), 24*time.Hour, 10); err != nil || len(tasks) != 0 {
		t.Errorf("got %v, %v, want none after the one over everything", tasks, err)
	}
}

// Days that the source takes in UTC are not ours: what a window shows of them is.
func TestDeletionsInWindowsOfUTCDays(t *testing.T) {
	t.Parallel()
	for _, utc := range []bool{false, true} {
		t.Run(fmt.Sprintf("UTC %v", utc), func(t *testing.T) {
			t.Parallel()
			r := ordersRig(t, 200, sandbox.ListForm{FilterUTC: utc})
			r.PerPage, r.Ahead, r.Window = 5, 1, 20
			pages := 0
			r.access.hook(func(class budget.Class) error {
				if class != budget.Page {
					return nil
				}
				if pages++; pages >= 8 && pages <= 30 && pages%3 == 0 { // the webhook is lost
					all := r.ids(salla.Orders)
					r.deleteOrder(all[len(all)-(pages*5-14)])
				}
				return nil
			})
			r.manual(nil, "orders")
			r.work()
			r.wantComplete()
			r.wantSame(salla.Orders)
		})
	}
}

// A list that lacks most of what is here, and is not equal, was not shown as a whole:
// what it lacks is not asked for one by one.
func TestListThatLacksMostIsNotReadOneByOne(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 5, Products: 270, Orders: 5, Carts: 1})
	r.open()
	r.work()
	r.wantComplete()
	ids := r.ids(salla.Products)
	for _, id := range ids[20:] {
		if _, err := r.shop.DeleteProduct(shop, number(t, id)); err != nil {
			t.Fatal(err)
		}
	}
	twice, err := r.shop.Fault(sandbox.FaultRule{
		System: "salla", Effect: sandbox.EffectMalform, Path: "/products", Field: "id", Value: []byte(ids[3]), Record: number(t, ids[4]),
	})
	if err != nil {
		t.Fatal(err)
	}
	r.manual(nil, "products")
	r.work()

	run := r.last()
	if run.Status != "incomplete" || run.Reason == nil || !strings.Contains(*run.Reason, "251 that its list did not show are too many") {
		t.Errorf("the run is %s: %v", run.Status, *run.Reason)
	}
	if got := r.value(`SELECT count(*) FROM entity_reads`); got != "0" {
		t.Errorf("%s records were wanted one by one", got)
	}

	r.shop.ClearFault(twice) // now it is equal but for them
	r.manual(nil, "products")
	r.work()
	r.wantComplete()
	r.wantSame(salla.Products)
}

// A run since a day finds what went since, and counts nothing that is older.
func TestSinceFindsWhatIsGone(t *testing.T) {
	t.Parallel()
	r, orders := provedOrders(t)
	var fresh []string
	for range 15 {
		c, err := r.shop.CreateOrder(shop)
		if err != nil {
			t.Fatal(err)
		}
		r.events(c, nil)
		fresh = append(fresh, fmt.Sprint(c.ID))
	}
	r.deleteOrder(fresh[3]) // its webhook is lost
	pages := 0
	r.access.hook(func(class budget.Class) error {
		if class != budget.Page {
			return nil
		}
		if pages++; pages == 2 {
			for _, e := range r.cancelled(orders[94]).Events { // an old one, by its webhook
				r.event(e, false)
			}
		}
		return nil
	})
	since := time.Now().Add(-24 * time.Hour)
	r.manual(&since, "orders")
	r.work()

	r.wantComplete()
	if s, _ := r.stored(tenantdb.Orders, fresh[3]); s.DeletedAt == nil {
		t.Error("the deleted order is no tombstone")
	}
	r.wantSame(salla.Orders)
}
