package store

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tenant"
)

// authorized ends an authorize of a merchant, granted now.
func authorized(t *testing.T, db *DB, merchant int64, token string) []Task {
	t.Helper()
	seen, err := db.Installation(t.Context(), merchant, nil)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	l := take(t, db, recordEvent(t, db, merchant, "app.store.authorize", time.Time{}).Tasks[0])
	stale, tasks, err := db.EndAuthorize(t.Context(), l, Authorize{
		LifecycleEnd: LifecycleEnd{Merchant: merchant, At: &at, Seen: seen},
		Seal: func(uuid.UUID) (SealedGrant, error) {
			return SealedGrant{RefreshHash: []byte(token), ExpiresAt: at.Add(time.Hour), RefreshAt: at.Add(time.Hour)}, nil
		},
	})
	if err != nil || stale {
		t.Fatalf("authorize: %v, stale: %v", err, stale)
	}
	return tasks
}

// TestGrantOnAnOldConnection holds that a reinstall which overtakes its uninstall
// looks at the store's webhooks again.
func TestGrantOnAnOldConnection(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))

	t.Run("ready", func(t *testing.T) {
		id := inStatus(t, db, 1, "ready")
		tasks := authorized(t, db, 1, "one")
		if got := openSteps(t, db, id); got != "subscriptions verify" {
			t.Errorf("open steps = %q", got)
		}
		if got := tenantNow(t, db, id); got.Status != "ready" || len(tasks) != 1 || tasks[0].Kind != KindTenantProvision {
			t.Errorf("%s with %v, want a ready tenant's round", got.Status, tasks)
		}
	})
	t.Run("suspended by an operator", func(t *testing.T) {
		id := inStatus(t, db, 2, "ready")
		if _, _, err := db.SuspendTenant(t.Context(), id, Actor{Name: "op"}); err != nil {
			t.Fatal(err)
		}
		tasks := authorized(t, db, 2, "two")
		if got := tenantNow(t, db, id); got.Status != "suspended" || got.Task != KindTenantSuspend || len(tasks) != 0 {
			t.Errorf("%s, %s with %v, want it left suspended", got.Status, got.Task, tasks)
		}
		if got := openSteps(t, db, id); got != "subscriptions verify" {
			t.Errorf("open steps = %q", got)
		}
	})
	t.Run("while an operator resumes it", func(t *testing.T) {
		id := inStatus(t, db, 3, "ready")
		if _, _, err := db.SuspendTenant(t.Context(), id, Actor{Name: "op"}); err != nil {
			t.Fatal(err)
		}
		_, before, err := db.ResumeTenant(t.Context(), id, Actor{Name: "op"})
		if err != nil {
			t.Fatal(err)
		}
		tasks := authorized(t, db, 3, "three")
		if len(tasks) != 1 || tasks[0].Kind != KindTenantResume || tasks[0].Epoch != before[0].Epoch+1 {
			t.Errorf("tasks = %v, want the resume begun anew", tasks)
		}
	})
	t.Run("the first grant", func(t *testing.T) {
		made := handMade(t, db, "by-hand", new(int64(4)))
		l := take(t, db, Task{Kind: KindTenantProvision, ID: made.ID, Epoch: made.Epoch})
		makeReady(t, db, l)
		authorized(t, db, 4, "four")
		if got := openSteps(t, db, made.ID); got != "" {
			t.Errorf("open steps = %q, want none", got)
		}
	})
}

// TestUninstallWithoutATime ends an uninstall of which nobody can read when it was.
func TestUninstallWithoutATime(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for merchant, lifecycle := range map[int64]*time.Time{1: nil, 2: new(time.Now())} {
		id := inStatus(t, db, merchant, "ready")
		exec(t, db, `UPDATE tenants SET lifecycle_at = $2 WHERE id = $1`, id, lifecycle)
		seen, err := db.Installation(t.Context(), merchant, nil)
		if err != nil {
			t.Fatal(err)
		}
		l := take(t, db, recordEvent(t, db, merchant, "app.uninstalled", time.Time{}).Tasks[0])
		if stale, _, err := db.EndUninstall(t.Context(), l, LifecycleEnd{Merchant: merchant, Seen: seen}); err != nil || stale {
			t.Fatalf("uninstall: %v, stale: %v", err, stale)
		}
		if got := tenantNow(t, db, id); got.Installed || got.Status != "suspended" {
			t.Errorf("%s, installed: %v, want it suspended and not installed", got.Status, got.Installed)
		}
	}
}

// A new admin of the organization of a tenant whose owner is invited may be the owner:
// that is looked at whatever the tenant is about.
func TestMembershipOfATenantThatIsNotReady(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for i, tt := range []struct {
		status string
		opened bool
		task   string // what is begun
	}{
		{"pending", true, ""},
		{"provisioning", true, KindTenantProvision},
		{"ready", true, KindTenantProvision},
		{"failed", true, ""},
		{"suspended", true, ""},
		{"deprovisioning", false, ""},
		{"deleted", false, ""},
	} {
		merchant := int64(i + 1)
		id := inStatus(t, db, merchant, tt.status)
		exec(t, db, `UPDATE tenants SET clerk_organization_id = $2, clerk_owner = 'invited' WHERE id = $1`, id, "org_"+tt.status)
		exec(t, db, `UPDATE steps SET status = 'done' WHERE tenant_id = $1 AND name = $2`, id, tenant.StepVerify)
		before := tenantNow(t, db, id)
		rec := recordEvent(t, db, merchant, "organizationMembership.created", time.Time{})

		tasks, err := db.EndClerkMembership(t.Context(), take(t, db, rec.Tasks[0]), ClerkMembership{
			ClerkTold:      ClerkTold{ID: "orgmem_" + tt.status, SentAt: time.Now(), EventID: rec.ID},
			OrganizationID: "org_" + tt.status, UserID: "user_1", Role: ClerkAdmin,
		})
		if err != nil {
			t.Fatal(err)
		}

		began := ""
		for _, task := range tasks {
			began += task.Kind
		}
		e, err := db.Event(t.Context(), rec.ID)
		if err != nil || e.Status != EventApplied || e.TenantID == nil || *e.TenantID != id || began != tt.task {
			t.Errorf("%s: %s with %q, %v, want applied with %q", tt.status, e.Status, began, err, tt.task)
		}
		steps, err := db.Steps(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if verify := steps[len(steps)-1]; (verify.Status == "pending") != tt.opened {
			t.Errorf("%s: verify is %s", tt.status, verify.Status)
		}
		if after := tenantNow(t, db, id); after.Status != before.Status || after.LastError != nil && before.LastError == nil {
			t.Errorf("%s became %s", tt.status, after.Status)
		}
	}
}
