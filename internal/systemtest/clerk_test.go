package systemtest

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	control "github.com/wosool/wosool/internal/store"
)

// Whoever was at Clerk before is invited, and becomes the owner by accepting, with one
// look at Clerk and no more. Our own calls there lead to webhooks that change nothing;
// what people delete there is seen.
func TestOwnerAcceptsAndLeaves(t *testing.T) {
	t.Parallel()
	const merchant = 71041
	s := newSystem(t, options{workers: 1})
	spec := store(merchant, 8)
	if _, err := s.sandbox.PreexistingUser(spec.Email); err != nil {
		t.Fatal(err)
	}
	s.sandbox.AddStore(spec)
	s.install(merchant)
	made := s.awaitStatus(merchant, "ready")
	id := uuid.MustParse(made.ID)
	if made.Clerk.Owner == nil || *made.Clerk.Owner != "invited" {
		t.Fatalf("the owner is %v, want invited", made.Clerk.Owner)
	}
	s.settled(t)
	epoch := s.epoch(t, id)

	if err := s.sandbox.AcceptInvitation(s.sandbox.ClerkState().Invitations[0].ID); err != nil {
		t.Fatal(err)
	}
	dbtest.Eventually(t, 30*time.Second, "the owner is a member", func() bool {
		now, ok := s.tenant(merchant)
		return ok && now.Status == "ready" && now.Clerk.Owner != nil && *now.Clerk.Owner == "member"
	})
	s.settled(t)
	if got := s.epoch(t, id); got != epoch+1 {
		t.Errorf("the tenant was looked at %d times, want once", got-epoch)
	}
	gone := func() bool {
		has, err := control.New(s.pool).HasNeed(t.Context(), id, control.NeedOwnerGone)
		return err == nil && has
	}
	if gone() {
		t.Error("the owner is there and somebody is asked to help")
	}
	var owner string
	if err := s.pool.QueryRow(t.Context(), `
		SELECT t.clerk_owner_id
		FROM tenants AS t JOIN clerk_memberships AS m ON m.organization_id = t.clerk_organization_id AND m.user_id = t.clerk_owner_id
		JOIN clerk_organizations AS o ON o.id = m.organization_id AND o.store_id = t.merchant::text
		JOIN clerk_users AS u ON u.id = m.user_id AND u.email_verified
		WHERE t.id = $1 AND m.role = 'org:admin' AND m.deleted_at IS NULL`, id).Scan(&owner); err != nil {
		t.Errorf("the mirror does not have the owner: %v", err)
	}

	s.clerkDelete(t, "/organizations/"+*made.Clerk.Organization+"/memberships/"+owner)
	dbtest.Eventually(t, 30*time.Second, "the lost owner is seen", gone)
	s.clerkDelete(t, "/organizations/"+*made.Clerk.Organization)
	s.settled(t)
	if now, _ := s.tenant(merchant); now.Status != "ready" || !gone() || *now.Clerk.Owner != "member" {
		t.Errorf("afterwards: %s, owner %v, seen %v; the tenant is to stay as it is, and be seen", now.Status, now.Clerk.Owner, gone())
	}
	var other int
	if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM events WHERE source = 'clerk' AND status <> 'applied'`).Scan(&other); err != nil || other != 0 {
		t.Errorf("%d of Clerk's events are not applied, %v", other, err)
	}
}

// settled waits until Clerk's messages are delivered and applied, and no tenant is
// worked on.
func (s *system) settled(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.sandbox.Settle(ctx); err != nil {
		t.Fatal(err)
	}
	dbtest.Eventually(t, 30*time.Second, "nothing of Clerk's is left to be done", func() bool {
		var left int
		err := s.pool.QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM events WHERE source = 'clerk' AND state <> 'done') + (SELECT count(*) FROM tenants WHERE state <> 'done')`).Scan(&left)
		return err == nil && left == 0
	})
}

func (s *system) epoch(t *testing.T, id uuid.UUID) (epoch int64) {
	t.Helper()
	if err := s.pool.QueryRow(t.Context(), `SELECT epoch FROM tenants WHERE id = $1`, id).Scan(&epoch); err != nil {
		t.Fatal(err)
	}
	return epoch
}

// clerkDelete deletes something at Clerk, as its dashboard would.
func (s *system) clerkDelete(t *testing.T, path string) {
	t.Helper()
	base := ""
	for _, setting := range s.env {
		if value, found := strings.CutPrefix(setting, "CLERK_API_URL="); found {
			base = value
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, base+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+clerkKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("delete %s: %s", path, resp.Status)
	}
}
