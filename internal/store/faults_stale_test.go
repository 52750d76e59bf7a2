package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// whole reads everything that a stale worker might have written.
func whole(t *testing.T, db *DB) []string {
	t.Helper()
	var all []string
	for _, table := range []string{"tenants", "steps", "connections", "events", "runs", "streams", "pages", "entity_reads"} {
		rows, err := db.pool.Query(t.Context(), `SELECT '`+table+` ' || x::text FROM `+table+` AS x ORDER BY 1`)
		if err != nil {
			t.Fatal(err)
		}
		some, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

// succeeded has a row's lease end and its work done by somebody else.
func succeeded(t *testing.T, db *DB, l Lease) {
	t.Helper()
	table, err := tableOf(l.Kind)
	if err != nil {
		t.Fatal(err)
	}
	exec(t, db, `UPDATE `+table.name+` SET lease_until = now() - interval '1 second' WHERE id = $1`, l.ID)
	next := take(t, db, Task{Kind: l.Kind, ID: l.ID, Epoch: l.Epoch})
	if err := db.Finish(t.Context(), next); err != nil {
		t.Fatal(err)
	}
}

// A worker that wakes after its successor has finished writes nothing of what it
// came to, whatever it is: every act of every kind of work is lost as a whole.
func TestFaultStaleWorkersActsAreLost(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ctx := t.Context()
	id := inStatus(t, db, 1, "failed")
	var task Task
	inTestTx(t, db, func(tx pgx.Tx) (err error) {
		task, err = startProvisioning(ctx, tx, id)
		return err
	})
	setting := take(t, db, task)
	shop := shopTenant(t, db)
	page := leased(t, db, startedRun(t, db, shop, numbered("orders"))[0])
	event := take(t, db, recordEvent(t, db, 1, "order.created", time.Time{}).Tasks[0])
	leaving := take(t, db, recordEvent(t, db, 1, "app.uninstalled", time.Time{}).Tasks[0])
	seen, err := db.Installation(ctx, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []Lease{setting, page, event, leaving} {
		succeeded(t, db, l)
	}
	before := whole(t, db)

	second := func(_ []Task, err error) error { return err }
	at := time.Now()
	for name, act := range map[string]func() error{
		"a step that runs":     func() error { return db.StepRunning(ctx, setting, tenant.StepIdentity) },
		"a step's intent":      func() error { return db.StepIntent(ctx, setting, tenant.StepIdentity, map[string]int{"a": 1}) },
		"a step that is done":  func() error { return db.StepDone(ctx, setting, tenant.StepVerify) },
		"a step that failed":   func() error { return db.StepError(ctx, setting, tenant.StepVerify, "x") },
		"a step that waits":    func() error { return db.StepWaiting(ctx, setting, tenant.StepVerify, "x") },
		"the store's facts":    func() error { return db.SetStore(ctx, setting, StoreFacts{Name: "stale", Info: []byte(`{}`)}) },
		"the identity":         func() error { return db.SetClerk(ctx, setting, ClerkFacts{OrganizationID: "org_stale"}) },
		"readiness":            func() error { return second(db.MarkReady(ctx, setting)) },
		"failure":              func() error { return db.FailProvisioning(ctx, setting, "stale") },
		"a page that is done":  func() error { return second(db.PageDone(ctx, page, PageResult{Records: 9, Imported: 9})) },
		"a page that is dead":  func() error { return db.GiveUpPage(ctx, page, "stale") },
		"an event's end":       func() error { return second(db.FinishEvent(ctx, event, EventEnd{Status: EventApplied})) },
		"an event that failed": func() error { return second(db.GiveUpEvent(ctx, event, "stale")) },
		"an event's want": func() error {
			return second(db.FinishEvent(ctx, event, EventEnd{Status: EventApplied, TenantID: &shop, Wants: []Want{{"orders", "1"}}}))
		},
		"an uninstall": func() error {
			_, _, err := db.EndUninstall(ctx, leaving, LifecycleEnd{Merchant: 1, At: &at, Seen: seen})
			return err
		},
		"the lease":                 func() error { _, err := db.Renew(ctx, page, time.Minute); return err },
		"a postponement":            func() error { return db.Postpone(ctx, page, at, "stale") },
		"a wait without a time":     func() error { return db.Postpone(ctx, setting, time.Time{}, "stale") },
		"another attempt":           func() error { return db.Retry(ctx, setting, time.Second, "stale") },
		"a row that is given up":    func() error { return db.GiveUp(ctx, event, "stale") },
		"a row that is handed back": func() error { return db.HandBack(ctx, event) },
	} {
		if err := act(); !errors.Is(err, fault.ErrLost) {
			t.Errorf("%s: %v, want it lost", name, err)
		}
	}
	if after := whole(t, db); !slices.Equal(before, after) {
		for i := range after {
			if i >= len(before) || before[i] != after[i] {
				t.Errorf("it was written: %s", after[i])
			}
		}
	}
}

// An event that waits is let go on by what it waits for, and by nothing else: the
// sweeper does not take another's word for it either.
func TestFaultAWaitIsEndedByItsOwnKindOnly(t *testing.T) {
	t.Parallel()
	kinds := []string{WaitMerchant, WaitReady, WaitGrant, WaitResume}
	for _, ended := range kinds {
		t.Run(ended, func(t *testing.T) {
			t.Parallel()
			db := New(dbtest.Control(t))
			id := shopTenant(t, db)
			exec(t, db, `UPDATE tenants SET merchant = 5 WHERE id = $1`, id)
			events := map[string]uuid.UUID{}
			for _, kind := range kinds {
				rec := recordEvent(t, db, 5, "order.created", time.Time{})
				events[kind] = rec.ID
				exec(t, db, `
					UPDATE events SET status = 'waiting', waiting_for = $2, state = 'waiting', due_at = NULL, tenant_id = $3
					WHERE id = $1`, rec.ID, kind, id)
			}
			inTestTx(t, db, func(tx pgx.Tx) error {
				tasks, err := releaseEvents(t.Context(), tx, id, new(int64(5)), ended)
				if len(tasks) != 1 || tasks[0].ID != events[ended] {
					t.Errorf("%v go on, want the one that waited for %s", tasks, ended)
				}
				return err
			})
			for kind, event := range events {
				e, err := db.Event(t.Context(), event)
				if err != nil {
					t.Fatal(err)
				}
				if waits := e.Status == EventWaiting; waits == (kind == ended) {
					t.Errorf("the event that waits for %s is %s after the end of %s", kind, e.Status, ended)
				}
			}
		})
	}
	t.Run("swept", func(t *testing.T) {
		t.Parallel()
		db := New(dbtest.Control(t))
		id := inStatus(t, db, 6, "suspended")
		exec(t, db, `UPDATE connections SET status = 'needs_reauthorisation' WHERE id = $1`, id)
		waits := map[string]bool{WaitMerchant: false, WaitReady: false, WaitGrant: true, WaitResume: true}
		events := map[string]uuid.UUID{}
		for kind := range waits {
			events[kind] = recordEvent(t, db, 6, "order.created", time.Time{}).ID
			exec(t, db, `
				UPDATE events SET status = 'waiting', waiting_for = $2, state = 'waiting', due_at = NULL, tenant_id = $3
				WHERE id = $1`, events[kind], kind, id)
		}
		if _, err := db.SweepEvents(t.Context(), 100); err != nil {
			t.Fatal(err)
		}
		for kind, still := range waits {
			e, err := db.Event(t.Context(), events[kind])
			if err != nil || (e.Status == EventWaiting) != still {
				t.Errorf("of a suspended tenant without a grant the event that waits for %s is %s: %v", kind, e.Status, err)
			}
		}
	})
}
