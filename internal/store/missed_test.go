package store

import (
	"testing"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tenant"
)

// A round that had to make the store's webhooks anew is followed by one reconcile,
// behind a run that is open; one that found them all there by none.
func TestFaultMissedEventsAreLookedFor(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	runs := func(id uuid.UUID) int {
		t.Helper()
		return count(t, db, `runs WHERE tenant_id = $1 AND kind = 'reconcile'`, id)
	}
	imported := func(merchant int64) uuid.UUID {
		t.Helper()
		id := inStatus(t, db, merchant, "ready")
		authorized(t, db, merchant, uuid.NewString())
		exec(t, db, `INSERT INTO runs (id, tenant_id, kind, status, resources, state) VALUES ($1, $2, 'initial', 'complete', '{orders}', 'done')`,
			uuid.Must(uuid.NewV7()), id)
		return id
	}
	// round redoes the opened steps of a tenant, as its handler does.
	round := func(id uuid.UUID, kind string, missed bool) []Task {
		t.Helper()
		expireLease(t, db, id)
		l := take(t, db, Task{Kind: kind, ID: id, Epoch: tenantNow(t, db, id).Epoch})
		if missed {
			if err := db.StepIntent(t.Context(), l, tenant.StepSubscriptions, map[string]any{"address": "x", "missed": true}); err != nil {
				t.Fatal(err)
			}
		}
		for _, s := range []tenant.Step{tenant.StepSubscriptions, tenant.StepVerify} {
			if err := db.StepDone(t.Context(), l, s); err != nil {
				t.Fatal(err)
			}
		}
		end := db.MarkReady
		if kind == KindTenantResume {
			end = db.Resumed
		}
		tasks, err := end(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		return tasks
	}

	t.Run("of a ready tenant", func(t *testing.T) {
		id := imported(1)
		if tasks := round(id, KindTenantProvision, false); len(tasks) != 0 || runs(id) != 0 {
			t.Errorf("nothing was missed: %v, %d runs", tasks, runs(id))
		}
		authorized(t, db, 1, "again")
		if tasks := round(id, KindTenantProvision, true); len(tasks) != 1 || tasks[0].Kind != KindImportStart || runs(id) != 1 {
			t.Errorf("something was missed: %v, %d runs, want one", tasks, runs(id))
		}
		authorized(t, db, 1, "and again")
		if tasks := round(id, KindTenantProvision, false); len(tasks) != 0 || runs(id) != 1 {
			t.Errorf("a later round: %v, %d runs, want the one that there was", tasks, runs(id))
		}
		authorized(t, db, 1, "once more")
		if tasks := round(id, KindTenantProvision, true); len(tasks) != 0 || runs(id) != 2 {
			t.Errorf("missed while a run is open: %v, %d runs, want one queued behind it", tasks, runs(id))
		}
		if n := count(t, db, `runs WHERE tenant_id = $1 AND state = 'held'`, id); n != 1 {
			t.Errorf("%d runs are queued, want 1", n)
		}
	})
	t.Run("of one that is resumed", func(t *testing.T) {
		id := imported(2)
		round(id, KindTenantProvision, false)
		exec(t, db, `UPDATE tenants SET status = 'suspended', suspended_by = 'uninstall', resume_status = 'ready' WHERE id = $1`, id)
		authorized(t, db, 2, "reinstalled")
		if tasks := round(id, KindTenantResume, true); len(tasks) != 1 || tasks[0].Kind != KindImportStart || runs(id) != 1 {
			t.Errorf("%v, %d runs, want one", tasks, runs(id))
		}
	})
	t.Run("without a grant it waits for one", func(t *testing.T) {
		id := imported(3)
		exec(t, db, `UPDATE connections SET status = 'needs_reauthorisation' WHERE id = $1`, id)
		if tasks := round(id, KindTenantProvision, true); len(tasks) != 0 || runs(id) != 0 {
			t.Errorf("without a grant: %v, %d runs", tasks, runs(id))
		}
		authorized(t, db, 3, "granted")
		if tasks := round(id, KindTenantProvision, false); len(tasks) != 1 || runs(id) != 1 {
			t.Errorf("with one: %v, %d runs, want one", tasks, runs(id))
		}
	})
	t.Run("the first import finds it, too", func(t *testing.T) {
		id := inStatus(t, db, 4, "ready")
		authorized(t, db, 4, "first")
		exec(t, db, `UPDATE tenants SET task = 'tenant:provision', state = 'runnable', due_at = now() WHERE id = $1`, id)
		if tasks := round(id, KindTenantProvision, true); len(tasks) != 1 || runs(id) != 0 ||
			count(t, db, `runs WHERE tenant_id = $1 AND kind = 'initial'`, id) != 1 {
			t.Errorf("%v, %d reconciles, want the initial run alone", tasks, runs(id))
		}
		authorized(t, db, 4, "second")
		if round(id, KindTenantProvision, false); runs(id) != 0 {
			t.Errorf("%d reconciles after it, want none", runs(id))
		}
	})
}
