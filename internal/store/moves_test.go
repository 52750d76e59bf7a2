package store

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// TestMoves walks every status through every operator's act.
func TestMoves(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	op := Actor{Name: "op"}
	acts := map[string]func(id uuid.UUID) (Tenant, []Task, error){
		"suspended": func(id uuid.UUID) (Tenant, []Task, error) { return db.SuspendTenant(t.Context(), id, op) },
		"resumed":   func(id uuid.UUID) (Tenant, []Task, error) { return db.ResumeTenant(t.Context(), id, op) },
		"retried":   func(id uuid.UUID) (Tenant, []Task, error) { return db.RetryTenant(t.Context(), id, op) },
		"imported": func(id uuid.UUID) (Tenant, []Task, error) {
			return db.ImportTenant(t.Context(), id, []string{"orders"}, nil, op)
		},
	}
	allowed := map[string][]string{
		"suspended": {"pending", "provisioning", "ready", "failed"},
		"resumed":   {"suspended"},
		"retried":   {"failed"},
		"imported":  {"ready"},
	}
	merchant := int64(1000)
	for done, act := range acts {
		for _, status := range tenant.Statuses() {
			merchant++
			id := inStatus(t, db, merchant, string(status))
			before := tenantNow(t, db, id)

			after, tasks, err := act(id)

			legal := false
			for _, s := range allowed[done] {
				legal = legal || s == string(status)
			}
			switch {
			case legal && (err != nil || len(tasks) != 1):
				t.Errorf("a %s tenant %s: %v, tasks %v", status, done, err, tasks)
			case legal && done == "suspended" && (after.Status != "suspended" || *after.SuspendedBy != "operator" || *after.ResumeStatus != string(status)):
				t.Errorf("a %s tenant suspended: %s by %v, back to %v", status, after.Status, after.SuspendedBy, after.ResumeStatus)
			case legal && done == "retried" && (after.Status != "provisioning" || tasks[0].Epoch != before.Epoch):
				t.Errorf("a %s tenant retried: %s, epoch %d, want the same epoch %d", status, after.Status, tasks[0].Epoch, before.Epoch)
			case !legal && (!errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "a "+string(status)+" tenant cannot be "+done)):
				t.Errorf("a %s tenant %s: error = %v, want a conflict that names the status", status, done, err)
			case !legal && cmp.Diff(before, tenantNow(t, db, id)) != "":
				t.Errorf("a %s tenant was changed by an act that was refused", status)
			}
			if got := audited(t, db, id) != ""; got != legal {
				t.Errorf("a %s tenant %s: audited %v, want %v", status, done, got, legal)
			}
		}
	}
	if _, _, err := db.SuspendTenant(t.Context(), uuid.New(), op); !errors.Is(err, fault.NotFound) {
		t.Errorf("no such tenant: error = %v, want not found", err)
	}
	if _, _, err := db.ImportTenant(t.Context(), uuid.New(), []string{"invoices"}, nil, op); !errors.Is(err, fault.Invalid) {
		t.Errorf("no such resource: error = %v, want invalid", err)
	}
}

func TestResumeGoesBack(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	merchant := int64(2000)
	for _, tt := range []struct {
		was, want, state string
		tasks            int
	}{
		{"pending", "pending", "waiting", 0},
		{"provisioning", "provisioning", "runnable", 1},
		{"ready", "ready", "done", 0},
		{"failed", "failed", "failed", 0},
	} {
		merchant++
		id := inStatus(t, db, merchant, tt.was)
		if _, _, err := db.SuspendTenant(t.Context(), id, Actor{Name: "op"}); err != nil {
			t.Fatal(err)
		}
		_, tasks, err := db.ResumeTenant(t.Context(), id, Actor{Name: "op"})
		if err != nil {
			t.Fatal(err)
		}
		expireLease(t, db, id)

		tasks, err = db.Resumed(t.Context(), take(t, db, tasks[0]))
		if err != nil {
			t.Fatal(err)
		}
		got := tenantNow(t, db, id)
		if got.Status != tt.want || got.SuspendedBy != nil || got.ResumeStatus != nil || got.State != tt.state || len(tasks) != tt.tasks {
			t.Errorf("%s: %s (row %s) with %d tasks, want %s (row %s) with %d", tt.was, got.Status, got.State, len(tasks), tt.want, tt.state, tt.tasks)
		}
		if tt.was == "failed" {
			if _, tasks, err := db.RetryTenant(t.Context(), id, Actor{Name: "op"}); err != nil || len(tasks) != 1 || tasks[0].Kind != KindTenantProvision {
				t.Errorf("retry after a resume to failed: %v, %v", tasks, err)
			}
		}
	}
}

// TestUninstall tells the two suspensions apart.
func TestUninstall(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	suspend := func(id uuid.UUID, by tenant.SuspendedBy) (tasks []Task) {
		inTestTx(t, db, func(tx pgx.Tx) (err error) {
			tasks, err = suspendTenant(t.Context(), tx, id, by)
			return err
		})
		return tasks
	}
	reinstall := func(id uuid.UUID) (tasks []Task) {
		grant(t, db, id)
		inTestTx(t, db, func(tx pgx.Tx) (err error) {
			tasks, err = resumeTenant(t.Context(), tx, id, tenant.ByUninstall)
			return err
		})
		return tasks
	}
	uninstall := func(id uuid.UUID) []Task {
		exec(t, db, `UPDATE tenants SET installed = false WHERE id = $1`, id)
		exec(t, db, `UPDATE connections SET status = 'revoked' WHERE id = $1`, id)
		return suspend(id, tenant.ByUninstall)
	}

	t.Run("a new grant lifts it and looks at the webhooks again", func(t *testing.T) {
		id := inStatus(t, db, 3001, "ready")
		if tasks := uninstall(id); len(tasks) != 1 || tasks[0].Kind != KindTenantSuspend {
			t.Fatalf("tasks = %v", tasks)
		}
		if tasks := uninstall(id); tasks != nil {
			t.Errorf("a second uninstall: tasks = %v, want none", tasks)
		}
		if _, _, err := db.ResumeTenant(t.Context(), id, Actor{Name: "op"}); !errors.Is(err, fault.Conflict) {
			t.Errorf("an operator resumes it: error = %v, want a conflict", err)
		}
		tasks := reinstall(id)
		if got := openSteps(t, db, id); got != "subscriptions verify" {
			t.Errorf("open steps = %q", got)
		}
		if got := tenantNow(t, db, id); got.Status != "suspended" {
			t.Errorf("%s before it is whole again, want suspended", got.Status)
		}
		l := take(t, db, tasks[0])
		for _, s := range []tenant.Step{tenant.StepSubscriptions, tenant.StepVerify} {
			if err := db.StepDone(t.Context(), l, s); err != nil {
				t.Fatal(err)
			}
		}
		next, err := db.Resumed(t.Context(), l)
		if err != nil || len(next) != 0 || tenantNow(t, db, id).Status != "ready" {
			t.Errorf("%s with %v, %v, want ready", tenantNow(t, db, id).Status, next, err)
		}
	})
	t.Run("of one that was not ready, it starts provisioning", func(t *testing.T) {
		for merchant, was := range map[int64]string{3010: "pending", 3011: "failed", 3012: "provisioning"} {
			id := inStatus(t, db, merchant, was)
			uninstall(id)
			tasks := reinstall(id)
			next, err := db.Resumed(t.Context(), take(t, db, tasks[0]))
			if err != nil {
				t.Fatal(err)
			}
			if got := tenantNow(t, db, id); got.Status != "provisioning" || len(next) != 1 {
				t.Errorf("%s: %s with %v, want provisioning", was, got.Status, next)
			}
		}
	})
	t.Run("an operator's suspension stays", func(t *testing.T) {
		id := inStatus(t, db, 3002, "ready")
		suspend(id, tenant.ByOperator)
		if tasks := reinstall(id); tasks != nil || tenantNow(t, db, id).Status != "suspended" {
			t.Errorf("lifted by a grant: %v", tasks)
		}
	})
	t.Run("lifted by the operator while uninstalled, it stays suspended by the uninstall", func(t *testing.T) {
		id := inStatus(t, db, 3003, "ready")
		suspend(id, tenant.ByOperator)
		uninstall(id)
		got, tasks, err := db.ResumeTenant(t.Context(), id, Actor{Name: "op"})
		if err != nil || tasks != nil || got.Status != "suspended" || *got.SuspendedBy != "uninstall" {
			t.Errorf("%s by %v, %v, %v", got.Status, *got.SuspendedBy, tasks, err)
		}
		if tasks := reinstall(id); len(tasks) != 1 {
			t.Errorf("then a grant: tasks = %v, want one", tasks)
		}
	})
	t.Run("an uninstall overtakes a resume", func(t *testing.T) {
		id := inStatus(t, db, 3004, "ready")
		suspend(id, tenant.ByOperator)
		_, tasks, err := db.ResumeTenant(t.Context(), id, Actor{Name: "op"})
		if err != nil {
			t.Fatal(err)
		}
		lease := take(t, db, tasks[0])
		if tasks := uninstall(id); len(tasks) != 1 || tasks[0].Kind != KindTenantSuspend {
			t.Errorf("tasks = %v, want the suspension's", tasks)
		}
		if _, err := db.Resumed(t.Context(), lease); !errors.Is(err, fault.ErrLost) {
			t.Errorf("the resume went on: %v", err)
		}
	})
}

// inStatus makes a tenant with that status whose row is as such a tenant's is.
func inStatus(t *testing.T, db *DB, merchant int64, status string) uuid.UUID {
	t.Helper()
	made := fromEvent(t, db, merchant)
	if status == "pending" {
		exec(t, db, `UPDATE tenants SET installed = true WHERE id = $1`, made.ID)
		return made.ID
	}
	grant(t, db, made.ID)
	var task Task
	inTestTx(t, db, func(tx pgx.Tx) (err error) {
		task, err = startProvisioning(t.Context(), tx, made.ID)
		return err
	})
	switch status {
	case "ready":
		makeReady(t, db, take(t, db, task))
		// The history that starts with readiness is not what these tests are about.
		exec(t, db, `DELETE FROM runs WHERE tenant_id = $1`, made.ID)
	case "failed":
		if err := db.FailProvisioning(t.Context(), take(t, db, task), "the reason"); err != nil {
			t.Fatal(err)
		}
	case "suspended":
		inTestTx(t, db, func(tx pgx.Tx) error {
			_, err := suspendTenant(t.Context(), tx, made.ID, tenant.ByOperator)
			return err
		})
	case "deprovisioning", "deleted":
		exec(t, db, `UPDATE tenants SET status = $2, state = 'done' WHERE id = $1`, made.ID, status)
	}
	return made.ID
}

func makeReady(t *testing.T, db *DB, l Lease) []Task {
	t.Helper()
	for _, s := range tenant.Steps() {
		if err := db.StepDone(t.Context(), l, s); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.SetStore(t.Context(), l, StoreFacts{Info: []byte(`{"currency":"SAR"}`)}); err != nil {
		t.Fatal(err)
	}
	tasks, err := db.MarkReady(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

func openSteps(t *testing.T, db *DB, id uuid.UUID) string {
	t.Helper()
	steps, err := db.Steps(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var open []string
	for _, s := range steps {
		if !s.Over() {
			open = append(open, s.Name)
		}
	}
	return strings.Join(open, " ")
}

// expireLease ends the lease that a row's former holder may still have.
func expireLease(t *testing.T, db *DB, id uuid.UUID) {
	t.Helper()
	exec(t, db, `UPDATE tenants SET lease_until = $2 WHERE id = $1 AND lease_until IS NOT NULL`, id, time.Now().Add(-time.Minute))
}
