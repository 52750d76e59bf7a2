package imports_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

func TestInitialRun(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		cursor map[string]bool
	}{
		{"numbered lists", nil},
		{"lists by cursor", map[string]bool{"customers": true, "carts": true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sandbox.StoreSpec{Customers: 65, Products: 47, Orders: 83, Carts: 33, Cursor: tt.cursor})
			r.PerPage = 10
			r.open()
			r.work()

			run := r.wantComplete()
			if run.Kind != "initial" || run.ListsDoneAt == nil || run.FinishedAt == nil {
				t.Errorf("got %s, lists done %v, finished %v", run.Kind, run.ListsDoneAt, run.FinishedAt)
			}
			for resource, want := range map[string]int64{
				tenantdb.Customers: 65, tenantdb.Products: 47, tenantdb.Orders: 83, tenantdb.Carts: 33, tenantdb.OrderDetails: 83,
			} {
				if got := totals(run, resource); got != [3]int64{want, 0, 0} {
					t.Errorf("%s: got %v, want %d imported", resource, got, want)
				}
			}
			for _, resource := range []salla.Resource{salla.Customers, salla.Products, salla.Orders, salla.Carts} {
				r.wantSame(resource)
			}
			order, row := r.stored(tenantdb.Orders, r.ids(salla.Orders)[0])
			if order.Detail == nil || row["line_items"] == nil || row["person_id"] == nil || row["subtotal"] == nil {
				t.Errorf("an order lacks its detail, items or person: %v", row)
			}
			if len(r.dead) > 0 || r.retries > 0 {
				t.Errorf("dead letters %q, %d retries", r.dead, r.retries)
			}

			// Details say when an order came to its end; the list that is read next has
			// their word, and changes nothing more.
			for range 2 {
				r.manual(nil)
				r.work()
			}
			again := r.wantComplete()
			if got := totals(again, tenantdb.Orders); got != [3]int64{0, 83, 0} {
				t.Errorf("read again, orders count %v, want 83 unchanged", got)
			}
			if got := totals(again, tenantdb.OrderDetails); got != [3]int64{0, 0, 0} {
				t.Errorf("details are read again though nothing changed: %v", got)
			}
		})
	}
}

// firstPage takes the first due page of a resource, without working on it.
func (r *rig) firstPage(resource string) (store.Task, store.Lease) {
	r.t.Helper()
	for _, task := range r.due() {
		if task.Kind != store.KindImportPage {
			r.step(task)
			return r.firstPage(resource)
		}
		if r.value(`SELECT resource FROM streams WHERE id = (SELECT stream_id FROM pages WHERE id = $1)`, task.ID) == resource {
			l, ok := r.take(task)
			if !ok {
				r.t.Fatal("the page is not to be had")
			}
			return task, l
		}
	}
	r.t.Fatalf("no page of %s is due", resource)
	return store.Task{}, store.Lease{}
}

// stolen makes the page's lease somebody else's, as if its holder had hung.
func (r *rig) stolen(task store.Task) {
	r.exec(`UPDATE pages SET lease_until = now() - interval '1 second' WHERE id = $1`, task.ID)
}

func TestPageIsMirroredAfterItsWorkerDied(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 25, Products: 3, Orders: 3, Carts: 3})
	r.PerPage = 10
	r.open()
	task, l := r.firstPage(tenantdb.Customers)
	r.access.hook(func(budget.Class) error {
		// The worker dies after its commit in the tenant's database: what it would
		// write here finds the row without its holder.
		r.exec(`UPDATE pages SET holder = NULL WHERE id = $1`, task.ID)
		return nil
	})
	if err := r.handle(l); !errors.Is(err, fault.ErrLost) {
		t.Fatalf("got %v, want the row lost", err)
	}
	r.access.hook(nil)
	r.stolen(task)
	before := r.access.made()

	r.step(task)

	if made := r.access.made() - before; made != 0 {
		t.Errorf("%d calls were made for a page that is done", made)
	}
	if got := r.value(`SELECT records || ' ' || imported || ' ' || state FROM pages WHERE id = $1`, task.ID); got != "10 10 done" {
		t.Errorf("the page is mirrored as %q", got)
	}
	r.work()
	if got := totals(r.wantComplete(), tenantdb.Customers); got != [3]int64{25, 0, 0} {
		t.Errorf("got %v, want 25 imported", got)
	}
}

func TestPageOfDeletedRecordsIsNotTheEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 3, Products: 3, Orders: 3, Carts: 3})
	r.PerPage, r.Ahead = 1, 1
	if _, err := r.shop.Fault(sandbox.FaultRule{
		System: "salla", Path: "/products", Effect: sandbox.EffectMalform,
		Field: "status", Value: []byte(`"deleted"`), Record: number(t, r.ids(salla.Products)[0]),
	}); err != nil {
		t.Fatal(err)
	}
	r.open()
	task, l := r.firstPage(tenantdb.Products)
	r.access.hook(func(budget.Class) error {
		r.exec(`UPDATE pages SET holder = NULL WHERE id = $1`, task.ID) // as if the worker died before it wrote here
		return nil
	})
	if err := r.handle(l); !errors.Is(err, fault.ErrLost) {
		t.Fatalf("got %v, want the row lost", err)
	}
	r.access.hook(nil)
	r.stolen(task)

	r.step(task)

	if got := r.value(`
		SELECT concat_ws(' ', p.records, p.digest IS NOT NULL, s.deleted, s.exhausted)
		FROM pages AS p
		JOIN streams AS s ON s.id = p.stream_id
		WHERE p.id = $1`, task.ID); got != "1 t 1 f" {
		t.Errorf("records, digest, deleted, exhausted: got %q, want %q", got, "1 t 1 f")
	}
	r.work()
	if got := r.value(`SELECT pages FROM streams WHERE resource = 'products' AND pass = 1`); got != "3" {
		t.Errorf("%s pages of products were read, want 3", got)
	}
}

func TestTwoTakersOfOnePage(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 25, Products: 3, Orders: 3, Carts: 3})
	r.PerPage = 10
	r.open()
	task, slow := r.firstPage(tenantdb.Customers)
	r.access.hook(func(budget.Class) error {
		r.access.hook(nil)
		r.stolen(task)
		fast, ok := r.take(task)
		if !ok {
			t.Error("the page cannot be taken over")
			return nil
		}
		r.settle(fast, r.handle(fast))
		return nil
	})

	err := r.handle(slow)

	if !errors.Is(err, fault.ErrLost) {
		t.Errorf("the slow taker got %v, want the row lost", err)
	}
	r.work()
	if got := totals(r.wantComplete(), tenantdb.Customers); got != [3]int64{25, 0, 0} {
		t.Errorf("got %v, want 25 imported once", got)
	}
}

func TestMalformedRecordsAreKept(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 12, Products: 12, Orders: 12, Carts: 2})
	product := r.ids(salla.Products)[3]
	for _, rule := range []sandbox.FaultRule{
		{Path: "/products", Field: "price", Value: []byte(`"cheap"`), Record: number(t, product)},
		{Path: "/customers", Value: []byte(`"nobody"`)},
	} {
		rule.System, rule.Effect = "salla", sandbox.EffectMalform
		if _, err := r.shop.Fault(rule); err != nil {
			t.Fatal(err)
		}
	}
	r.open()
	r.work()

	run := r.wantComplete()
	if got := totals(run, tenantdb.Products); got != [3]int64{11, 0, 1} {
		t.Errorf("products: got %v, want 11 and 1 rejected", got)
	}
	if got := totals(run, tenantdb.Customers); got != [3]int64{11, 0, 1} {
		t.Errorf("customers: got %v, want 11 and 1 rejected", got)
	}
	rejects, err := r.tdb.Rejects(t.Context(), tenantdb.RejectFilter{Resource: tenantdb.Products})
	if err != nil || len(rejects) != 1 {
		t.Fatalf("got %d rejects, %v", len(rejects), err)
	}
	if j := rejects[0]; *j.SourceID != product || *j.Field != "price" || j.Reason == "" {
		t.Errorf("got reject of %s at %s: %s", *j.SourceID, *j.Field, j.Reason)
	}

	r.shop.ClearFaults()
	r.manual(nil, "products")
	r.work()
	if got := totals(r.wantComplete(), tenantdb.Products); got != [3]int64{1, 11, 0} {
		t.Errorf("read again: got %v, want the rejected one imported", got)
	}
}

func TestDetailsWaitWithoutLosingAnything(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 5, Products: 5, Orders: 23, Carts: 1})
	gone := r.ids(salla.Orders)[4]
	details, n := 0, 0
	var mu sync.Mutex // a page reads several orders at once
	r.access.hook(func(class budget.Class) error {
		if class != budget.Detail && class != budget.Detail.Begun() {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if n++; n%7 == 0 {
			return fault.WaitUntil(time.Now().Add(time.Hour), "room in the limit")
		}
		if details++; details == 1 {
			if _, err := r.shop.DeleteOrder(shop, number(t, gone)); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	r.open()
	r.work()

	run := r.wantComplete()
	if got := totals(run, tenantdb.OrderDetails); got != [3]int64{22, 0, 0} {
		t.Errorf("got %v, want 22 details", got)
	}
	// Two calls an order, one for the one that is gone; of three at once at most two
	// are read anew after a wait.
	if least := 22*2 + 1; details < least || details > least+30 {
		t.Errorf("%d calls were made, want about %d", details, least)
	}
	if s, _ := r.stored(tenantdb.Orders, gone); s.DeletedAt == nil {
		t.Error("the order that is gone is no tombstone")
	}
	r.wantSame(salla.Orders)
}

func TestListThatShiftsIsReadAgain(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 45, Products: 5, Orders: 5, Carts: 1})
	r.PerPage, r.Ahead = 10, 1
	ids := r.ids(salla.Customers)
	pages := 0
	r.access.hook(func(class budget.Class) error {
		if class != budget.Page.OfCustomers() {
			return nil
		}
		if pages++; pages == 3 { // one of the first page goes, and all others move up
			if _, err := r.shop.DeleteCustomer(shop, number(t, ids[2])); err != nil {
				t.Error(err)
			}
		}
		return nil
	})
	r.open()
	r.work()

	r.wantComplete()
	if got := r.value(`SELECT max(pass) FROM streams WHERE resource = 'customers'`); got == "1" {
		t.Error("the list was read once")
	}
	for _, id := range r.ids(salla.Customers) {
		r.stored(tenantdb.Customers, id)
	}
	r.manual(nil, "customers") // there is no event: the next whole pass finds the deletion
	r.work()
	r.wantComplete()
	r.wantSame(salla.Customers)
	if s, _ := r.stored(tenantdb.Customers, ids[2]); s.DeletedAt == nil {
		t.Error("the deleted customer is no tombstone")
	}
}

func TestReconcileFindsWhatEventsLost(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 30, Products: 30, Orders: 60, Carts: 15})
	r.PerPage = 10
	r.open()
	r.work()
	r.wantComplete()
	orders, customers, carts := r.ids(salla.Orders), r.ids(salla.Customers), r.ids(salla.Carts)
	for _, lost := range []func() (sandbox.Change, error){
		func() (sandbox.Change, error) { return r.shop.DeleteOrder(shop, number(t, orders[7])) },
		func() (sandbox.Change, error) { return r.shop.CreateOrder(shop) },
		func() (sandbox.Change, error) {
			return r.shop.UpdateOrderStatus(shop, number(t, orders[9]), "canceled")
		},
		func() (sandbox.Change, error) { return r.shop.DeleteCustomer(shop, number(t, customers[1])) },
		func() (sandbox.Change, error) { return r.shop.LeaveCart(shop, number(t, carts[0])) },
		func() (sandbox.Change, error) { return r.shop.RemoveCart(shop, number(t, carts[1])) },
		func() (sandbox.Change, error) { return r.shop.PurchaseCart(shop, number(t, carts[2])) },
	} {
		if _, err := lost(); err != nil {
			t.Fatal(err)
		}
	}

	r.open()
	r.work()

	if run := r.wantComplete(); run.Kind != "reconcile" {
		t.Errorf("the second run is %s", run.Kind)
	}
	for _, resource := range []salla.Resource{salla.Customers, salla.Products, salla.Orders, salla.Carts} {
		r.wantSame(resource)
	}
	if _, row := r.stored(tenantdb.Orders, orders[9]); row["status"] != "CANCELED" || row["cancelled_at"] == nil {
		t.Errorf("the order is %v, cancelled at %v", row["status"], row["cancelled_at"])
	}
	for i, want := range []string{"false true PENDING", "true false <nil>", "false true RECOVERED"} {
		s, row := r.stored(tenantdb.Carts, carts[i])
		got := fmt.Sprintf("%v %v %v", s.DeletedAt != nil, row["left_list"], row["recovery_status"])
		if got != want {
			t.Errorf("cart %d: got %s, want %s", i, got, want)
		}
	}
}

func TestReconcileStopsWhereNothingIsNew(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 5, Products: 5, Orders: 95, Carts: 1})
	r.PerPage = 10
	r.open()
	r.work()
	r.manual(nil, "orders") // takes the word of the details
	r.work()
	r.wantComplete()

	r.open()
	r.work()

	r.wantComplete()
	if got := r.value(`SELECT s.pages FROM streams AS s JOIN runs AS r ON r.id = s.run_id
		WHERE r.kind = 'reconcile' AND s.resource = 'orders'`); got != "1" {
		t.Errorf("%s pages of orders were read, want 1", got)
	}
}

func TestDeadPageFailsItsStreamOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 25, Products: 25, Orders: 10, Carts: 3})
	r.PerPage = 10
	id, err := r.shop.Fault(sandbox.FaultRule{System: "salla", Path: "/products", Contains: "page=2", Effect: sandbox.EffectStatus, Status: 422})
	if err != nil {
		t.Fatal(err)
	}
	r.open()
	r.work()

	run := r.last()
	if run.Status != "failed" || run.Reason == nil || len(r.dead) != 1 {
		t.Fatalf("the run is %s (%v), dead letters %q", run.Status, run.Reason, r.dead)
	}
	if got := totals(run, tenantdb.Customers); got != [3]int64{25, 0, 0} {
		t.Errorf("customers: got %v, want all of them", got)
	}
	if run.ListsDoneAt != nil {
		t.Error("the lists are called done")
	}

	r.shop.ClearFault(id)
	page := r.value(`SELECT id FROM pages WHERE state = 'failed'`)
	r.exec(`UPDATE pages SET state = 'failed', due_at = now() WHERE id = $1`, page)
	task, err := r.DB.Wake(t.Context(), store.KindImportPage, mustUUID(t, page))
	if err != nil {
		t.Fatal(err)
	}
	r.step(task)
	r.work()

	run = r.wantComplete()
	if got := totals(run, tenantdb.Products); got != [3]int64{25, 0, 0} {
		t.Errorf("products: got %v, want all of them", got)
	}
	r.wantSame(salla.Products)
}

func TestRunWaitsForItsTenant(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 25, Products: 5, Orders: 5, Carts: 1})
	r.PerPage = 10
	r.open()
	_, l := r.firstPage(tenantdb.Customers)
	r.exec(`UPDATE connections SET status = 'needs_reauthorisation' WHERE id = $1`, r.tenant)
	r.access.hook(func(budget.Class) error { return fault.WaitFor("grant: the merchant has to grant again") })
	r.settle(l, r.handle(l))
	r.work()

	run := r.last()
	if run.Status != "waiting" {
		t.Fatalf("the run is %s, want waiting", run.Status)
	}
	if got := r.value(`SELECT count(*) FROM pages WHERE state = 'waiting'`); got == "0" {
		t.Error("no page waits")
	}
	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 0 {
		t.Errorf("the sweeper woke %v (%v) though the wait holds", tasks, err)
	}

	r.access.hook(nil)
	r.exec(`UPDATE connections SET status = 'active' WHERE id = $1`, r.tenant)
	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) == 0 {
		t.Fatalf("the sweeper woke %v (%v)", tasks, err)
	}
	r.work()
	r.wantComplete()
}

func TestPauseResumeCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 45, Products: 5, Orders: 5, Carts: 1})
	r.PerPage = 10
	by := store.Actor{Name: "test"}
	r.open()
	_, l := r.firstPage(tenantdb.Customers)
	r.access.hook(func(budget.Class) error {
		r.access.hook(nil)
		if _, err := r.DB.PauseRun(t.Context(), r.tenant, by); err != nil {
			t.Error(err)
		}
		return nil
	})
	r.settle(l, r.handle(l))
	if due := r.due(); len(due) != 0 || r.last().Status != "paused" {
		t.Fatalf("the run is %s, and %d tasks are due", r.last().Status, len(due))
	}
	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 0 {
		t.Errorf("the sweeper woke %v (%v) though the run is paused", tasks, err)
	}
	if _, err := r.DB.PauseRun(t.Context(), r.tenant, by); !errors.Is(err, fault.Conflict) {
		t.Errorf("paused twice: got %v, want a conflict", err)
	}

	if _, err := r.DB.ResumeRun(t.Context(), r.tenant, by); err != nil {
		t.Fatal(err)
	}
	r.exec(`UPDATE pages SET lease_until = NULL`) // the old handler has certainly stopped
	r.work()
	if got := totals(r.wantComplete(), tenantdb.Customers); got != [3]int64{45, 0, 0} {
		t.Errorf("got %v, want 45 imported", got)
	}

	r.manual(nil, "customers")
	r.manual(nil, "products")
	r.manual(nil, "orders")
	_, l = r.firstPage(tenantdb.Customers)
	tasks, err := r.DB.CancelRun(t.Context(), r.tenant, by)
	if err != nil || len(tasks) != 1 || tasks[0].Kind != store.KindImportStart {
		t.Fatalf("cancel: got %v, %v, want the queued run", tasks, err)
	}
	r.settle(l, r.handle(l))
	r.work()
	run := r.wantComplete()
	if len(run.Resources) != 2 || totals(run, tenantdb.Products) != [3]int64{0, 5, 0} {
		t.Errorf("the queued run took %v: %+v", run.Resources, run.Streams)
	}
	if got := r.value(`SELECT count(*) FROM runs WHERE status = 'cancelled'`); got != "1" {
		t.Errorf("%s runs are cancelled", got)
	}
}

func TestDeadPageRetriedWhileItsRunIsPaused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		early bool // the run is resumed before the page's wait is written
	}{{"resumed later", false}, {"resumed meanwhile", true}} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, sandbox.StoreSpec{Customers: 45, Products: 25, Orders: 5, Carts: 1})
			r.PerPage = 10
			by := store.Actor{Name: "test"}
			id, err := r.shop.Fault(sandbox.FaultRule{System: "salla", Path: "/products", Effect: sandbox.EffectStatus, Status: 422})
			if err != nil {
				t.Fatal(err)
			}
			r.open()
			task, l := r.firstPage(tenantdb.Products)
			r.settle(l, r.handle(l))
			if got := r.value(`SELECT state FROM pages WHERE id = $1`, task.ID); got != "failed" {
				t.Fatalf("the page is %s", got)
			}
			r.shop.ClearFault(id)
			if _, err := r.DB.PauseRun(t.Context(), r.tenant, by); err != nil {
				t.Fatal(err)
			}
			if task, err = r.DB.RetryDead(t.Context(), task.Kind, task.ID, by); err != nil {
				t.Fatal(err)
			}
			l, ok := r.take(task)
			if !ok {
				t.Fatal("the page is not to be had")
			}
			resume := func() {
				t.Helper()
				if _, err := r.DB.ResumeRun(t.Context(), r.tenant, by); err != nil {
					t.Fatal(err)
				}
			}

			stopped := r.handle(l)
			if tt.early {
				resume()
			}
			r.settle(l, stopped)

			if got := r.value(`SELECT concat_ws(': ', state, last_error) FROM pages WHERE id = $1`, task.ID); got !=
				"waiting: the import to be resumed" {
				t.Fatalf("the page is %s", got)
			}
			if tt.early { // nobody is left to wake it but the sweeper
				if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 1 {
					t.Fatalf("the sweeper woke %v (%v), want the page", tasks, err)
				}
			} else {
				if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 0 {
					t.Fatalf("the sweeper woke %v (%v) though the run is paused", tasks, err)
				}
				resume()
			}
			r.exec(`UPDATE pages SET lease_until = NULL`) // the old handlers have certainly stopped
			r.work()
			if got := totals(r.wantComplete(), tenantdb.Products); got != [3]int64{25, 0, 0} {
				t.Errorf("products: got %v, want 25 imported", got)
			}
			r.wantSame(salla.Products)
		})
	}
}

func TestSinceReadsOnlyWhatIsNew(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 5, Products: 5, Orders: 40, Carts: 1})
	since := time.Now().Add(-48 * time.Hour)
	if _, err := r.shop.CreateOrder(shop); err != nil {
		t.Fatal(err)
	}
	r.manual(&since, "orders")
	r.work()

	run := r.wantComplete()
	if got := totals(run, tenantdb.Orders); got[0] < 1 || got[0] >= 41 {
		t.Errorf("got %v of 41 orders", got)
	}
}

func TestSweepFindsLostStreamsAndRuns(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 25, Products: 5, Orders: 5, Carts: 1})
	r.PerPage = 10
	r.open()
	_, l := r.firstPage(tenantdb.Customers)
	r.settle(l, r.handle(l))
	r.exec(`DELETE FROM pages WHERE state <> 'done' AND stream_id = (SELECT id FROM streams WHERE resource = 'customers')`)
	r.exec(`UPDATE streams SET next_seq = 2 WHERE resource = 'customers'`)
	r.work()
	if r.last().Status != "running" {
		t.Fatal("the run ended without its page")
	}

	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 1 {
		t.Fatalf("the sweeper gave %v, %v", tasks, err)
	}
	r.work()
	r.wantComplete()
	r.wantSame(salla.Customers)

	r.manual(nil, "customers")
	r.exec(`UPDATE runs SET status = 'running', state = 'done' WHERE status = 'pending'`)
	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 1 || tasks[0].Kind != store.KindImportFinish {
		t.Fatalf("the sweeper gave %v, %v, want the finish of a run without streams", tasks, err)
	}
}
