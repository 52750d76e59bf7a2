package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/dbtest"
)

// message is one thing that Clerk tells, of ids that end in #.
type message struct {
	name string
	tell func(told func(id string, deleted bool, updated int) ClerkTold) any
}

func organizationTold(updated int, name string) message {
	return message{"organization", func(told func(string, bool, int) ClerkTold) any {
		return ClerkOrganization{ClerkTold: told("org_#", false, updated), Name: name, StoreID: "77"}
	}}
}

func userTold(updated int, banned bool) message {
	return message{"user", func(told func(string, bool, int) ClerkTold) any {
		return ClerkUser{ClerkTold: told("user_#", false, updated), EmailVerified: true, Banned: banned}
	}}
}

func memberTold(updated int, role string) message {
	return message{"membership", func(told func(string, bool, int) ClerkTold) any {
		m := ClerkMembership{ClerkTold: told("orgmem_#", false, updated), Role: role, OrganizationName: "embedded"}
		m.OrganizationID, m.UserID = strings.Replace(m.ID, "orgmem", "org", 1), strings.Replace(m.ID, "orgmem", "user", 1)
		return m
	}}
}

func deletionTold(kind string) message {
	return message{kind + " deleted", func(told func(string, bool, int) ClerkTold) any {
		switch kind {
		case "organization":
			return ClerkOrganization{ClerkTold: told("org_#", true, 0)}
		case "user":
			return ClerkUser{ClerkTold: told("user_#", true, 0)}
		}
		m := ClerkMembership{ClerkTold: told("orgmem_#", true, 0)}
		m.OrganizationID, m.UserID = strings.Replace(m.ID, "orgmem", "org", 1), strings.Replace(m.ID, "orgmem", "user", 1)
		return m
	}}
}

// tell ends an event of what a message says about the ids with that number.
func tell(t *testing.T, db *DB, number int, sent time.Time, m message) []Task {
	t.Helper()
	// A merchant of its own, so that no other message is in its window.
	rec := recordEvent(t, db, rand.Int64N(1<<40), "clerk", time.Time{})
	l := take(t, db, rec.Tasks[0])
	begun := time.UnixMilli(1_700_000_000_000)
	said := m.tell(func(id string, deleted bool, updated int) ClerkTold {
		told := ClerkTold{ID: strings.Replace(id, "#", fmt.Sprint(number), 1), Deleted: deleted, SentAt: sent, EventID: rec.ID}
		if !deleted {
			at := begun.Add(time.Duration(updated) * time.Millisecond)
			told.CreatedAt, told.UpdatedAt = &begun, &at
		}
		return told
	})
	var tasks []Task
	var err error
	switch said := said.(type) {
	case ClerkOrganization:
		tasks, err = db.EndClerkOrganization(t.Context(), l, said)
	case ClerkUser:
		tasks, err = db.EndClerkUser(t.Context(), l, said)
	case ClerkMembership:
		tasks, err = db.EndClerkMembership(t.Context(), l, said)
	}
	if err != nil {
		t.Fatalf("%s: %v", m.name, err)
	}
	if e, err := db.Event(t.Context(), rec.ID); err != nil || e.Status != EventApplied {
		t.Fatalf("%s: %s, %v", m.name, e.Status, err)
	}
	return tasks
}

// mirrored puts what the mirror has of a number's ids into one line.
func mirrored(t *testing.T, db *DB, number int) string {
	t.Helper()
	var line string
	n := fmt.Sprint(number)
	if err := db.pool.QueryRow(t.Context(), `
		SELECT concat_ws(' ',
			(SELECT coalesce(name, '–') || '/' || coalesce(store_id, '–') || CASE WHEN deleted_at IS NOT NULL THEN ' †' ELSE '' END
			 FROM clerk_organizations WHERE id = 'org_' || $1),
			'|', (SELECT CASE banned WHEN true THEN 'banned' WHEN false THEN 'free' ELSE '–' END || CASE WHEN deleted_at IS NOT NULL THEN ' †' ELSE '' END
			 FROM clerk_users WHERE id = 'user_' || $1),
			'|', (SELECT coalesce(role, '–') || CASE WHEN deleted_at IS NOT NULL THEN ' †' ELSE '' END
			 FROM clerk_memberships WHERE id = 'orgmem_' || $1 AND organization_id = 'org_' || $1 AND user_id = 'user_' || $1))`, n).Scan(&line); err != nil {
		t.Fatal(err)
	}
	return line
}

// Whatever the order in which Clerk's messages come, the mirror ends the same: the
// newest wins, and what was deleted stays so and takes its memberships along.
func TestClerkMirrorIsTheSameInAnyOrder(t *testing.T) {
	t.Parallel()
	whole := []message{
		organizationTold(1, "old"), organizationTold(2, "new"), userTold(1, true), userTold(3, false),
		memberTold(1, "org:member"), memberTold(2, ClerkAdmin),
	}
	for name, tt := range map[string]struct {
		messages []message
		want     string
	}{
		"all live":             {whole, "new/77 | free | org:admin"},
		"membership deleted":   {append(whole[:6:6], deletionTold("membership")), "new/77 | free | – †"},
		"organization deleted": {append(whole[:6:6], deletionTold("organization")), "–/– † | free | – †"},
		"user deleted":         {append(whole[:6:6], deletionTold("user")), "new/77 | – † | – †"},
		"deletions alone":      {[]message{deletionTold("organization"), deletionTold("user"), deletionTold("membership")}, "–/– † | – † | – †"},
		"membership alone":     {whole[5:], "embedded/– | – | org:admin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := New(dbtest.Control(t))
			dice := rand.New(rand.NewPCG(4, 9))
			sent := time.Now().Truncate(time.Second)
			for number := range 12 {
				order := dice.Perm(len(tt.messages))
				for _, i := range order {
					tell(t, db, number, sent, tt.messages[i])
				}
				if got := mirrored(t, db, number); got != tt.want {
					t.Errorf("in the order %v: %q, want %q", order, got, tt.want)
				}
			}
		})
	}
}

// Of two messages of one moment the one that was sent later wins, and then the one
// that came later.
func TestClerkMirrorTies(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	early, late := time.Now().Add(-time.Minute), time.Now()

	tell(t, db, 1, late, organizationTold(5, "sent late"))
	tell(t, db, 1, early, organizationTold(5, "sent early"))
	tell(t, db, 2, early, organizationTold(5, "first"))
	tell(t, db, 2, early, organizationTold(5, "second"))
	tell(t, db, 3, early, organizationTold(6, "newer"))
	tell(t, db, 3, late, organizationTold(5, "older, sent late"))

	got := []string{mirrored(t, db, 1), mirrored(t, db, 2), mirrored(t, db, 3)}
	want := []string{"sent late/77 | |", "second/77 | |", "newer/77 | |"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A membership that comes at the moment in which its organization or user is deleted
// does not outlive them.
func TestFaultClerkMembershipMeetsADeletion(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for number := range 20 {
		var wg sync.WaitGroup
		gone := []string{"organization", "user"}[number%2]
		for _, m := range []message{memberTold(1, ClerkAdmin), deletionTold(gone), memberTold(2, "org:member")} {
			wg.Go(func() { tell(t, db, number, time.Now(), m) })
		}
		wg.Wait()
		if got := mirrored(t, db, number); !strings.HasSuffix(got, "| – †") {
			t.Errorf("with the %s deleted: %q", gone, got)
		}
	}
}

// Who lost its owner or organization at Clerk is among the tenants that need somebody,
// until somebody administers the organization again.
func TestTenantsThatLostTheirOwnerAreSeen(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	number, now := 0, time.Now()
	other := func(role string) message { // another member of the same organization
		return message{"another", func(told func(string, bool, int) ClerkTold) any {
			m := ClerkMembership{ClerkTold: told("orgmem_#", false, 9), UserID: "user_other", Role: role}
			m.OrganizationID = strings.Replace(m.ID, "orgmem", "org", 1)
			m.ID += "x"
			return m
		}}
	}
	for _, tt := range []struct {
		name     string
		status   string
		messages []message
		want     bool
	}{
		{"nothing was heard", "ready", nil, false},
		{"a member", "ready", []message{memberTold(1, ClerkAdmin)}, false},
		{"membership deleted", "ready", []message{memberTold(1, ClerkAdmin), deletionTold("membership")}, true},
		{"membership deleted, suspended", "suspended", []message{deletionTold("membership")}, true},
		{"membership deleted, removed", "deleted", []message{deletionTold("membership")}, false},
		{"admin no more", "ready", []message{memberTold(1, ClerkAdmin), memberTold(2, "org:member")}, true},
		{"user deleted", "ready", []message{deletionTold("user")}, true},
		{"organization deleted", "ready", []message{deletionTold("organization")}, true},
		{"organization deleted, another admin heard of late", "ready", []message{deletionTold("organization"), other(ClerkAdmin)}, true},
		{"user deleted, another admin", "ready", []message{deletionTold("user"), other(ClerkAdmin)}, false},
		{"membership deleted, another member", "ready", []message{deletionTold("membership"), other("org:member")}, true},
		{"membership deleted, another admin", "ready", []message{deletionTold("membership"), other(ClerkAdmin)}, false},
	} {
		number++
		id := inStatus(t, db, int64(number), tt.status)
		exec(t, db, `
			UPDATE tenants SET clerk_organization_id = $2, clerk_owner_id = $3, clerk_owner = 'member' WHERE id = $1`,
			id, fmt.Sprint("org_", number), fmt.Sprint("user_", number))
		before := tenantNow(t, db, id)
		for _, m := range tt.messages {
			if tasks := tell(t, db, number, now, m); len(tasks) > 0 {
				t.Errorf("%s: %s begins %v", tt.name, m.name, tasks)
			}
		}
		if has, err := db.HasNeed(t.Context(), id, NeedOwnerGone); err != nil || has != tt.want {
			t.Errorf("%s: %v, %v, want %v", tt.name, has, err, tt.want)
		}
		if d := cmp.Diff(before, tenantNow(t, db, id)); d != "" {
			t.Errorf("%s: the tenant changed: %s", tt.name, d)
		}
	}
	needs, err := db.Needs(t.Context())
	if err != nil || needs.Tenants[NeedOwnerGone] != 7 {
		t.Errorf("%d tenants, %v, want 7", needs.Tenants[NeedOwnerGone], err)
	}
}

// What is kept of people and of the deleted is not more than what is needed.
func TestClerkMirrorKeepsNoPersonalData(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	var columns string
	if err := db.pool.QueryRow(t.Context(), `
		SELECT string_agg(column_name, ' ' ORDER BY ordinal_position)
		FROM information_schema.columns
		WHERE table_name = 'clerk_users'`).Scan(&columns); err != nil {
		t.Fatal(err)
	}
	const want = "id email_verified banned locked source_created_at source_updated_at sent_at event_id deleted_at created_at updated_at"
	if columns != want {
		t.Errorf("clerk_users has %s", columns)
	}
}

func TestClerkIdentity(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	if c, err := db.ClerkIdentity(t.Context(), "org_none"); err != nil || c.Known || len(c.Members) != 0 {
		t.Errorf("of an unknown one: %+v, %v", c, err)
	}
	tell(t, db, 1, time.Now(), memberTold(1, ClerkAdmin))
	tell(t, db, 1, time.Now(), userTold(1, true))

	c, err := db.ClerkIdentity(t.Context(), "org_1")

	if err != nil || !c.Known || c.DeletedAt != nil || len(c.Members) != 1 || *c.Members[0].UserID != "user_1" ||
		*c.Members[0].Role != ClerkAdmin || !*c.Members[0].Banned || c.Members[0].DeletedAt != nil {
		t.Errorf("%+v, %v", c, err)
	}
	tell(t, db, 1, time.Now(), deletionTold("user"))
	if c, err = db.ClerkIdentity(t.Context(), "org_1"); err != nil || len(c.Members) != 1 || c.Members[0].DeletedAt == nil ||
		c.Members[0].UserDeletedAt == nil || c.Members[0].Role != nil || c.Members[0].Banned != nil {
		t.Errorf("with its user deleted: %+v, %v", c, err)
	}
}
