package store

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

func TestSteps(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	made, task := grantedTenant(t, db, 1)
	l := take(t, db, task)
	ctx := t.Context()
	step := func() Step {
		t.Helper()
		steps, err := db.Steps(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		return steps[1]
	}
	write := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	write(db.StepRunning(ctx, l, tenant.StepIdentity))
	if s := step(); s.Status != "running" || s.Attempt != 1 || s.StartedAt == nil || string(s.Intent) != "{}" {
		t.Errorf("running: %+v", s)
	}
	write(db.StepIntent(ctx, l, tenant.StepIdentity, map[string]string{"name": "x"}))
	write(db.StepError(ctx, l, tenant.StepIdentity, "down"))
	if s := step(); s.Status != "running" || *s.Error != "down" || string(s.Intent) != `{"name": "x"}` {
		t.Errorf("with an error: %+v", s)
	}
	write(db.StepRunning(ctx, l, tenant.StepIdentity))
	write(db.StepWaiting(ctx, l, tenant.StepIdentity, "a grant"))
	write(db.StepRunning(ctx, l, tenant.StepIdentity))
	if s := step(); s.Attempt != 2 {
		t.Errorf("after a wait: attempt %d, want 2: waiting spends none", s.Attempt)
	}
	write(db.StepDone(ctx, l, tenant.StepIdentity))
	if s := step(); s.Status != "done" || s.FinishedAt == nil || s.Error != nil || !s.Over() {
		t.Errorf("done: %+v", s)
	}
	write(db.StepAgain(ctx, l, tenant.StepIdentity, "it is gone"))
	if s := step(); s.Status != "pending" || s.FinishedAt != nil {
		t.Errorf("again: %+v", s)
	}

	// Whoever has lost the row writes nothing.
	inTestTx(t, db, func(tx pgx.Tx) error {
		_, err := startProvisioning(ctx, tx, made.ID)
		return err
	})
	for name, err := range map[string]error{
		"step":   db.StepDone(ctx, l, tenant.StepIdentity),
		"intent": db.StepIntent(ctx, l, tenant.StepIdentity, nil),
		"store":  db.SetStore(ctx, l, StoreFacts{Name: "theirs"}),
		"clerk":  db.SetClerk(ctx, l, ClerkFacts{OrganizationID: "org_theirs"}),
		"fail":   db.FailProvisioning(ctx, l, "theirs"),
	} {
		if !errors.Is(err, fault.ErrLost) {
			t.Errorf("%s: error = %v, want ErrLost", name, err)
		}
	}
	if _, err := db.MarkReady(ctx, l); !errors.Is(err, fault.ErrLost) {
		t.Errorf("ready: error = %v, want ErrLost", err)
	}
	if s := step(); s.Status != "pending" || tenantNow(t, db, made.ID).Name != "Store 1" {
		t.Errorf("a lost lease wrote: %+v", s)
	}
}

func TestMarkReady(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))

	t.Run("whole", func(t *testing.T) {
		made, task := grantedTenant(t, db, 1)
		tasks := makeReady(t, db, take(t, db, task))
		got := tenantNow(t, db, made.ID)
		if got.Status != "ready" || got.ReadyAt == nil || got.State != "done" {
			t.Errorf("%s at %v, row %s", got.Status, got.ReadyAt, got.State)
		}
		if len(tasks) != 1 || tasks[0].Kind != KindImportStart {
			t.Errorf("tasks = %v, want the initial import's", tasks)
		}
	})
	t.Run("by hand and without a grant", func(t *testing.T) {
		made := handMade(t, db, "by-hand", nil)
		tasks := makeReady(t, db, take(t, db, Task{Kind: KindTenantProvision, ID: made.ID, Epoch: 2}))
		if got := tenantNow(t, db, made.ID); got.Status != "ready" || len(tasks) != 0 {
			t.Errorf("%s with %v, want ready and no import", got.Status, tasks)
		}
	})
	t.Run("a step is open", func(t *testing.T) {
		made, task := grantedTenant(t, db, 2)
		l := take(t, db, task)
		for _, s := range tenant.Steps()[1:] {
			if err := db.StepDone(t.Context(), l, s); err != nil {
				t.Fatal(err)
			}
		}
		tasks, err := db.MarkReady(t.Context(), l)
		if err != nil || len(tasks) != 1 || tasks[0].Kind != KindTenantProvision || tasks[0].Epoch != l.Epoch+1 {
			t.Errorf("tasks = %v, %v, want another round", tasks, err)
		}
		if got := tenantNow(t, db, made.ID); got.Status != "provisioning" {
			t.Errorf("status = %s, want provisioning", got.Status)
		}
	})
	t.Run("uninstalled meanwhile", func(t *testing.T) {
		made, task := grantedTenant(t, db, 3)
		l := take(t, db, task)
		for _, s := range tenant.Steps() {
			if err := db.StepDone(t.Context(), l, s); err != nil {
				t.Fatal(err)
			}
		}
		exec(t, db, `UPDATE tenants SET installed = false WHERE id = $1`, made.ID)
		var wait *fault.Wait
		if _, err := db.MarkReady(t.Context(), l); !errors.As(err, &wait) {
			t.Errorf("error = %v, want a wait", err)
		}
		if got := tenantNow(t, db, made.ID); got.Status != "provisioning" {
			t.Errorf("status = %s, want provisioning", got.Status)
		}
	})
}

func TestFailAndRetry(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	made, task := grantedTenant(t, db, 1)
	ctx := t.Context()
	fail := func(l Lease) {
		t.Helper()
		for _, err := range []error{
			db.StepDone(ctx, l, tenant.StepStore),
			db.StepRunning(ctx, l, tenant.StepIdentity),
			db.StepError(ctx, l, tenant.StepIdentity, "in the step's words"),
			db.FailProvisioning(ctx, l, "gave up"),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		got := tenantNow(t, db, made.ID)
		steps, err := db.Steps(ctx, made.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != "failed" || got.State != "failed" || *got.LastError != "gave up" ||
			steps[1].Status != "failed" || *steps[1].Error != "in the step's words" {
			t.Fatalf("%s, row %s, step %+v", got.Status, got.State, steps[1])
		}
	}

	l := take(t, db, task)
	fail(l)
	_, tasks, err := db.RetryTenant(ctx, made.ID, Actor{Name: "op"})
	if err != nil || len(tasks) != 1 || tasks[0].Epoch != task.Epoch {
		t.Fatalf("retry: %v, %v", tasks, err)
	}
	if got := openSteps(t, db, made.ID); !strings.HasPrefix(got, "identity database") {
		t.Errorf("open steps = %q: what was done is not done again", got)
	}
	l = take(t, db, tasks[0])
	if l.Attempts != 0 {
		t.Errorf("attempts = %d, want 0", l.Attempts)
	}
	fail(l)

	// The same act by Asynq: its archived task runs.
	l = take(t, db, task)
	got, err := db.BeginProvisioning(ctx, l)
	if err != nil || got.Status != "provisioning" {
		t.Fatalf("begin: %s, %v", got.Status, err)
	}
	makeReady(t, db, l)
}

// TestFailedRoundOfReady holds that a ready tenant stays so where a later round
// fails, and that the round can be retried.
func TestFailedRoundOfReady(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	made := handMade(t, db, "store-4", nil)
	makeReadyWithoutGrant(t, db, take(t, db, Task{Kind: KindTenantProvision, ID: made.ID, Epoch: 2}))
	if adopted := fromEvent(t, db, 4); adopted.ID != made.ID {
		t.Fatalf("adopted %s, want %s", adopted.ID, made.ID)
	}
	grant(t, db, made.ID)
	var task Task
	inTestTx(t, db, func(tx pgx.Tx) (err error) {
		task, err = startProvisioning(t.Context(), tx, made.ID)
		return err
	})
	if got := openSteps(t, db, made.ID); got != "store seed subscriptions verify" {
		t.Errorf("open steps = %q", got)
	}

	if err := db.FailProvisioning(t.Context(), take(t, db, task), "no"); err != nil {
		t.Fatal(err)
	}

	if got := tenantNow(t, db, made.ID); got.Status != "ready" || got.State != "failed" {
		t.Errorf("%s, row %s, want ready with a failed row", got.Status, got.State)
	}
	if _, tasks, err := db.RetryTenant(t.Context(), made.ID, Actor{Name: "op"}); err != nil || len(tasks) != 1 {
		t.Errorf("retry: %v, %v", tasks, err)
	}
}

func TestSweepTenants(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	waits := func(merchant int64, state string) Task {
		_, task := grantedTenant(t, db, merchant)
		if err := db.Postpone(t.Context(), take(t, db, task), time.Time{}, "a grant"); err != nil {
			t.Fatal(err)
		}
		exec(t, db, `UPDATE connections SET status = $2 WHERE id = $1`, task.ID, state)
		return task
	}
	healed := waits(1, "active")
	waits(2, "needs_reauthorisation")
	fromEvent(t, db, 3)
	resumes := func(merchant int64, state string) Task {
		id := inStatus(t, db, merchant, "suspended")
		_, tasks, err := db.ResumeTenant(t.Context(), id, Actor{Name: "op"})
		if err != nil {
			t.Fatal(err)
		}
		expireLease(t, db, id)
		if err := db.Postpone(t.Context(), take(t, db, tasks[0]), time.Time{}, "a grant"); err != nil {
			t.Fatal(err)
		}
		exec(t, db, `UPDATE connections SET status = $2 WHERE id = $1`, id, state)
		return tasks[0]
	}
	resuming := resumes(4, "active")
	resumes(5, "needs_reauthorisation")
	inStatus(t, db, 6, "suspended")

	tasks, err := db.SweepTenants(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(tasks, func(a, b Task) int { return strings.Compare(a.Kind, b.Kind) })
	if diff := cmp.Diff([]Task{healed, resuming}, tasks); diff != "" {
		t.Fatalf("woken (-want +got):\n%s", diff)
	}
}

func makeReadyWithoutGrant(t *testing.T, db *DB, l Lease) {
	t.Helper()
	for _, s := range tenant.Steps() {
		write := func() error { return db.StepDone(t.Context(), l, s) }
		if s == tenant.StepSubscriptions {
			write = func() error { return db.StepSkipped(t.Context(), l, s, "no grant") }
		}
		if err := write(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.MarkReady(t.Context(), l); err != nil {
		t.Fatal(err)
	}
}
