package imports_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// ordersRig is a rig whose orders are read in windows of about forty.
func ordersRig(t *testing.T, orders int, form sandbox.ListForm) *rig {
	t.Helper()
	r := newRig(t, sandbox.StoreSpec{
		Customers: 3, Products: 3, Orders: orders, Carts: 1, Lists: map[string]sandbox.ListForm{"orders": form},
	})
	r.PerPage, r.Window = 10, 40
	return r
}

// inHand names the page that is being read: its pass, its window and its number there.
func (r *rig) inHand() (pass, dates, number string) {
	r.t.Helper()
	at := strings.Split(r.value(`
		SELECT concat_ws(' ', s.pass, p.date_range, p.page_or_cursor)
		FROM pages AS p JOIN streams AS s ON s.id = p.stream_id
		WHERE p.holder IS NOT NULL AND p.state = 'runnable' AND s.resource = 'orders'`), " ")
	if len(at) != 3 {
		return "", "", ""
	}
	return at[0], at[1], at[2]
}

// onPage calls do once for every page of a window that is about to be asked for.
func (r *rig) onPage(do func(pass, dates, number string)) {
	r.access.hook(func(class budget.Class) error {
		if class != budget.Page {
			return nil
		}
		if r.value(`SELECT count(*) FROM pages WHERE holder IS NOT NULL AND date_range <> ''`) == "0" {
			return nil
		}
		do(r.inHand())
		return nil
	})
}

func (r *rig) windows(pass int) []store.Window {
	r.t.Helper()
	id := r.value(`SELECT id FROM streams WHERE resource = 'orders' AND pass = $1 ORDER BY id DESC LIMIT 1`, pass)
	windows, err := r.DB.Windows(r.t.Context(), mustUUID(r.t, id))
	if err != nil {
		r.t.Fatal(err)
	}
	return windows
}

func TestLongListIsReadInWindowsOfDates(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		form sandbox.ListForm
	}{
		{"the last day belongs to a range", sandbox.ListForm{}},
		{"the last day does not", sandbox.ListForm{ToDateExclusive: true}},
		{"days in UTC", sandbox.ListForm{FilterUTC: true}},
		{"days in UTC without the last", sandbox.ListForm{FilterUTC: true, ToDateExclusive: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := ordersRig(t, 300, tt.form)
			for range 150 { // of one day: more than a window may hold
				if _, err := r.shop.CreateOrder(shop); err != nil {
					t.Fatal(err)
				}
			}
			r.manual(nil, "orders")
			r.work()

			run := r.wantComplete()
			if got := totals(run, tenantdb.Orders); got != [3]int64{450, 0, 0} {
				t.Errorf("got %v, want 450 imported, each counted once", got)
			}
			r.wantSame(salla.Orders)
			if got := r.value(`SELECT max(pass) FROM streams`); got != "1" {
				t.Errorf("the list was read %s times", got)
			}
			windows := r.windows(1)
			if len(windows) < 6 || len(windows) > 30 {
				t.Fatalf("there are %d windows", len(windows))
			}
			for i, w := range windows {
				if i > 0 && w.From != windows[i-1].To && w.From <= windows[i-1].To {
					t.Errorf("window %d begins %s, the one before ends %s", i, w.From, windows[i-1].To)
				}
				if !w.Whole() {
					t.Errorf("window %s is not whole: %+v", w.Range(), w)
				}
				if *w.Total > 120 && w.To != "" {
					t.Errorf("window %s has %d records", w.Range(), *w.Total)
				}
			}
			if last := windows[len(windows)-1]; last.To != "" {
				t.Errorf("the last window ends %s", last.To)
			}
			inclusive := r.value(`SELECT to_inclusive FROM streams WHERE resource = 'orders'`)
			if want := fmt.Sprint(!tt.form.ToDateExclusive); inclusive != want {
				t.Errorf("the last day belongs to a range: %s, want %s", inclusive, want)
			}
			if pages := number(t, r.value(`SELECT pages FROM streams WHERE resource = 'orders'`)); pages > 450/10*2 {
				t.Errorf("%d pages were read for 450 orders", pages)
			}
		})
	}
}

func TestShortListHasNoWindows(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 40, sandbox.ListForm{})
	r.manual(nil, "orders")
	r.work()
	r.wantComplete()
	if windows := r.windows(1); len(windows) != 0 {
		t.Errorf("there are %d windows", len(windows))
	}
	if got := r.value(`SELECT pages FROM streams WHERE resource = 'orders'`); got != "4" {
		t.Errorf("%s pages were read, want 4", got)
	}
}

func TestSinceIsReadInWindows(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 300, sandbox.ListForm{})
	middle := r.ids(salla.Orders)[150]
	r.manual(nil, "orders")
	r.work()
	r.wantComplete()
	_, row := r.stored(tenantdb.Orders, middle)
	since, err := time.Parse(time.RFC3339Nano, row["placed_at"].(string))
	if err != nil {
		t.Fatal(err)
	}

	r.manual(&since, "orders")
	r.work()

	run := r.wantComplete()
	if got := totals(run, tenantdb.Orders); got[0]+got[1] < 151 || got[0]+got[1] > 160 {
		t.Errorf("got %v, want about 151 orders", got)
	}
	day := since.In(time.FixedZone("", 3*3600)).Format(time.DateOnly)
	windows := r.windows(1)
	if len(windows) < 3 || windows[0].From != day {
		t.Errorf("%d windows begin with %+v, want %s", len(windows), windows, day)
	}
}

// The order at the place is deleted while the reader is behind it.
func (r *rig) deleteOrder(id string) {
	r.t.Helper()
	if _, err := r.shop.DeleteOrder(shop, number(r.t, id)); err != nil {
		r.t.Error(err)
	}
}

// hereOf gives the live orders that a window has here.
func (r *rig) hereOf(dates string) []string {
	r.t.Helper()
	from, to, _ := strings.Cut(dates, "..")
	at := func(day string) time.Time {
		t, err := time.ParseInLocation(time.DateOnly, day, time.FixedZone("", 3*3600))
		if err != nil {
			r.t.Fatal(err)
		}
		return t
	}
	ids, err := r.tdb.UnseenPlaced(r.t.Context(), uuid.Nil, tenantdb.Between{From: at(from), To: at(to)},
		tenantdb.Between{To: time.Now().Add(time.Hour)}, "", 100)
	if err != nil || len(ids) == 0 {
		r.t.Fatalf("no order of %s is here: %v", dates, err)
	}
	return ids
}

func TestDeletionInAWindowReadsThisWindowAgainAlone(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 300, sandbox.ListForm{})
	r.Ahead = 1
	victim, hit := "", ""
	r.onPage(func(_, dates, number string) {
		if victim == "" && number == "3" && !strings.HasSuffix(dates, "..") {
			hit, victim = dates, r.hereOf(dates)[0]
			r.deleteOrder(victim)
		}
	})
	r.manual(nil, "orders")
	r.work()

	r.wantComplete()
	if victim == "" {
		t.Fatal("nothing was deleted")
	}
	again := r.windows(2)
	if len(again) != 1 || again[0].Range().String() != hit || !again[0].Whole() {
		t.Fatalf("read again: %+v, want only %s", again, hit)
	}
	if got := number(t, r.value(`SELECT pages FROM streams WHERE resource = 'orders' AND pass = 2`)); got != int64(again[0].LastPage) {
		t.Errorf("%d pages were read again, want the window's %d", got, again[0].LastPage)
	}
	if s, _ := r.stored(tenantdb.Orders, victim); s.DeletedAt == nil {
		t.Error("the deleted order is no tombstone")
	}
	r.wantSame(salla.Orders)
}

// nextSecond waits for the clock: the source's dates know no less than a second.
func nextSecond() {
	<-time.After(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
}

// One order goes and another comes, so that the totals are the same: only the
// dates tell that one has slipped past.
func TestOrderThatSlipsPastInTheOpenWindowIsFound(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 100, sandbox.ListForm{})
	r.Ahead = 1
	for range 45 {
		if _, err := r.shop.CreateOrder(shop); err != nil {
			t.Fatal(err)
		}
	}
	nextSecond() // of the second in which the pass began an order may be new or not
	done := false
	r.onPage(func(_, dates, number string) {
		if done || number != "3" || !strings.HasSuffix(dates, "..") {
			return
		}
		done = true
		r.deleteOrder(r.ids(salla.Orders)[44]) // the first of the 45
		nextSecond()
		if _, err := r.shop.CreateOrder(shop); err != nil { // its webhook is lost
			t.Error(err)
		}
	})
	r.manual(nil, "orders")
	r.work()

	if !done {
		t.Fatal("nothing was deleted")
	}
	r.wantComplete()
	r.wantSame(salla.Orders)
	if got := r.value(`SELECT max(pass) FROM streams WHERE resource = 'orders'`); got == "1" {
		t.Error("the list was read once")
	}
}

func TestCustomerThatSlipsPastIsFound(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 45, Products: 1, Orders: 1, Carts: 1})
	r.PerPage, r.Ahead = 10, 1
	ids := r.ids(salla.Customers)
	pages := 0
	r.access.hook(func(class budget.Class) error {
		if class != budget.Page.OfCustomers() {
			return nil
		}
		if pages++; pages != 3 {
			return nil
		}
		// Two of the first page go and as many come, so that the total is the same.
		for _, i := range []int{2, 7} {
			if _, err := r.shop.DeleteCustomer(shop, number(t, ids[i])); err != nil {
				t.Error(err)
			}
		}
		for range 2 {
			created, err := r.shop.CreateCustomer(shop)
			if err != nil {
				t.Error(err)
			}
			for _, e := range created.Events {
				r.event(e, false)
			}
		}
		return nil
	})
	r.manual(nil, "customers")
	r.work()

	r.wantComplete()
	if got := r.value(`SELECT max(pass) FROM streams WHERE resource = 'customers'`); got == "1" {
		t.Error("the list was read once")
	}
	r.wantSame(salla.Customers)
}

func TestRunNamesTheWindowThatItCannotProve(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 300, sandbox.ListForm{})
	r.Ahead = 1
	hit, deleted := "", 0
	r.onPage(func(_, dates, number string) {
		if number != "2" || hit != "" && dates != hit || hit == "" && len(r.windows(1)) < 3 {
			return
		}
		hit = dates
		r.deleteOrder(r.hereOf(dates)[deleted]) // its webhook is lost, in every pass anew
		deleted++
	})
	r.manual(nil, "orders")
	r.work()

	run := r.last()
	if run.Status != "incomplete" || run.Reason == nil {
		t.Fatalf("the run is %s, want incomplete", run.Status)
	}
	from, to, _ := strings.Cut(hit, "..")
	for _, word := range []string{"orders: Salla counts 29", "those of " + from + " to " + to, "changed whenever they were read"} {
		if !strings.Contains(*run.Reason, word) {
			t.Errorf("the reason %q does not say %q", *run.Reason, word)
		}
	}
	if deleted != 6 {
		t.Errorf("the window was read %d times, want 6", deleted)
	}
}

// Every page's worker dies after its commit in the tenant's database.
func TestFaultKillBetweenWindowsLosesNothing(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 200, sandbox.ListForm{})
	r.manual(nil, "orders")
	pages := 0
	for range 2000 {
		due := r.due()
		if len(due) == 0 {
			break
		}
		for _, task := range due {
			if task.Kind != store.KindImportPage ||
				r.value(`SELECT resource FROM streams WHERE id = (SELECT stream_id FROM pages WHERE id = $1)`, task.ID) != "orders" {
				r.exec(`UPDATE runs SET due_at = now() WHERE state = 'runnable'`)
				r.step(task)
				continue
			}
			l, ok := r.take(task)
			if !ok {
				t.Fatal("the page is not to be had")
			}
			r.access.hook(func(budget.Class) error {
				r.exec(`UPDATE pages SET holder = NULL WHERE id = $1`, task.ID)
				return nil
			})
			if err := r.handle(l); !errors.Is(err, fault.ErrLost) {
				t.Fatalf("got %v, want the row lost", err)
			}
			r.access.hook(func(budget.Class) error {
				t.Error("a call was made for a page that is done")
				return nil
			})
			r.stolen(task)
			r.step(task)
			r.access.hook(nil)
			pages++
		}
	}
	if got := totals(r.wantComplete(), tenantdb.Orders); got != [3]int64{200, 0, 0} {
		t.Errorf("got %v, want 200 imported", got)
	}
	if windows := r.windows(1); len(windows) < 3 || pages < 20 {
		t.Errorf("%d windows in %d pages", len(windows), pages)
	}
	if got := r.value(`SELECT max(pass) FROM streams WHERE resource = 'orders'`); got != "1" {
		t.Errorf("%s passes, want one", got)
	}
	r.wantSame(salla.Orders)
}

func TestWindowsPauseResumeAndKeepTheirSize(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 200, sandbox.ListForm{})
	by := store.Actor{Name: "test"}
	seen := 0
	r.onPage(func(_, _, _ string) {
		if seen++; seen != 6 {
			return
		}
		if _, err := r.DB.PauseRun(t.Context(), r.tenant, by); err != nil {
			t.Error(err)
		}
	})
	r.manual(nil, "orders")
	r.work()
	if run := r.last(); run.Status != "paused" {
		t.Fatalf("the run is %s", run.Status)
	}
	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) != 0 {
		t.Fatalf("the sweeper woke %v (%v) though the run is paused", tasks, err)
	}
	ranges := r.value(`SELECT string_agg(date_range || ' ' || page_or_cursor, ',' ORDER BY seq) FROM pages WHERE state = 'waiting'`)
	r.access.hook(nil)
	r.PerPage, r.Window = 30, 100
	if _, err := r.DB.ResumeRun(t.Context(), r.tenant, by); err != nil {
		t.Fatal(err)
	}
	if got := r.value(`SELECT string_agg(date_range || ' ' || page_or_cursor, ',' ORDER BY seq) FROM pages WHERE state <> 'done'`); got != ranges {
		t.Errorf("the pages are %s, want %s", got, ranges)
	}
	r.exec(`UPDATE pages SET lease_until = NULL`) // the old handlers have certainly stopped
	r.work()

	if got := totals(r.wantComplete(), tenantdb.Orders); got != [3]int64{200, 0, 0} {
		t.Errorf("got %v, want 200 imported", got)
	}
	for _, w := range r.windows(1) {
		if !w.Whole() || int64(w.LastPage) != max((*w.Total+9)/10, 1) {
			t.Errorf("window %s has %d records on %d pages", w.Range(), *w.Total, w.LastPage)
		}
	}

	r.manual(nil, "orders")
	for range 3 {
		for _, task := range r.due() {
			r.step(task)
		}
	}
	if _, err := r.DB.CancelRun(t.Context(), r.tenant, by); err != nil {
		t.Fatal(err)
	}
	r.work()
	if run := r.last(); run.Status != "cancelled" {
		t.Errorf("the run is %s", run.Status)
	}
	if got := r.value(`SELECT count(*) FROM pages WHERE state <> 'done'`); got != "0" {
		t.Errorf("%s pages are left", got)
	}
}

func TestSweepGoesOnWithWindows(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 200, sandbox.ListForm{})
	r.manual(nil, "orders")
	for range 4 {
		for _, task := range r.due() {
			r.step(task)
		}
	}
	r.exec(`DELETE FROM pages WHERE state <> 'done'`)
	r.work()
	if run := r.last(); run.Status != "running" {
		t.Fatalf("the run is %s without its pages", run.Status)
	}
	if tasks, err := r.DB.SweepReads(t.Context(), 10); err != nil || len(tasks) == 0 {
		t.Fatalf("the sweeper gave %v, %v", tasks, err)
	}
	r.work()
	r.wantComplete()
	r.wantSame(salla.Orders)
}

// An older version knows no windows: it reads such a page as one of the whole list,
// and takes the stream for read when that list's pages are.
func TestPageThatAnOlderVersionReadIsReadAgain(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 200, sandbox.ListForm{})
	r.manual(nil, "orders")
	for range 3 {
		for _, task := range r.due() {
			r.step(task)
		}
	}
	page := r.value(`SELECT id FROM pages WHERE state = 'runnable' AND date_range <> '' ORDER BY seq LIMIT 1`)
	dates := r.value(`SELECT date_range FROM pages WHERE id = $1`, page)
	stream := mustUUID(t, r.value(`SELECT stream_id FROM pages WHERE id = $1`, page))
	if _, err := r.tdb.OpenPage(t.Context(), tenantdb.PageRef{
		Stream: stream, Run: mustUUID(t, r.value(`SELECT run_id FROM pages WHERE id = $1`, page)), Resource: tenantdb.Orders, Pass: 1,
		Seq: int(number(t, r.value(`SELECT seq FROM pages WHERE id = $1`, page))), PerPage: 10,
	}); err != nil {
		t.Fatal(err)
	}
	r.work()
	r.wantComplete()
	again := r.windows(2)
	if len(again) != 1 || again[0].Range().String() != dates {
		t.Errorf("read again: %+v, want %s", again, dates)
	}
	r.wantSame(salla.Orders)
}

func TestReconcileOfAnUnchangedStoreIsCheap(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 95, Products: 15, Orders: 95, Carts: 5})
	r.PerPage, r.Window = 10, 40
	r.open()
	r.work()
	r.manual(nil, "orders") // takes the word of the details
	r.work()
	r.wantComplete()

	r.open()
	r.work()

	r.wantComplete()
	pages := func(resource string) string {
		return r.value(`SELECT sum(s.pages) FROM streams AS s JOIN runs AS r ON r.id = s.run_id
			WHERE r.kind = 'reconcile' AND s.resource = $1`, resource)
	}
	if got := pages("customers") + " " + pages("orders"); got != "1 1" {
		t.Errorf("%s pages of customers and orders were read, want one each", got)
	}

	r.exec(`UPDATE streams SET started_at = started_at - interval '8 days' WHERE resource = 'customers'`)
	r.exec(`DELETE FROM runs WHERE kind = 'reconcile'`)
	r.open()
	r.work()
	r.wantComplete()
	if got := pages("customers"); got != "10" {
		t.Errorf("%s pages of customers were read, want all 10 after a week", got)
	}
}

func TestPageOfDeletedRecordsDoesNotEndAReconcile(t *testing.T) {
	t.Parallel()
	r := newRig(t, sandbox.StoreSpec{Customers: 1, Products: 1, Orders: 45, Carts: 1})
	r.PerPage = 10
	r.open()
	r.work()
	r.manual(nil, "orders")
	r.work()
	orders := r.ids(salla.Orders)
	if _, err := r.shop.UpdateOrderStatus(shop, number(t, orders[30]), "canceled"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.shop.Fault(sandbox.FaultRule{
		System: "salla", Effect: sandbox.EffectMalform, Path: "/orders", Contains: "sort_by=updated_at-desc",
		Field: "status", Value: []byte(`{"id":1,"slug":"deleted","name":"deleted"}`), Record: number(t, orders[30]),
	}); err != nil {
		t.Fatal(err)
	}
	r.open()
	r.work()
	if got := r.value(`SELECT s.pages FROM streams AS s JOIN runs AS r ON r.id = s.run_id
		WHERE r.kind = 'reconcile' AND s.resource = 'orders' AND s.pass = 1`); got == "1" {
		t.Error("the page with a deleted record ended the list")
	}
}

// Every page announces the same, and as many records came: only that one of them
// came twice, in place of another, is found in the end.
func TestRunNamesTheDatesOfWhatIsMissing(t *testing.T) {
	t.Parallel()
	r := ordersRig(t, 120, sandbox.ListForm{})
	orders := r.ids(salla.Orders)
	if _, err := r.shop.Fault(sandbox.FaultRule{
		System: "salla", Effect: sandbox.EffectMalform, Path: "/orders", Contains: "sort_by=created_at-asc",
		Field: "id", Value: []byte(orders[61]), Record: number(t, orders[60]),
	}); err != nil {
		t.Fatal(err)
	}
	r.manual(nil, "orders")
	r.work()

	run := r.last()
	if run.Status != "incomplete" || run.Reason == nil {
		t.Fatalf("the run is %s, want incomplete", run.Status)
	}
	for _, word := range []string{"orders: Salla counts 120, here are 119 stored and 0 rejected; 1 are missing; of those of 20", "are here"} {
		if !strings.Contains(*run.Reason, word) {
			t.Errorf("the reason %q does not say %q", *run.Reason, word)
		}
	}
	if got := r.value(`SELECT max(pass) FROM streams WHERE resource = 'orders'`); got != "1" {
		t.Errorf("the list was read %s times, though no window counts otherwise", got)
	}
}
