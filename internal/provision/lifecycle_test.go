package provision

import (
	"errors"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
)

func TestSuspendAndResume(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3001})
	w.untilReady(task)
	delete(w.access.tokens, task.ID) // neither act may need a live token
	calls := w.called("")

	_, tasks, err := w.db.SuspendTenant(t.Context(), task.ID, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be run again
		if err := w.attempt(t.Context(), tasks[0]); err != nil {
			t.Fatal(err)
		}
		w.exec(`UPDATE tenants SET state = 'runnable' WHERE id = $1`, task.ID)
	}
	if err := w.read(task.ID); err == nil {
		t.Error("a suspended tenant's database can be read")
	}

	_, tasks, err = w.db.ResumeTenant(t.Context(), task.ID, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.attempt(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	w.ready(task.ID)
	if err := w.read(task.ID); err != nil {
		t.Errorf("read after the resume: %v", err)
	}
	if n := w.called(""); n != calls {
		t.Errorf("%d calls outside, want none", n-calls)
	}
}

// TestSuspendBeforeDatabase holds that a tenant without a database can be
// suspended, resumed and then made ready.
func TestSuspendBeforeDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3002})
	for _, act := range []func() ([]store.Task, error){
		func() ([]store.Task, error) {
			_, tasks, err := w.db.SuspendTenant(t.Context(), task.ID, store.Actor{Name: "op"})
			return tasks, err
		},
		func() ([]store.Task, error) {
			_, tasks, err := w.db.ResumeTenant(t.Context(), task.ID, store.Actor{Name: "op"})
			return tasks, err
		},
	} {
		tasks, err := act()
		if err != nil {
			t.Fatal(err)
		}
		if err := w.attempt(t.Context(), tasks[0]); err != nil {
			t.Fatal(err)
		}
	}
	now := w.tenant(task.ID)
	w.whole(w.untilReady(store.Task{Kind: now.Task, ID: now.ID, Epoch: now.Epoch}), "3002")
}

// TestReinstall walks an uninstall and a new installation, by the events that
// bring them.
func TestReinstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3004})
	before := w.untilReady(task)

	if err := w.sandbox.Uninstall(t.Context(), 3004); err != nil {
		t.Fatal(err)
	}
	tasks := w.event("app.uninstalled", 3004, func(l store.Lease, end store.LifecycleEnd) (bool, []store.Task, error) {
		return w.db.EndUninstall(t.Context(), l, end)
	})
	if err := w.attempt(t.Context(), w.of(tasks, store.KindTenantSuspend)); err != nil {
		t.Fatal(err)
	}
	if err := w.read(task.ID); err == nil {
		t.Error("an uninstalled tenant's database can be read")
	}

	w.exec(`UPDATE runs SET status = 'complete', state = 'done' WHERE tenant_id = $1`, task.ID)
	w.sandboxInstall(task.ID, 3004)
	mend := w.fault(sandbox.FaultRule{System: "salla", Path: "/webhooks/subscribe", Effect: sandbox.EffectStatus, Status: 503})
	tasks = w.event("app.store.authorize", 3004, func(l store.Lease, end store.LifecycleEnd) (bool, []store.Task, error) {
		return w.db.EndAuthorize(t.Context(), l, store.Authorize{
			LifecycleEnd: end,
			Seal: func(uuid.UUID) (store.SealedGrant, error) {
				return store.SealedGrant{RefreshHash: []byte("of a new token"), ExpiresAt: time.Now().Add(time.Hour), RefreshAt: time.Now().Add(time.Hour)}, nil
			},
		})
	})
	resume := w.of(tasks, store.KindTenantResume)
	if err := w.attempt(t.Context(), resume); !errors.Is(err, fault.Unavailable) {
		t.Errorf("error = %v, want the webhooks' to stop it", err)
	}
	if got := w.tenant(task.ID); got.Status != "suspended" {
		t.Errorf("%s without webhooks, want suspended", got.Status)
	}
	mend()
	if err := w.attempt(t.Context(), resume); err != nil {
		t.Fatal(err)
	}

	got := w.ready(task.ID)
	w.whole(got, "3004")
	reconciles := func() (n int) {
		t.Helper()
		if err := w.pool.QueryRow(t.Context(), `SELECT count(*) FROM runs WHERE tenant_id = $1 AND kind = 'reconcile'`, task.ID).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	if n := reconciles(); n != 1 {
		t.Errorf("%d reconciles for what happened without webhooks, want 1", n)
	}
	w.exec(`UPDATE steps SET status = 'pending' WHERE tenant_id = $1 AND name IN ('subscriptions', 'verify')`, task.ID)
	w.exec(`UPDATE tenants SET task = 'tenant:provision', state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
	w.untilReady(store.Task{Kind: store.KindTenantProvision, ID: task.ID, Epoch: got.Epoch})
	if n := reconciles(); n != 1 {
		t.Errorf("%d reconciles after a look that found every webhook, want the one", n)
	}
	if *got.ClerkOrganizationID != *before.ClerkOrganizationID || *got.DatabaseName != *before.DatabaseName || !got.ReadyAt.Equal(*before.ReadyAt) {
		t.Error("a reinstall changed the tenant's organization, database or first readiness")
	}
	if err := w.read(task.ID); err != nil {
		t.Errorf("read after the reinstall: %v", err)
	}
}

// TestReinstallWhileSuspended holds that a tenant which an operator had suspended
// through an uninstall and a reinstall has its webhooks when it is ready again.
func TestReinstallWhileSuspended(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3005})
	w.untilReady(task)
	if _, _, err := w.db.SuspendTenant(t.Context(), task.ID, store.Actor{Name: "op"}); err != nil {
		t.Fatal(err)
	}
	w.reinstall(task.ID, 3005, true)

	_, tasks, err := w.db.ResumeTenant(t.Context(), task.ID, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.attempt(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}

	w.whole(w.ready(task.ID), "3005")
}

// TestReinstallBeforeItsUninstall holds that a ready tenant whose store left and
// came back has its webhooks though only the new grant was seen.
func TestReinstallBeforeItsUninstall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3006})
	w.untilReady(task)

	tasks := w.reinstall(task.ID, 3006, false)

	w.ready(task.ID)
	w.whole(w.untilReady(w.of(tasks, store.KindTenantProvision)), "3006")
}

// reinstall takes the app out of a store and installs it again, and returns what
// the events of that lead to. seen tells whether the uninstall's event comes.
func (w *world) reinstall(id uuid.UUID, merchant int64, seen bool) []store.Task {
	w.t.Helper()
	if err := w.sandbox.Uninstall(w.t.Context(), merchant); err != nil {
		w.t.Fatal(err)
	}
	if seen {
		w.event("app.uninstalled", merchant, func(l store.Lease, end store.LifecycleEnd) (bool, []store.Task, error) {
			return w.db.EndUninstall(w.t.Context(), l, end)
		})
	}
	w.sandboxInstall(id, merchant)
	return w.event("app.store.authorize", merchant, func(l store.Lease, end store.LifecycleEnd) (bool, []store.Task, error) {
		return w.db.EndAuthorize(w.t.Context(), l, store.Authorize{
			LifecycleEnd: end,
			Seal: func(uuid.UUID) (store.SealedGrant, error) {
				return store.SealedGrant{RefreshHash: []byte("of a new token"), ExpiresAt: time.Now().Add(time.Hour), RefreshAt: time.Now().Add(time.Hour)}, nil
			},
		})
	})
}

func TestGiveUpOfSuspend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 3003})
	w.untilReady(task)
	w.exec(`UPDATE tenants SET database_server = 'gone.example:5432' WHERE id = $1`, task.ID)
	_, tasks, err := w.db.SuspendTenant(t.Context(), task.ID, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}

	err = w.attempt(t.Context(), tasks[0])

	got := w.tenant(task.ID)
	if !errors.Is(err, fault.NotFound) || got.Status != "suspended" || got.State != "failed" {
		t.Errorf("%v: %s, row %s, want a dead letter of a suspended tenant", err, got.Status, got.State)
	}
	w.exec(`UPDATE tenants SET database_server = $2 WHERE id = $1`, task.ID, w.servers.Names()[0])
	_, again, err := w.db.RetryTenant(t.Context(), task.ID, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.attempt(t.Context(), again[0]); err != nil || w.tenant(task.ID).Status != "suspended" {
		t.Errorf("retry: %v", err)
	}
}

func TestBootstrap(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := w.servers.Names()[0]
	tasks, err := w.db.EnsureTargets(t.Context(), []string{server}, blueprint.ModelVersion)
	if err != nil {
		t.Fatal(err)
	}

	if err := w.attempt(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}

	target, err := w.db.Target(t.Context(), tasks[0].ID)
	if err != nil || target.ModelVersion == nil || *target.ModelVersion != blueprint.ModelVersion || target.State != "done" {
		t.Errorf("target = %+v, %v", target, err)
	}

	// A version that only a newer worker knows is left to it.
	tasks, err = w.db.EnsureTargets(t.Context(), []string{server}, blueprint.ModelVersion+1)
	if err != nil {
		t.Fatal(err)
	}
	var wait *fault.Wait
	if err := w.attempt(t.Context(), tasks[0]); !errors.As(err, &wait) || wait.Until.IsZero() {
		t.Errorf("error = %v, want a wait with a time", err)
	}
}
