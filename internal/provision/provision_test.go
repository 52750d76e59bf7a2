package provision

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 1001, Name: "متجر <b>Roses</b> & roses.example.com", Email: "owner@example.com", Plan: "plus", Currency: "KWD"})

	got := w.untilReady(task)

	want := []string{
		"store done", "identity done", "database done", "seed done", "workspace skipped", "subscriptions done", "verify done",
	}
	if diff := cmp.Diff(want, w.steps(task.ID)); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
	if got.Name != "متجر <b>Roses</b> & roses.example.com" || *got.OwnerEmail != "owner@example.com" || *got.Plan != "plus" ||
		*got.ClerkOwner != "member" || got.ReadyAt == nil || *got.ModelVersion == 0 {
		t.Errorf("tenant = %+v", got)
	}
	w.whole(got, "1001")
	org := w.marked("1001")[0]
	if org.ID != *got.ClerkOrganizationID || org.CreatedBy != "" || strings.ContainsAny(org.Name, "<>") {
		t.Errorf("organization = %+v", org)
	}
	owner := w.users("owner@example.com")
	if len(owner) != 1 || owner[0].ID != *got.ClerkOwnerID || !owner[0].Emails[0].Reserved || owner[0].PrivateMetadata.Text(storeID) != "1001" {
		t.Errorf("owner = %+v", owner)
	}
	if diff := cmp.Diff([]string{owner[0].ID + " org:admin"}, w.members(org.ID)); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	if n := w.called("clerk POST /sign_in_tokens"); n != 0 {
		t.Errorf("%d sign-in tokens were made, want none", n)
	}
	var doc struct{ Intent json.RawMessage }
	for _, s := range w.stepRows(task.ID) {
		doc.Intent = append(doc.Intent, s.Intent...)
	}
	if strings.Contains(string(doc.Intent), secret) || strings.Contains(string(got.DatabasePassword), "=") && len(got.DatabasePassword) < 60 {
		t.Error("a secret is in the clear")
	}
	db, err := w.access.Open(t.Context(), task.ID)
	if err != nil {
		t.Fatal(err)
	}
	seed, err := seedOf(got)
	if err != nil {
		t.Fatal(err)
	}
	if missing, err := db.VerifySeed(t.Context(), seed); err != nil || len(missing) > 0 || seed.Currency != "KWD" {
		t.Errorf("seed lacks %v, %v", missing, err)
	}

	// A new grant of a ready tenant finds everything done.
	calls := w.called("salla POST")
	w.exec(`UPDATE tenants SET state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
	w.untilReady(task)
	if n := w.called("salla POST"); n != calls {
		t.Errorf("%d more calls by another round, want none", n-calls)
	}
}

func TestByHand(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.byHand("store-1002", nil)

	got := w.untilReady(task)

	mark := "tenant:" + task.ID.String()
	w.whole(got, mark)
	if s := w.step(task.ID, tenant.StepSubscriptions); s.Status != "skipped" || !strings.Contains(*s.Error, "not granted") {
		t.Errorf("subscriptions: %s %v", s.Status, s.Error)
	}
	if w.called("salla ") != 0 || got.Name != "Given by hand" || *got.ClerkOwner != "member" {
		t.Errorf("%d calls to Salla, tenant %+v", w.called("salla "), got)
	}

	// Its store comes: the tenant keeps its identity and what was given by hand.
	w.sandbox.AddStore(sandbox.StoreSpec{Merchant: 1002, Name: "Their own name", Email: "theirs@example.com"})
	w.exec(`UPDATE tenants SET merchant = 1002 WHERE id = $1`, task.ID)
	w.grant(task.ID, 1002)
	w.exec(`UPDATE steps SET status = 'pending' WHERE tenant_id = $1 AND name IN ('store', 'seed', 'subscriptions', 'verify')`, task.ID)
	w.exec(`UPDATE tenants SET state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
	got = w.untilReady(task)
	w.whole(got, mark)
	if got.Name != "Given by hand" || *got.OwnerEmail != "store-1002@example.com" || got.Store == nil {
		t.Errorf("adopted: %+v", got)
	}
	if len(w.marked("1002")) != 0 || len(w.users("theirs@example.com")) != 0 {
		t.Error("the store's own identity was made beside the tenant's")
	}
}

func TestExistingPersonIsInvited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	stranger, err := w.sandbox.PreexistingUser("victim@example.com")
	if err != nil {
		t.Fatal(err)
	}
	task := w.installed(sandbox.StoreSpec{Merchant: 1003, Email: "Victim@example.com"})

	got := w.untilReady(task)

	if got.ClerkOwnerID != nil || *got.ClerkOwner != "invited" {
		t.Errorf("owner = %v %s, want nobody, invited", got.ClerkOwnerID, *got.ClerkOwner)
	}
	if members := w.members(*got.ClerkOrganizationID); len(members) != 0 {
		t.Errorf("members = %v, want none", members)
	}
	invitations, err := w.p.Clerk.Invitations(t.Context(), *got.ClerkOrganizationID)
	if err != nil || len(invitations) != 1 || invitations[0].Role != clerk.RoleAdmin {
		t.Fatalf("invitations = %+v, %v, want one", invitations, err)
	}

	// Another store's user of ours is a stranger to this one.
	other := w.untilReady(w.installed(sandbox.StoreSpec{Merchant: 1004, Email: "both@example.com"}))
	second := w.untilReady(w.installed(sandbox.StoreSpec{Merchant: 1005, Email: "both@example.com"}))
	if *other.ClerkOwner != "member" || *second.ClerkOwner != "invited" {
		t.Errorf("owners %s and %s, want member and invited", *other.ClerkOwner, *second.ClerkOwner)
	}

	// Once the invited person has come, verify makes them the owner.
	if err := w.sandbox.AcceptInvitation(invitations[0].ID); err != nil {
		t.Fatal(err)
	}
	w.exec(`UPDATE steps SET status = 'pending' WHERE tenant_id = $1 AND name = 'verify'`, task.ID)
	w.exec(`UPDATE tenants SET state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
	got = w.untilReady(task)
	if *got.ClerkOwner != "member" || *got.ClerkOwnerID != stranger {
		t.Errorf("owner = %v %s, want the invited person", *got.ClerkOwnerID, *got.ClerkOwner)
	}
}

func TestStoreWithoutAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)

	got := w.untilReady(w.installed(sandbox.StoreSpec{Merchant: 1006, Email: "غير متوفر"}))

	if got.OwnerEmail != nil || got.ClerkOwner != nil || len(w.members(*got.ClerkOrganizationID)) != 0 {
		t.Errorf("owner = %v %v, want nobody", got.OwnerEmail, got.ClerkOwner)
	}
	w.whole(got, "1006")
}

func TestSameNames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// Enough of them that ours, the oldest, is on the last page.
	twin := func(mark string) string {
		t.Helper()
		o, err := w.p.Clerk.CreateOrganization(t.Context(), clerk.NewOrganization{
			Name: "متجر الورد", PrivateMetadata: clerk.Metadata{storeID: mark},
		})
		if err != nil {
			t.Fatal(err)
		}
		return o.ID
	}
	oldest := twin("1007")
	for range 110 {
		twin("of another store")
	}
	younger := twin("1007")

	got := w.untilReady(w.installed(sandbox.StoreSpec{Merchant: 1007, Name: "متجر الورد"}))

	if *got.ClerkOrganizationID != oldest {
		t.Errorf("organization = %s, want the oldest with the mark, %s", *got.ClerkOrganizationID, oldest)
	}
	w.whole(got, "1007")
	if _, err := w.p.Clerk.Organization(t.Context(), younger); !errors.Is(err, fault.NotFound) {
		t.Errorf("the second organization: %v, want it removed", err)
	}
	if n := len(w.marked("of another store")); n != 110 {
		t.Errorf("%d of another store are left, want 110", n)
	}
	if other := w.untilReady(w.installed(sandbox.StoreSpec{Merchant: 1008, Name: "متجر الورد"})); *other.ClerkOrganizationID == oldest {
		t.Error("two stores of one name share an organization")
	}
}

func TestTwinWithMembersIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 1009, Name: "Roses"})
	w.untilReady(task)
	person, err := w.sandbox.PreexistingUser("somebody@example.com")
	if err != nil {
		t.Fatal(err)
	}
	o, err := w.p.Clerk.CreateOrganization(t.Context(), clerk.NewOrganization{Name: "Roses", PrivateMetadata: clerk.Metadata{storeID: "1009"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.p.Clerk.CreateMembership(t.Context(), o.ID, person, "org:admin"); err != nil {
		t.Fatal(err)
	}

	w.exec(`UPDATE steps SET status = 'pending' WHERE tenant_id = $1 AND name = 'verify'`, task.ID)
	w.exec(`UPDATE tenants SET state = 'runnable', due_at = now() WHERE id = $1`, task.ID)
	err = w.attempt(t.Context(), task)

	if !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), o.ID) || !strings.Contains(err.Error(), "then retry") {
		t.Errorf("error = %v, want a conflict that names it and what to do", err)
	}
	if _, err := w.p.Clerk.Organization(t.Context(), o.ID); err != nil {
		t.Errorf("the second organization was removed: %v", err)
	}
}

func TestGrantOfAnotherStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 1010})
	other := w.installed(sandbox.StoreSpec{Merchant: 1011})
	w.access.tokens[task.ID] = w.access.tokens[other.ID]

	err := w.attempt(t.Context(), task)

	if !errors.Is(err, fault.Conflict) || w.tenant(task.ID).Status != "failed" {
		t.Errorf("error = %v, tenant %s, want it refused", err, w.tenant(task.ID).Status)
	}
}

func TestWaitForGrant(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 1012})
	token := w.access.tokens[task.ID]
	delete(w.access.tokens, task.ID)

	err := w.attempt(t.Context(), task)

	var wait *fault.Wait
	if !errors.As(err, &wait) || !wait.Until.IsZero() {
		t.Fatalf("error = %v, want a wait without a time", err)
	}
	got := w.tenant(task.ID)
	if s := w.step(task.ID, tenant.StepStore); s.Status != "waiting" || !strings.Contains(*s.Error, "install the app again") {
		t.Errorf("step: %s %v", s.Status, s.Error)
	}
	if got.Status != "provisioning" || got.State != "waiting" || got.Attempts != 0 {
		t.Errorf("%s, row %s, %d attempts, want provisioning, waiting, none spent", got.Status, got.State, got.Attempts)
	}
	w.access.tokens[task.ID] = token
	if tasks, err := w.db.SweepTenants(t.Context(), 10); err != nil || len(tasks) != 1 {
		t.Fatalf("woken: %v, %v", tasks, err)
	}
	w.untilReady(task)
}

func TestDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 1013})
	stop := make(chan struct{})
	var once bool
	w.wire.onCall(func(_ int, r *http.Request) error {
		if !once && strings.HasSuffix(r.URL.Path, "/webhooks/subscribe") {
			once = true
			close(stop)
		}
		return nil
	})

	err := w.attempt(fault.WithDrain(t.Context(), stop), task)

	if !errors.Is(err, fault.ErrHandBack) {
		t.Fatalf("error = %v, want it handed back", err)
	}
	w.wire.onCall(nil)
	if n := len(w.sandbox.Subscriptions(1013)); n == 0 || n > atOnce {
		t.Errorf("%d subscriptions, want it to stop soon after the first", n)
	}
	if got := w.tenant(task.ID); got.Attempts != 0 || got.State != "runnable" {
		t.Errorf("row %s with %d attempts", got.State, got.Attempts)
	}
	w.whole(w.untilReady(task), "1013")
}

// TestTakenAway holds that a tenant that is suspended while it is provisioned
// never becomes ready, and that nothing goes on behind its back.
func TestTakenAway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := w.installed(sandbox.StoreSpec{Merchant: 1014})
	var next []store.Task
	w.wire.onCall(func(n int, r *http.Request) error {
		if next != nil || !strings.HasSuffix(r.URL.Path, "/memberships") || r.Method != http.MethodPost {
			return nil
		}
		_, tasks, err := w.db.SuspendTenant(context.WithoutCancel(r.Context()), task.ID, store.Actor{Name: "op"})
		next = tasks
		return err
	})

	err := w.attempt(t.Context(), task)

	if !errors.Is(err, fault.ErrLost) {
		t.Errorf("error = %v, want ErrLost", err)
	}
	if got := w.tenant(task.ID); got.Status != "suspended" || got.ReadyAt != nil {
		t.Errorf("%s, ready at %v", got.Status, got.ReadyAt)
	}
	if _, taken, err := w.db.Take(t.Context(), task, 0); err != nil || taken != store.TakenGone {
		t.Errorf("the old task: %v, %v, want it gone", taken, err)
	}

	w.wire.onCall(nil)
	if err := w.attempt(t.Context(), next[0]); err != nil {
		t.Fatal(err)
	}
	_, tasks, err := w.db.ResumeTenant(t.Context(), task.ID, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.attempt(t.Context(), tasks[0]); err != nil {
		t.Fatal(err)
	}
	now := w.tenant(task.ID)
	w.whole(w.untilReady(store.Task{Kind: now.Task, ID: now.ID, Epoch: now.Epoch}), "1014")
}
