package store

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

func bulkOperator() Actor { return Actor{Name: "noura@wosool.example", Address: "192.0.2.7"} }

// bulkStore makes a tenant in a status, as operators and events leave them.
func bulkStore(t *testing.T, db *DB, merchant int64, status string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	exec(t, db, `
		INSERT INTO tenants (id, slug, name, merchant, status, suspended_by, resume_status, installed, state, task)
		VALUES ($1, $2, $2, $3, $4, CASE WHEN $4 = 'suspended' THEN 'operator' END, CASE WHEN $4 = 'suspended' THEN 'ready' END, true,
		        CASE WHEN $4 = 'failed' THEN 'failed' ELSE 'done' END, 'tenant:provision')`,
		id, fmt.Sprintf("store-%d", merchant), merchant, status)
	return id
}

func chooseAll(t *testing.T, db *DB, act string, f StoreFilter) Bulk {
	t.Helper()
	b, err := db.ChooseBulk(t.Context(), BulkChoice{Act: act, Words: "all stores", By: bulkOperator(), Tenants: &f})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// start starts a bulk act and takes its row.
func start(t *testing.T, db *DB, b Bulk) Lease {
	t.Helper()
	tasks, err := db.StartBulk(t.Context(), b.ID, BulkStart{Reason: "the bank asked for it"}, bulkOperator())
	if err != nil {
		t.Fatal(err)
	}
	return leased(t, db, tasks[0])
}

// applyAll does what is left of a leased bulk act, as its worker would.
func applyAll(t *testing.T, db *DB, l Lease) (tasks []Task) {
	t.Helper()
	b, items, err := db.BulkTurn(t.Context(), l, BulkMost)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range items {
		next, err := db.ApplyBulkItem(t.Context(), l, b, n)
		if err != nil {
			t.Fatal(err)
		}
		tasks = append(tasks, next...)
	}
	next, err := db.EndBulkTurn(t.Context(), l)
	if err != nil || len(next) > 0 {
		t.Fatalf("the end of the turn: %v, %v", next, err)
	}
	return tasks
}

func bulkNow(t *testing.T, db *DB, id uuid.UUID) Bulk {
	t.Helper()
	b, err := db.Bulk(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What was chosen is what the list had at that moment: a store that comes later, or
// that comes to meet the filter later, is not touched.
func TestBulkChoiceIsFrozen(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for i := range 3 {
		bulkStore(t, db, int64(100+i), "ready")
	}
	turned := bulkStore(t, db, 200, "provisioning")
	b := chooseAll(t, db, BulkSuspend, StoreFilter{Status: "ready"})
	later := bulkStore(t, db, 300, "ready")
	exec(t, db, `UPDATE tenants SET status = 'ready' WHERE id = $1`, turned)

	applyAll(t, db, start(t, db, b))

	if b.Total != 3 {
		t.Errorf("%d were chosen, want 3", b.Total)
	}
	for _, id := range []uuid.UUID{later, turned} {
		if s, err := db.Tenant(t.Context(), id); err != nil || s.Status != "ready" {
			t.Errorf("a store that was not chosen is %s, %v", s.Status, err)
		}
	}
	if n := count(t, db, `tenants WHERE status = 'suspended'`); n != 3 {
		t.Errorf("%d are suspended, want the 3 that were chosen", n)
	}
}

// The dry run says of a mixed set exactly what then becomes of it, for every act.
func TestBulkDryRunIsWhatHappens(t *testing.T) {
	t.Parallel()
	for _, act := range BulkActs(BulkTenants) {
		t.Run(act, func(t *testing.T) {
			t.Parallel()
			db := New(dbtest.Control(t))
			for i, status := range []string{"pending", "provisioning", "ready", "ready", "failed", "suspended", "suspended", "suspended", "deprovisioning", "deleted"} {
				bulkStore(t, db, int64(100+i), status)
			}
			exec(t, db, `UPDATE tenants SET installed = false, suspended_by = 'uninstall' WHERE merchant = 105`)
			exec(t, db, `UPDATE tenants SET installed = false WHERE merchant = 106`)
			exec(t, db, `UPDATE tenants SET task = 'tenant:resume', state = 'runnable' WHERE merchant = 107`)
			open := bulkStore(t, db, 110, "ready")
			exec(t, db, `INSERT INTO runs (id, tenant_id, kind, resources) VALUES ($1, $2, 'initial', '{orders}')`, uuid.New(), open)
			gone := bulkStore(t, db, 111, "ready")
			b := chooseAll(t, db, act, StoreFilter{})
			exec(t, db, `DELETE FROM tenants WHERE id = $1`, gone)
			would, err := db.BulkPreview(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			want, changes := map[string]int{}, 0
			for _, v := range would {
				if v.Why == "" {
					changes += v.N
				} else {
					want[v.Why] += v.N
				}
				if len(v.Sample) == 0 {
					t.Errorf("nothing is shown of %q", v.Why)
				}
			}

			applyAll(t, db, start(t, db, b))

			done := bulkNow(t, db, b.ID)
			if done.Status != BulkDone || done.Changed != changes || changes == 0 || done.Failed != 0 || done.Done != b.Total {
				t.Errorf("%+v, want %d changed", done, changes)
			}
			got := map[string]int{}
			reasons, err := db.BulkReasons(t.Context(), b.ID)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range reasons {
				got[r.Outcome] += r.N
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("passed over (-said +done):\n%s", diff)
			}
			if n := count(t, db, `audit WHERE act = $1 AND details->>'bulk' = $2 AND details->>'reason' = 'the bank asked for it'
				AND actor = $3 AND address = $4`, "tenant."+act, b.ID.String(), bulkOperator().Name, bulkOperator().Address); n != changes {
				t.Errorf("the audit has %d lines of the items, want %d", n, changes)
			}
		})
	}
}

// A worker that is killed between two items, and one that wakes after its successor
// has begun, leave each item done once.
func TestBulkItemsAreDoneOnce(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for i := range 6 {
		bulkStore(t, db, int64(100+i), "ready")
	}
	b := chooseAll(t, db, BulkImport, StoreFilter{})
	killed := start(t, db, b)
	act, items, err := db.BulkTurn(t.Context(), killed, 50)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range items[:3] {
		if _, err := db.ApplyBulkItem(t.Context(), killed, act, n); err != nil {
			t.Fatal(err)
		}
	}
	exec(t, db, `UPDATE bulk_acts SET lease_until = now()`)
	next, ok, err := db.Heal(t.Context(), Task{Kind: KindBulkApply, ID: b.ID, Epoch: killed.Epoch}, "its lease ran out")
	if err != nil || !ok || next.Lane != "maintenance" && next.Lane != "" {
		t.Fatalf("healed: %+v, %v, %v", next, ok, err)
	}
	successor := leased(t, db, next)

	if tasks, err := db.ApplyBulkItem(t.Context(), killed, act, items[3]); !errors.Is(err, ErrBulkStopped) || len(tasks) > 0 {
		t.Errorf("the old worker did an item: %v, %v", tasks, err)
	}
	if tasks, err := db.ApplyBulkItem(t.Context(), successor, act, items[0]); err != nil || len(tasks) > 0 {
		t.Errorf("an item that was done was done again: %v, %v", tasks, err)
	}
	applyAll(t, db, successor)

	if _, err := db.EndBulkTurn(t.Context(), killed); !errors.Is(err, fault.ErrLost) {
		t.Errorf("the old worker ended it: %v", err)
	}
	if done := bulkNow(t, db, b.ID); done.Status != BulkDone || done.Done != 6 || done.Changed != 6 {
		t.Errorf("%+v, want all 6 changed", done)
	}
	if n := count(t, db, `audit WHERE act = 'tenant.import'`); n != 6 {
		t.Errorf("%d imports in the audit, want 6", n)
	}
	if n := count(t, db, `runs`); n != 6 {
		t.Errorf("%d imports, want one of each store", n)
	}
}

// Undo takes back what the act itself changed, and not what somebody has changed
// since, nor what was suspended before.
func TestBulkUndoRestoresOnlyWhatItChanged(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	plain := bulkStore(t, db, 100, "ready")
	touched := bulkStore(t, db, 101, "ready")
	before := bulkStore(t, db, 102, "suspended")
	b := chooseAll(t, db, BulkSuspend, StoreFilter{})
	if _, err := db.ChooseUndo(t.Context(), b.ID, bulkOperator()); !errors.Is(err, fault.Conflict) {
		t.Errorf("undone before it was done: %v", err)
	}
	applyAll(t, db, start(t, db, b))
	// Somebody resumes one of them and suspends it again, for a reason of their own.
	if _, tasks, err := db.ResumeTenant(t.Context(), touched, Actor{Name: "other"}); err != nil {
		t.Fatal(err)
	} else {
		exec(t, db, `UPDATE tenants SET lease_until = NULL WHERE id = $1`, touched)
		if _, err := db.Resumed(t.Context(), leased(t, db, tasks[0])); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := db.SuspendTenant(t.Context(), touched, Actor{Name: "other"}); err != nil {
		t.Fatal(err)
	}

	undo, err := db.ChooseUndo(t.Context(), b.ID, bulkOperator())
	if err != nil {
		t.Fatal(err)
	}
	again, err := db.ChooseUndo(t.Context(), b.ID, bulkOperator())
	if err != nil || again.ID != undo.ID {
		t.Errorf("chosen twice: %s and %s, %v", undo.ID, again.ID, err)
	}
	applyAll(t, db, start(t, db, undo))

	if undo.Total != 2 || undo.Act != BulkResume {
		t.Errorf("%s of %d, want the resume of the 2 that it changed", undo.Act, undo.Total)
	}
	resuming := func(id uuid.UUID) bool {
		s, err := db.Tenant(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return s.Task == KindTenantResume && s.State == "runnable"
	}
	if !resuming(plain) || resuming(touched) || resuming(before) {
		t.Errorf("resumed: %v, changed since: %v, suspended before: %v; want only the first", resuming(plain), resuming(touched), resuming(before))
	}
	done := bulkNow(t, db, undo.ID)
	if done.Changed != 1 || done.Skipped != 1 {
		t.Errorf("%+v, want 1 changed and 1 passed over", done)
	}
}

// Pause and cancel stop between two items, whoever has the act in hand; what is left
// is left alone.
func TestBulkPausesAndCancels(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ctx := t.Context()
	for i := range 4 {
		bulkStore(t, db, int64(100+i), "ready")
	}
	b := chooseAll(t, db, BulkSuspend, StoreFilter{})
	l := start(t, db, b)
	apply := func(l Lease, n int) error { _, err := db.ApplyBulkItem(ctx, l, bulkNow(t, db, b.ID), n); return err }
	if err := apply(l, 1); err != nil {
		t.Fatal(err)
	}
	if err := db.PauseBulk(ctx, b.ID, bulkOperator()); err != nil {
		t.Fatal(err)
	}
	if err := apply(l, 2); !errors.Is(err, ErrBulkStopped) {
		t.Errorf("an item of a paused act: %v", err)
	}
	if _, err := db.EndBulkTurn(ctx, l); err != nil {
		t.Fatal(err)
	}
	if now := bulkNow(t, db, b.ID); now.State != "waiting" || now.Done != 1 {
		t.Errorf("paused: %+v", now)
	}
	tasks, err := db.ResumeBulk(ctx, b.ID, bulkOperator())
	if err != nil {
		t.Fatal(err)
	}
	l = leased(t, db, tasks[0])
	if err := apply(l, 2); err != nil {
		t.Fatal(err)
	}
	if err := db.CancelBulk(ctx, b.ID, bulkOperator()); err != nil {
		t.Fatal(err)
	}
	if err := apply(l, 3); !errors.Is(err, ErrBulkStopped) {
		t.Errorf("an item of a cancelled act: %v", err)
	}
	if _, err := db.EndBulkTurn(ctx, l); !errors.Is(err, fault.ErrLost) {
		t.Errorf("the end of a cancelled act's turn: %v", err)
	}
	if n := count(t, db, `tenants WHERE status = 'suspended'`); n != 2 {
		t.Errorf("%d are suspended, want 2", n)
	}
	if n := count(t, db, `audit WHERE act IN ('bulk.start', 'bulk.pause', 'bulk.resume', 'bulk.cancel')`); n != 4 {
		t.Errorf("%d lines about the act itself, want 4", n)
	}
	for name, err := range map[string]error{
		"pause": db.PauseBulk(ctx, b.ID, bulkOperator()), "cancel": db.CancelBulk(ctx, b.ID, bulkOperator()), "drop": db.DropBulk(ctx, b.ID, bulkOperator()),
	} {
		if !errors.Is(err, fault.Conflict) {
			t.Errorf("%s of a cancelled act: %v", name, err)
		}
	}
}

// Events that are replayed in bulk keep to their store's window, and those on their
// way, or without what they said, are passed over.
func TestBulkReplayKeepsToTheWindow(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	const many = EventWindow + 20
	exec(t, db, `
		INSERT INTO events (id, source, event, merchant, status, lane, state, headers, received_at)
		SELECT gen_random_uuid(), 'salla', 'order.updated', 7, CASE WHEN n <= 2 THEN 'received' ELSE 'applied' END, 'events', 'done', '{}', now()
		FROM generate_series(1, $1) AS n`, many)
	exec(t, db, `
		INSERT INTO event_payloads (event_id, payload, body_length, body_hash)
		SELECT id, '{}', 2, '\x01' FROM events`)
	exec(t, db, `DELETE FROM event_payloads WHERE event_id = (SELECT id FROM events WHERE status = 'applied' LIMIT 1)`)
	b, err := db.ChooseBulk(t.Context(), BulkChoice{Act: BulkReplay, By: bulkOperator(), Events: &EventFilter{Event: "order.updated"}})
	if err != nil {
		t.Fatal(err)
	}

	tasks := applyAll(t, db, start(t, db, b))

	if done := bulkNow(t, db, b.ID); done.Changed != many-3 || done.Skipped != 3 {
		t.Errorf("%d replayed, %d passed over, want %d and 3", done.Changed, done.Skipped, many-3)
	}
	if len(tasks) != EventWindow {
		t.Errorf("%d are queued, want the window of %d", len(tasks), EventWindow)
	}
	if n := count(t, db, `audit WHERE act = 'event.replay' AND details->>'was' = 'applied'`); n != many-3 {
		t.Errorf("the audit has %d lines, want one of each", n)
	}
}

// Dead letters of several tables are chosen as the list has them, and retried once.
func TestBulkRetriesDeadLetters(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	store := bulkStore(t, db, 100, "failed")
	deadEvents(t, db, 5, 1, "'Salla answered 500'")
	other := bulkStore(t, db, 101, "ready")
	exec(t, db, `
		INSERT INTO entity_reads (id, tenant_id, resource, entity, wanted_at, state, last_error, attempts)
		VALUES ($1, $2, 'orders', '7', now(), 'failed', 'Salla answered 404', 3)`, uuid.New(), other)
	few, err := db.ChooseBulk(t.Context(), BulkChoice{Act: BulkRetry, By: bulkOperator(), Dead: &DeadFilter{Reason: "answered 404"}})
	if err != nil {
		t.Fatal(err)
	}
	all, err := db.ChooseBulk(t.Context(), BulkChoice{Act: BulkRetry, By: bulkOperator(), Dead: &DeadFilter{}})
	if err != nil {
		t.Fatal(err)
	}
	if few.Total != 1 || all.Total != 7 {
		t.Errorf("%d and %d were chosen, want 1 and 7", few.Total, all.Total)
	}
	ticked, err := db.ChooseBulk(t.Context(), BulkChoice{Act: BulkRetry, By: bulkOperator(), Dead: &DeadFilter{}, Ticked: []BulkSubject{
		{ID: store, Task: KindTenantProvision}, {ID: store, Task: KindTenantProvision}, {ID: uuid.New(), Task: KindEventApply},
	}})
	if err != nil || ticked.Total != 1 {
		t.Errorf("%d ticked rows were taken, %v; want the one that is there", ticked.Total, err)
	}
	applyAll(t, db, start(t, db, ticked))

	applyAll(t, db, start(t, db, all))

	if done := bulkNow(t, db, all.ID); done.Changed != 6 || done.Skipped != 1 {
		t.Errorf("%+v, want 6 retried and the store passed over that was retried before", done)
	}
	if left, err := db.CountDead(t.Context(), DeadFilter{}); err != nil || left.N != 0 {
		t.Errorf("%d dead letters are left, %v", left.N, err)
	}
}

// A choice of nothing, of what there is no such act for, and one that nobody starts.
func TestBulkChoicesThatComeToNothing(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	bulkStore(t, db, 100, "ready")
	for name, c := range map[string]BulkChoice{
		"nothing":        {Act: BulkSuspend, Tenants: &StoreFilter{Status: "failed"}},
		"another's act":  {Act: BulkReplay, Tenants: &StoreFilter{}},
		"a bare search":  {Act: BulkReplay, Events: &EventFilter{Text: "x"}},
		"no such kind":   {Act: BulkRetry, Dead: &DeadFilter{Task: "no:such"}},
		"nothing ticked": {Act: BulkSuspend, Tenants: &StoreFilter{}, Ticked: []BulkSubject{{ID: uuid.New()}}},
	} {
		if _, err := db.ChooseBulk(t.Context(), c); !errors.Is(err, fault.Invalid) {
			t.Errorf("%s: %v, want invalid", name, err)
		}
	}
	if n := count(t, db, `bulk_acts`); n != 0 {
		t.Errorf("%d acts are there", n)
	}
	old := chooseAll(t, db, BulkSuspend, StoreFilter{})
	exec(t, db, `UPDATE bulk_acts SET created_at = now() - interval '2 days'`)
	fresh := chooseAll(t, db, BulkSuspend, StoreFilter{})
	if _, err := db.Bulk(t.Context(), old.ID); !errors.Is(err, fault.NotFound) {
		t.Errorf("the old choice: %v", err)
	}
	if err := db.DropBulk(t.Context(), fresh.ID, bulkOperator()); err != nil {
		t.Error(err)
	}
	if n := count(t, db, `bulk_items`); n != 0 {
		t.Errorf("%d items are left of what was forgotten", n)
	}
	if _, err := db.StartBulk(t.Context(), fresh.ID, BulkStart{Reason: "too late"}, bulkOperator()); !errors.Is(err, fault.NotFound) {
		t.Errorf("started: %v", err)
	}
}
