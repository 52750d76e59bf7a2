package events

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
)

// clerkSays records and applies one message of Clerk.
func (b *bench) clerkSays(t *testing.T, name string, data map[string]any) store.Event {
	t.Helper()
	return b.clerkSaysAs(t, "ins_1", uuid.NewString(), name, data)
}

func (b *bench) clerkSaysAs(t *testing.T, instance, id, name string, data map[string]any) store.Event {
	t.Helper()
	body, err := json.Marshal(map[string]any{"object": "event", "type": name, "instance_id": instance, "timestamp": 1716883200, "data": data})
	if err != nil {
		t.Fatal(err)
	}
	header := http.Header{}
	header.Set("svix-id", "msg_"+id)
	header.Set("svix-timestamp", fmt.Sprint(time.Now().Unix()))
	rec, err := b.inbox.Record(t.Context(), Delivery{Source: SourceClerk, Header: header, Body: body, ReceivedAt: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	b.runAll(t, rec.Tasks)
	return b.event(t, rec.EventID)
}

func membershipOf(org, role string) map[string]any {
	return map[string]any{
		"object": "organization_membership", "id": "orgmem_1", "role": role, "created_at": 1_700_000_000_000, "updated_at": 1_700_000_000_001,
		"organization":     map[string]any{"id": org, "name": "Palm", "private_metadata": map[string]any{"store_id": "7"}},
		"public_user_data": map[string]any{"user_id": "user_1", "identifier": "noura@example.com", "first_name": "Noura"},
	}
}

// An admin of the organization of a tenant whose owner is invited leads to a look,
// and to nothing else; whoever is no admin, or of somebody else's, to none.
func TestClerkMembership(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, event, org, role, owner string
		looks                         bool
	}{
		{"the invited one's", "organizationMembership.created", "org_1", "org:admin", "invited", true},
		{"made admin later", "organizationMembership.updated", "org_1", "org:admin", "invited", true},
		{"not an admin", "organizationMembership.created", "org_1", "org:member", "invited", false},
		{"gone again", "organizationMembership.deleted", "org_1", "org:admin", "invited", false},
		{"another organization's", "organizationMembership.created", "org_2", "org:admin", "invited", false},
		{"one that we made", "organizationMembership.created", "org_1", "org:admin", "member", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.applier.ClerkInstance = "ins_1"
			tenantID := b.ready(t, 7, "")
			b.exec(t, `UPDATE tenants SET clerk_organization_id = 'org_1', clerk_owner = $1, clerk_owner_id = CASE $1 WHEN 'member' THEN 'user_1' END`, tt.owner)
			b.exec(t, `INSERT INTO steps (tenant_id, name, position, status) VALUES ($1, 'verify', 7, 'done')`, tenantID)

			e := b.clerkSays(t, tt.event, membershipOf(tt.org, tt.role))

			if e.Status != store.EventApplied || (e.TenantID != nil) != (tt.org == "org_1") {
				t.Errorf("%s, tenant %v: %s", e.Status, e.TenantID, words(e))
			}
			looks := b.count(t, `SELECT count(*) FROM steps WHERE name = 'verify' AND status = 'pending'`) == 1 &&
				b.count(t, `SELECT count(*) FROM tenants WHERE status = 'ready' AND state = 'runnable' AND task = 'tenant:provision'`) == 1
			if looks != tt.looks {
				t.Errorf("looks %v, want %v", looks, tt.looks)
			}
			if b.count(t, `SELECT count(*) FROM tenants WHERE clerk_owner = $1`, tt.owner) != 1 {
				t.Error("a message alone has changed whose the tenant is")
			}
		})
	}
}

// Each kind of message ends applied and is in the mirror, without what tells who
// somebody is; everything else is ignored, and what cannot be read fails in words.
func TestWhatClerkSaysIsMirrored(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.applier.ClerkInstance = "ins_1"
	user := map[string]any{
		"object": "user", "id": "user_1", "created_at": 1_700_000_000_000, "updated_at": 1_700_000_000_005, "banned": true, "locked": false,
		"first_name": "Noura", "primary_email_address_id": "idn_2", "email_addresses": []any{
			map[string]any{"id": "idn_1", "email_address": "old@example.com", "verification": nil},
			map[string]any{"id": "idn_2", "email_address": "noura@example.com", "verification": map[string]any{"status": "verified"}},
		},
	}
	organization := map[string]any{
		"object": "organization", "id": "org_1", "name": "Palm", "created_at": 1_700_000_000_000, "updated_at": 1_700_000_000_000,
		"private_metadata": map[string]any{"store_id": "7"},
	}
	for _, tt := range []struct {
		event string
		data  map[string]any
		check string
	}{
		{"user.created", user, `SELECT count(*) FROM clerk_users WHERE id = 'user_1' AND banned AND NOT locked AND email_verified
			AND source_updated_at = to_timestamp(1700000000.005)`},
		{"organization.created", organization, `SELECT count(*) FROM clerk_organizations WHERE id = 'org_1' AND name = 'Palm' AND store_id = '7'`},
		{"organizationMembership.created", membershipOf("org_1", "org:admin"), `SELECT count(*) FROM clerk_memberships WHERE id = 'orgmem_1' AND role = 'org:admin'`},
		{"organizationMembership.deleted", membershipOf("org_1", "org:admin"), `SELECT count(*) FROM clerk_memberships WHERE id = 'orgmem_1' AND deleted_at IS NOT NULL`},
		{"organizationMembership.updated", membershipOf("org_1", "org:admin"), `SELECT count(*) FROM clerk_memberships WHERE id = 'orgmem_1' AND deleted_at IS NOT NULL`},
		{"organization.deleted", map[string]any{"object": "organization", "id": "org_1", "deleted": true}, `SELECT count(*) FROM clerk_organizations WHERE deleted_at IS NOT NULL AND name IS NULL`},
		{"organization.updated", organization, `SELECT count(*) FROM clerk_organizations WHERE deleted_at IS NOT NULL AND name IS NULL`},
		{"user.deleted", map[string]any{"object": "user", "id": "user_1", "deleted": true}, `SELECT count(*) FROM clerk_users WHERE deleted_at IS NOT NULL AND banned IS NULL`},
		{"user.updated", user, `SELECT count(*) FROM clerk_users WHERE deleted_at IS NOT NULL AND banned IS NULL`},
	} {
		if e := b.clerkSays(t, tt.event, tt.data); e.Status != store.EventApplied || b.count(t, tt.check) != 1 {
			t.Errorf("%s: %s %s, in the mirror %d", tt.event, e.Status, words(e), b.count(t, tt.check))
		}
	}
	if n := b.count(t, `
		SELECT count(*) FROM (
			SELECT to_jsonb(u)::text AS row FROM clerk_users AS u
			UNION ALL SELECT to_jsonb(m)::text FROM clerk_memberships AS m
		) AS r WHERE row ~ 'Noura|example'`); n != 0 {
		t.Errorf("%d rows say who somebody is", n)
	}
	for _, name := range []string{"session.created", "user.renamed", "organizationInvitation.accepted", "email.created"} {
		if e := b.clerkSays(t, name, user); e.Status != store.EventIgnored || words(e) == "" {
			t.Errorf("%s: %s %s", name, e.Status, words(e))
		}
	}
	if e := b.clerkSaysAs(t, "ins_2", "other", "user.created", map[string]any{"id": "user_9"}); e.Status != store.EventIgnored ||
		!strings.Contains(words(e), "another instance") || b.count(t, `SELECT count(*) FROM clerk_users WHERE id = 'user_9'`) != 0 {
		t.Errorf("of another instance: %s %s", e.Status, words(e))
	}
	for name, data := range map[string]map[string]any{
		"user.created": {"id": "../users"}, "organization.updated": {"id": "user_1"}, "user.deleted": {},
		"organizationMembership.created": {"id": "orgmem_2", "organization": map[string]any{"id": "org_1"}},
	} {
		if e := b.clerkSays(t, name, data); e.Status != store.EventFailed || words(e) == "" {
			t.Errorf("%s of %v: %s %s, want failed with the reason", name, data, e.Status, words(e))
		}
	}
}

// A message that is replayed, or comes once more, changes nothing.
func TestClerkMessagesTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e := b.clerkSaysAs(t, "ins_1", "1", "organizationMembership.created", membershipOf("org_1", "org:admin"))
	again := b.clerkSaysAs(t, "ins_1", "1", "organizationMembership.created", membershipOf("org_1", "org:member"))
	if again.ID != e.ID || b.count(t, `SELECT count(*) FROM events`) != 1 {
		t.Errorf("the same svix-id is another event")
	}
	gone := b.clerkSays(t, "organizationMembership.deleted", membershipOf("org_1", "org:admin"))
	for _, id := range []uuid.UUID{e.ID, gone.ID, e.ID} {
		_, tasks, err := b.db.ReplayEvent(t.Context(), id, store.Actor{Name: "op"})
		if err != nil {
			t.Fatal(err)
		}
		b.runAll(t, tasks)
		if e := b.event(t, id); e.Status != store.EventApplied ||
			b.count(t, `SELECT count(*) FROM clerk_memberships WHERE deleted_at IS NOT NULL AND role IS NULL`) != 1 {
			t.Errorf("replayed: %s %s", e.Status, words(e))
		}
	}
}
