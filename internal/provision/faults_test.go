package provision

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// TestCutOff cuts a worker off after each of its calls in turn: the call is made,
// its reply is never seen, nothing more is written. Whatever it was, the next
// worker finds it and makes nothing twice.
func TestCutOff(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 30, 57, 59, 61} {
		t.Run(fmt.Sprint("after call ", n), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			task := w.installed(sandbox.StoreSpec{Merchant: 2001, Name: "Roses"})
			ctx, kill := context.WithCancel(t.Context())
			defer kill()
			what, calls := "nothing", 0
			w.wire.onCall(func(i int, r *http.Request) error {
				calls = i
				if i < n {
					return nil
				}
				if i == n {
					what = r.Method + " " + r.URL.Path
				}
				kill()
				return errReplyLost
			})
			err := w.attempt(ctx, task)
			w.wire.onCall(nil)
			if err == nil {
				t.Fatalf("it was not cut off: %d calls", calls)
			}
			if got := w.tenant(task.ID); got.Status != "provisioning" {
				t.Fatalf("%s after %s, want provisioning", got.Status, what)
			}

			got := w.untilReady(task)

			w.whole(got, "2001")
			if u := w.users("owner-2001@example.com"); len(u) != 1 || *got.ClerkOwner != "member" || len(w.members(*got.ClerkOrganizationID)) != 1 {
				t.Errorf("after %s: %d users, owner %s", what, len(u), *got.ClerkOwner)
			}
		})
	}
}

// TestLostReplies loses the reply of one call without ending the worker.
func TestLostReplies(t *testing.T) {
	t.Parallel()
	for name, rule := range map[string]sandbox.FaultRule{
		"store info":   {System: "salla", Path: "/store/info", Effect: sandbox.EffectDropAfter, Count: 1},
		"organization": {System: "clerk", Method: "POST", Path: "/organizations$", Effect: sandbox.EffectDropAfter, Count: 1},
		"user":         {System: "clerk", Method: "POST", Path: "/users$", Effect: sandbox.EffectDropAfter, Count: 1},
		"membership":   {System: "clerk", Method: "POST", Path: "/organizations/*/memberships", Effect: sandbox.EffectDropAfter, Count: 1},
		"half a reply": {System: "clerk", Method: "POST", Path: "/organizations$", Effect: sandbox.EffectTruncate, Count: 1},
		"empty reply":  {System: "clerk", Method: "POST", Path: "/users$", Effect: sandbox.EffectEmpty, Count: 1},
		"subscribe":    {System: "salla", Path: "/webhooks/subscribe", Effect: sandbox.EffectDropAfter, Count: 3},
		"protect":      {System: "salla", Method: "PUT", Path: "/webhooks/", Effect: sandbox.EffectDropAfter, Count: 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			task := w.installed(sandbox.StoreSpec{Merchant: 2002, Name: "Roses"})
			w.fault(rule)

			err := w.attempt(t.Context(), task)

			if err == nil {
				t.Fatal("nothing was lost")
			}
			if got := w.tenant(task.ID); got.Status != "provisioning" || got.Attempts != 1 {
				t.Errorf("%s with %d attempts, want provisioning with 1: %v", got.Status, got.Attempts, err)
			}
			got := w.untilReady(task)
			w.whole(got, "2002")
			if *got.ClerkOwner != "member" {
				t.Errorf("owner = %s, want member: the user is ours", *got.ClerkOwner)
			}
		})
	}
}

// TestRefusedForGood refuses one step until somebody mends the cause. The tenant
// is failed with the reason, and either way of retrying makes it ready.
func TestRefusedForGood(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		rule  sandbox.FaultRule
		step  tenant.Step
		words string
	}{
		{"store", sandbox.FaultRule{System: "salla", Path: "/store/info", Effect: sandbox.EffectStatus, Status: 422}, tenant.StepStore, "then retry"},
		{"key", sandbox.FaultRule{System: "clerk", Effect: sandbox.EffectStatus, Status: 401}, tenant.StepIdentity, "CLERK_SECRET_KEY"},
		{"plan", sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/users$", Effect: sandbox.EffectStatus, Status: 402}, tenant.StepIdentity, "plan"},
		{"address", sandbox.FaultRule{System: "salla", Path: "/webhooks/subscribe", Effect: sandbox.EffectStatus, Status: 422}, tenant.StepSubscriptions, "PUBLIC_URL"},
	} {
		for _, by := range []string{"an operator's retry", "Asynq's run"} {
			t.Run(tt.name+", "+by, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				task := w.installed(sandbox.StoreSpec{Merchant: 2003, Name: "Roses"})
				mend := w.fault(tt.rule)

				if err := w.attempt(t.Context(), task); err == nil {
					t.Fatal("it was not refused")
				}

				got, step := w.tenant(task.ID), w.step(task.ID, tt.step)
				if got.Status != "failed" || got.State != "failed" || got.LastError == nil {
					t.Fatalf("%s, row %s, reason %v", got.Status, got.State, got.LastError)
				}
				if step.Status != "failed" || step.Error == nil || !strings.Contains(*step.Error, tt.words) {
					t.Errorf("step %s: %s %v, want failed with %q", tt.step, step.Status, *step.Error, tt.words)
				}
				mend()
				if by == "an operator's retry" {
					_, tasks, err := w.db.RetryTenant(t.Context(), task.ID, store.Actor{Name: "op"})
					if err != nil || tasks[0].Epoch != task.Epoch {
						t.Fatalf("retry: %v, %v", tasks, err)
					}
				}
				w.whole(w.untilReady(task), "2003")
			})
		}
	}
}

// TestPasses fails each step once with what passes by itself.
func TestPasses(t *testing.T) {
	t.Parallel()
	for step, rule := range map[tenant.Step]sandbox.FaultRule{
		tenant.StepStore:         {System: "salla", Path: "/store/info", Effect: sandbox.EffectStatus, Status: 503, Count: 1},
		tenant.StepIdentity:      {System: "clerk", Method: "POST", Path: "/organizations$", Effect: sandbox.EffectStatus, Status: 500, Body: "html", Count: 1},
		tenant.StepSubscriptions: {System: "salla", Path: "/webhooks", Effect: sandbox.EffectStatus, Status: 403, Count: 1},
	} {
		t.Run(string(step), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			task := w.installed(sandbox.StoreSpec{Merchant: 2004, Name: "Roses"})
			w.fault(rule)

			err := w.attempt(t.Context(), task)

			if s := w.step(task.ID, step); err == nil || s.Status != "running" || !strings.Contains(*s.Error, "by itself") {
				t.Errorf("step %s: %s, %v, want running with its error", step, s.Status, err)
			}
			if got := w.tenant(task.ID); got.Status != "provisioning" || got.Attempts != 1 {
				t.Errorf("%s with %d attempts", got.Status, got.Attempts)
			}
			w.whole(w.untilReady(task), "2004")
		})
	}
}

func TestLimitOfClerk(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 2005, Name: "Roses"})
	w.fault(sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/users$", Effect: sandbox.EffectStatus, Status: 429, RetryAfter: "7", Count: 1})

	err := w.attempt(t.Context(), task)

	if s := w.step(task.ID, tenant.StepIdentity); s.Status != "waiting" || !strings.Contains(err.Error(), "limit") {
		t.Errorf("step: %s, %v, want it to wait", s.Status, err)
	}
	if got := w.tenant(task.ID); got.Attempts != 0 {
		t.Errorf("%d attempts spent by waiting", got.Attempts)
	}
	w.whole(w.untilReady(task), "2005")
}

func TestMissingScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 2006, Scopes: "settings.read orders.read offline_access"})

	err := w.attempt(t.Context(), task)

	if s := w.step(task.ID, tenant.StepSubscriptions); s.Status != "failed" || !strings.Contains(*s.Error, "partner portal") {
		t.Errorf("step: %s %v: %v", s.Status, *s.Error, err)
	}
}

// TestDamage damages what was made before verify looks: it is made again, and
// never twice.
func TestDamage(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(w *world, got store.Tenant) error{
		"organization deleted": func(w *world, got store.Tenant) error {
			return w.p.Clerk.DeleteOrganization(w.t.Context(), *got.ClerkOrganizationID)
		},
		"database dropped": func(w *world, got store.Tenant) error {
			return w.servers.Drop(w.t.Context(), *got.DatabaseServer, *got.DatabaseName, *got.DatabaseRole)
		},
		"login closed": func(w *world, got store.Tenant) error {
			return w.servers.SetLogin(w.t.Context(), *got.DatabaseServer, *got.DatabaseName, *got.DatabaseRole, false)
		},
		"webhooks gone": func(w *world, _ store.Tenant) error {
			if err := w.sandbox.Uninstall(w.t.Context(), 2007); err != nil {
				return err
			}
			return nil
		},
		"database known but not recorded": func(w *world, got store.Tenant) error {
			w.exec(`UPDATE tenants SET model_version = NULL WHERE id = $1`, got.ID)
			w.exec(`UPDATE steps SET status = 'running' WHERE tenant_id = $1 AND name = 'database'`, got.ID)
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			task := w.installed(sandbox.StoreSpec{Merchant: 2007, Name: "Roses"})
			before := w.untilReady(task)
			if err := damage(w, before); err != nil {
				t.Fatal(err)
			}
			if name == "webhooks gone" {
				w.grant(task.ID, 2007)
			}

			w.exec(`UPDATE steps SET status = 'pending' WHERE tenant_id = $1 AND name = 'verify'`, task.ID)
			w.exec(`UPDATE tenants SET state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
			got := w.untilReady(task)

			w.whole(got, "2007")
			if *got.DatabaseName != *before.DatabaseName {
				t.Errorf("database %s, want %s", *got.DatabaseName, *before.DatabaseName)
			}
		})
	}
}
