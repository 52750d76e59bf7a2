package events

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

func order(merchant int64, id int) string {
	return fmt.Sprintf(`{"event":"order.created","merchant":%d,"created_at":"Tue Jan 21 2025 18:00:32 GMT+0300","data":{"id":%d,"total":10.10}}`, merchant, id)
}

func TestAppliesAStoreEvent(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tenantID := b.ready(t, 7, "")
	b.store = func(e Live) ([]store.Want, error) {
		b.applied = append(b.applied, e)
		return []store.Want{{Resource: "orders", Entity: "1"}}, nil
	}
	id := b.deliver(t, order(7, 1))
	e := b.event(t, id)
	if e.Status != store.EventApplied || e.AppliedAt == nil || e.TenantID == nil || *e.TenantID != tenantID || e.State != "done" || e.Error != nil {
		t.Errorf("%+v", e)
	}
	if len(b.applied) != 1 {
		t.Fatalf("applied %d times", len(b.applied))
	}
	got := b.applied[0]
	if !sameJSON(t, `{"id":1,"total":10.10}`, got.Payload) || got.Name != "order.created" || got.TenantID != tenantID ||
		got.OccurredAt == nil || !got.OccurredAt.Equal(time.Date(2025, 1, 21, 15, 0, 32, 0, time.UTC)) || got.ReceivedAt.IsZero() {
		t.Errorf("%+v", got)
	}
	if b.count(t, `SELECT count(*) FROM entity_reads WHERE tenant_id = $1 AND resource = 'orders' AND entity = '1'`, tenantID) != 1 {
		t.Error("the order is not wanted")
	}

	// Replayed, it is applied again, and so it is when its task is run once more.
	_, tasks, err := b.db.ReplayEvent(t.Context(), id, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	b.runAll(t, tasks)
	b.runAll(t, tasks)
	if len(b.applied) != 2 || b.event(t, id).Status != store.EventApplied {
		t.Errorf("after a replay: applied %d times", len(b.applied))
	}
}

func TestPayloadsThatJSONBCannotHoldAreApplied(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	b.deliver(t, `{"event":"order.created","merchant":7,"data":{"note":"a\u0000b"}}`)
	if len(b.applied) != 1 || string(b.applied[0].Payload) != `{"note":"a\u0000b"}` {
		t.Errorf("applied %v", b.applied)
	}
}

func TestWhatStoreEventsWaitFor(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ tenant, status, waits string }{
		{"", "waiting", "merchant"},
		{"pending", "waiting", "ready"},
		{"provisioning", "waiting", "ready"},
		{"failed", "waiting", "ready"},
		{"suspended", "waiting", "resume"},
		{"deprovisioning", "ignored", ""},
		{"deleted", "ignored", ""},
		{"ready", "applied", ""},
	} {
		t.Run("tenant "+tt.tenant, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			if tt.tenant != "" {
				b.ready(t, 7, tt.tenant)
			}
			e := b.event(t, b.deliver(t, order(7, 1)))
			waits := ""
			if e.WaitingFor != nil {
				waits = *e.WaitingFor
			}
			if e.Status != tt.status || waits != tt.waits || e.Status == store.EventIgnored && words(e) == "" {
				t.Errorf("%s for %q: %s", e.Status, waits, words(e))
			}
			// While the wait holds, the sweeper leaves it alone.
			if tasks, err := b.db.SweepEvents(t.Context(), 10); err != nil || len(tasks) != 0 {
				t.Errorf("the sweeper released %v, %v", tasks, err)
			}
			if tt.status != "waiting" {
				return
			}
			// The wait is over though nobody said so: the sweeper sees it.
			if tt.tenant == "" {
				b.ready(t, 7, "")
			} else {
				b.exec(t, `UPDATE tenants SET status = 'ready', suspended_by = NULL`)
			}
			tasks, err := b.db.SweepEvents(t.Context(), 10)
			if err != nil || len(tasks) != 1 {
				t.Fatalf("the sweeper released %v, %v", tasks, err)
			}
			b.runAll(t, tasks)
			if e := b.event(t, e.ID); e.Status != store.EventApplied || e.TenantID == nil {
				t.Errorf("afterwards: %s", e.Status)
			}
		})
	}
}

func TestUnknownEventsAreIgnored(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, body := range []string{
		`{"event":"review.added","merchant":7,"data":{}}`, // whether the merchant is known or not
		`{"event":"app.something.new","merchant":7,"data":{}}`,
	} {
		if e := b.event(t, b.deliver(t, body)); e.Status != store.EventIgnored || words(e) == "" {
			t.Errorf("%s: %s %s", body, e.Status, words(e))
		}
	}
}

func TestEventsThatCannotBeApplied(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	b.store = func(Live) ([]store.Want, error) { return nil, fault.New(fault.Invalid, "the order has no id") }
	id := b.deliver(t, order(7, 1))
	e := b.event(t, id)
	if e.Status != store.EventFailed || words(e) != "the order has no id" || e.State != "failed" || e.Attempts != 1 {
		t.Fatalf("%s %s %s", e.Status, words(e), e.State)
	}
	// Its archived task is run: the same epoch, truly done again.
	b.store = nil
	b.runAll(t, []store.Task{{Kind: store.KindEventApply, ID: id, Epoch: e.Epoch, Lane: store.LaneEvents}})
	if e := b.event(t, id); e.Status != store.EventApplied || e.Error != nil || len(b.applied) != 1 {
		t.Errorf("run again: %s %s", e.Status, words(e))
	}

	broken := b.deliver(t, `{"event":"order.created"`)
	_, tasks, err := b.db.ReplayEvent(t.Context(), broken, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	b.runAll(t, tasks)
	if e := b.event(t, broken); e.Status != store.EventFailed || words(e) != "the body is not JSON" {
		t.Errorf("a broken body replayed: %s %s", e.Status, words(e))
	}
	nobody := b.deliver(t, `{"event":"order.created","data":{}}`)
	if e := b.event(t, nobody); e.Status != store.EventFailed || words(e) != "it names no merchant" {
		t.Errorf("without a merchant: %s %s", e.Status, words(e))
	}
}

func TestWaitsOfTheTenantDatabase(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	until := time.Now().Add(time.Hour)
	b.store = func(Live) ([]store.Want, error) { return nil, fault.WaitUntil(until, "the database") }
	e := b.event(t, b.deliver(t, order(7, 1)))
	if e.Status != store.EventReceived || e.State != "runnable" || e.Attempts != 0 {
		t.Errorf("with a time: %s %s", e.Status, e.State)
	}
	b.store = func(Live) ([]store.Want, error) { return nil, fault.WaitFor("grant: none") }
	e = b.event(t, b.deliver(t, order(7, 2)))
	if e.Status != store.EventWaiting || *e.WaitingFor != store.WaitGrant {
		t.Fatalf("without a time: %s", e.Status)
	}
	b.store = nil
	b.deliver(t, moment{"store.authorize", "02", "one"}.body(7))
	if e := b.event(t, e.ID); e.Status != store.EventApplied {
		t.Errorf("after the grant came: %s", e.Status)
	}
}

// TestSuspensionWhileAnEventIsApplied closes the tenant's database after the tenant
// was read as ready: the event waits like any other, and is no dead letter.
func TestSuspensionWhileAnEventIsApplied(t *testing.T) {
	t.Parallel()
	for _, kind := range []error{fault.Forbidden, fault.NotFound, fault.Conflict} {
		t.Run(kind.Error(), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			tenantID := b.ready(t, 7, "")
			op := store.Actor{Name: "op"}
			b.store = func(Live) ([]store.Want, error) {
				if _, _, err := b.db.SuspendTenant(t.Context(), tenantID, op); err != nil {
					return nil, err
				}
				return nil, fmt.Errorf("sign in: %w", kind)
			}
			id := b.deliver(t, order(7, 1))
			if e := b.event(t, id); e.Status != store.EventWaiting || *e.WaitingFor != store.WaitResume || e.Attempts != 0 {
				t.Fatalf("%s: %s", e.Status, words(e))
			}
			b.store = nil
			_, tasks, err := b.db.ResumeTenant(t.Context(), tenantID, op)
			if err != nil {
				t.Fatal(err)
			}
			b.runAll(t, tasks)
			if e := b.event(t, id); e.Status != store.EventApplied || len(b.applied) != 1 {
				t.Errorf("after the resume: %s %s", e.Status, words(e))
			}

			// A tenant that stays as it was gives up the event at once.
			b.store = func(Live) ([]store.Want, error) { return nil, fmt.Errorf("sign in: %w", kind) }
			if e := b.event(t, b.deliver(t, order(7, 2))); e.Status != store.EventFailed {
				t.Errorf("while the tenant is ready: %s", e.Status)
			}
		})
	}
}

// TestBacklogOfOneMerchantIsWorkedOff lets a hundred events wait, go on and end, a
// window at a time, without the sweeper.
func TestBacklogOfOneMerchantIsWorkedOff(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "suspended")
	b.exec(t, `UPDATE tenants SET suspended_by = 'uninstall'`)
	var ready []store.Task
	for i := range 100 {
		rec, err := b.inbox.Record(t.Context(), fromSalla(order(7, i)))
		if err != nil {
			t.Fatal(err)
		}
		ready = append(ready, rec.Tasks...)
	}
	if len(ready) != store.EventWindow {
		t.Fatalf("%d events are runnable at first", len(ready))
	}
	b.runAll(t, ready)
	if n := b.count(t, `SELECT count(*) FROM events WHERE waiting_for = 'resume'`); n != 100 {
		t.Fatalf("%d events wait", n)
	}
	b.deliver(t, moment{"store.authorize", "02", "one"}.body(7))
	if n := len(b.applied); n != 100 {
		t.Errorf("%d events were applied", n)
	}
	if diff := cmp.Diff(0, b.count(t, `SELECT count(*) FROM events WHERE state <> 'done'`)); diff != "" {
		t.Error(diff)
	}
}

// TestWaitThatEndsWhileItIsWritten races the writing of a wait against the tenant's
// making: no event is left waiting for what is there.
func TestWaitThatEndsWhileItIsWritten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for n := range 60 {
		merchant := int64(1000 + n)
		var tasks [][]store.Task
		for _, body := range []string{order(merchant, 1), moment{"installed", "01", ""}.body(merchant), order(merchant, 2)} {
			rec, err := b.inbox.Record(t.Context(), fromSalla(body))
			if err != nil {
				t.Fatal(err)
			}
			tasks = append(tasks, rec.Tasks)
		}
		var wg sync.WaitGroup
		for _, list := range tasks {
			wg.Go(func() { b.runAll(t, list) })
		}
		wg.Wait()
	}
	if n := b.count(t, `SELECT count(*) FROM events WHERE waiting_for = 'merchant'`); n != 0 {
		t.Errorf("%d events wait for merchants that are there", n)
	}
	if n := b.count(t, `SELECT count(*) FROM events WHERE waiting_for = 'ready'`); n != 120 {
		t.Errorf("%d events wait for ready, want 120", n)
	}
}

func TestStrangersAreForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	old, fresh := b.deliver(t, order(7, 1)), b.deliver(t, order(8, 1))
	b.exec(t, `UPDATE events SET received_at = now() - interval '31 days' WHERE id = $1`, old)
	if _, err := b.db.SweepEvents(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	if e := b.event(t, old); e.Status != store.EventIgnored || !strings.Contains(words(e), "30 days") || e.State != "done" {
		t.Errorf("after 31 days: %s %s", e.Status, words(e))
	}
	if e := b.event(t, fresh); e.Status != store.EventWaiting {
		t.Errorf("a young one: %s", e.Status)
	}
}

func TestDrainingHandsBack(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	rec, err := b.inbox.Record(t.Context(), fromSalla(order(7, 1)))
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := b.db.Take(t.Context(), rec.Tasks[0], time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	close(done)
	if _, err := b.applier.Apply(fault.WithDrain(t.Context(), done), l); !errors.Is(err, fault.ErrHandBack) {
		t.Errorf("error = %v", err)
	}
}

// TestLostLeaseWritesNothing lets another worker take the event while it is applied.
func TestLostLeaseWritesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.ready(t, 7, "")
	rec, err := b.inbox.Record(t.Context(), fromSalla(order(7, 1)))
	if err != nil {
		t.Fatal(err)
	}
	l, _, err := b.db.Take(t.Context(), rec.Tasks[0], time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b.store = func(Live) ([]store.Want, error) {
		b.exec(t, `UPDATE events SET lease_until = now() - interval '1 second'`)
		if _, _, err := b.db.Take(t.Context(), rec.Tasks[0], time.Minute); err != nil {
			t.Error(err)
		}
		return []store.Want{{Resource: "orders", Entity: "1"}}, nil
	}
	if _, err := b.applier.Apply(t.Context(), l); !errors.Is(err, fault.ErrLost) {
		t.Errorf("error = %v", err)
	}
	if e := b.event(t, rec.EventID); e.Status != store.EventReceived || b.count(t, `SELECT count(*) FROM entity_reads`) != 0 {
		t.Errorf("%s, with a read wanted", e.Status)
	}
}
