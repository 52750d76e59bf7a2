package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// ClerkAdmin is the role at Clerk that owners have.
const ClerkAdmin = "org:admin"

// ClerkTold is what one message of Clerk says of one thing, and how new that is.
// Messages come in any order: the newest UpdatedAt wins, then the one that was sent
// last, then the one that came last. A deletion wins over all of them, for good.
type ClerkTold struct {
	ID        string
	Deleted   bool
	CreatedAt *time.Time // by Clerk
	UpdatedAt *time.Time // by Clerk; nil: as new as the message
	SentAt    time.Time
	EventID   uuid.UUID
}

// ClerkUser is a user as far as access depends on it.
type ClerkUser struct {
	ClerkTold
	EmailVerified bool // the primary address
	Banned        bool
	Locked        bool
}

// ClerkOrganization is an organization.
type ClerkOrganization struct {
	ClerkTold
	Name    string
	StoreID string // the mark of the tenant that made it; "": nobody's
}

// ClerkMembership is one user's place in one organization. A deletion may not say whose.
type ClerkMembership struct {
	ClerkTold
	OrganizationID   string
	OrganizationName string // kept where the organization was not heard of before
	UserID           string
	Role             string
}

// told are the columns that order messages. A tombstone is never lifted.
const (
	toldColumns = `source_created_at, source_updated_at, sent_at, event_id`
	toldUpdate  = `source_created_at = excluded.source_created_at, source_updated_at = excluded.source_updated_at,
		sent_at = excluded.sent_at, event_id = excluded.event_id, updated_at = now()`
	toldNewer = `k.deleted_at IS NULL AND (k.source_updated_at IS NULL
		OR (k.source_updated_at, k.sent_at, k.event_id) <= (excluded.source_updated_at, excluded.sent_at, excluded.event_id))`
	toldDeleted = `sent_at = excluded.sent_at, event_id = excluded.event_id, deleted_at = excluded.deleted_at, updated_at = now()`
)

func (c ClerkTold) updated() time.Time {
	if c.UpdatedAt != nil {
		return *c.UpdatedAt
	}
	return c.SentAt
}

// EndClerkUser ends the leased event about a user: the mirror has what it says, or
// knows better.
func (db *DB) EndClerkUser(ctx context.Context, l Lease, u ClerkUser) ([]Task, error) {
	return db.inMirror(ctx, l, func(tx pgx.Tx) (*uuid.UUID, []Task, error) {
		if !u.Deleted {
			_, err := tx.Exec(ctx, `
				INSERT INTO clerk_users AS k (id, email_verified, banned, locked, `+toldColumns+`)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
				ON CONFLICT (id) DO UPDATE
				SET email_verified = excluded.email_verified, banned = excluded.banned, locked = excluded.locked, `+toldUpdate+`
				WHERE `+toldNewer,
				u.ID, u.EmailVerified, u.Banned, u.Locked, u.CreatedAt, u.updated(), u.SentAt, u.EventID)
			return nil, nil, err
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO clerk_users AS k (id, sent_at, event_id, deleted_at)
			VALUES ($1, $2, $3, $2)
			ON CONFLICT (id) DO UPDATE
			SET email_verified = NULL, banned = NULL, locked = NULL, `+toldDeleted+`
			WHERE k.deleted_at IS NULL`, u.ID, u.SentAt, u.EventID); err != nil {
			return nil, nil, err
		}
		return nil, nil, buryMemberships(ctx, tx, `user_id = $1`, u.ClerkTold)
	})
}

// EndClerkOrganization ends the leased event about an organization. A tenant whose
// organization is deleted stays as it is: operators see that it needs them.
func (db *DB) EndClerkOrganization(ctx context.Context, l Lease, o ClerkOrganization) ([]Task, error) {
	return db.inMirror(ctx, l, func(tx pgx.Tx) (*uuid.UUID, []Task, error) {
		var owner *uuid.UUID
		if t, err := tenantWhere(ctx, tx, `clerk_organization_id = $1 FOR KEY SHARE`, o.ID); err == nil {
			owner = &t.ID
		} else if !errors.Is(err, fault.NotFound) {
			return nil, nil, err
		}
		if !o.Deleted {
			_, err := tx.Exec(ctx, `
				INSERT INTO clerk_organizations AS k (id, name, store_id, `+toldColumns+`)
				VALUES ($1, nullif($2, ''), nullif($3, ''), $4, $5, $6, $7)
				ON CONFLICT (id) DO UPDATE
				SET name = excluded.name, store_id = excluded.store_id, `+toldUpdate+`
				WHERE `+toldNewer,
				o.ID, o.Name, o.StoreID, o.CreatedAt, o.updated(), o.SentAt, o.EventID)
			return owner, nil, err
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO clerk_organizations AS k (id, sent_at, event_id, deleted_at)
			VALUES ($1, $2, $3, $2)
			ON CONFLICT (id) DO UPDATE
			SET name = NULL, store_id = NULL, `+toldDeleted+`
			WHERE k.deleted_at IS NULL`, o.ID, o.SentAt, o.EventID); err != nil {
			return nil, nil, err
		}
		return owner, nil, buryMemberships(ctx, tx, `organization_id = $1`, o.ClerkTold)
	})
}

// EndClerkMembership ends the leased event about a member of an organization. Where a
// tenant's owner is invited and somebody is the admin of its organization now, the
// tenant's last step looks whether that is the owner: at once while the tenant is ready
// or on the way to it, otherwise as soon as it goes on. The membership itself makes
// nobody an owner.
func (db *DB) EndClerkMembership(ctx context.Context, l Lease, m ClerkMembership) ([]Task, error) {
	return db.inMirror(ctx, l, func(tx pgx.Tx) (*uuid.UUID, []Task, error) {
		// The tenant's row is locked before all others, as by whoever provisions it.
		t, err := tenantWhere(ctx, tx, `clerk_organization_id = $1 FOR UPDATE`, m.OrganizationID)
		known := err == nil
		if !known && !errors.Is(err, fault.NotFound) {
			return nil, nil, err
		}
		live, err := mirrorMembership(ctx, tx, m)
		if err != nil || !known {
			return nil, nil, err
		}
		status := tenant.Status(t.Status)
		if !live || m.Role != ClerkAdmin || t.ClerkOwner == nil || *t.ClerkOwner != "invited" ||
			status == tenant.Deprovisioning || status == tenant.Deleted {
			return &t.ID, nil, nil
		}
		tasks, err := lookForOwner(ctx, tx, t)
		return &t.ID, tasks, err
	})
}

// inMirror runs fn and ends the leased event as applied, in one transaction. fn returns
// the tenant that the event is about, where there is one.
func (db *DB) inMirror(ctx context.Context, l Lease, fn func(tx pgx.Tx) (*uuid.UUID, []Task, error)) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		tenantID, todo, err := fn(tx)
		if err != nil {
			return fmt.Errorf("mirror what Clerk says: %w", err)
		}
		released, err := endEvent(ctx, tx, l, EventEnd{Status: EventApplied, TenantID: tenantID})
		tasks = slices.Concat(todo, released)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// mirrorMembership writes a membership, and that its organization and user exist; live
// tells whether it does. What is gone takes its memberships along, those too that are
// heard of later.
func mirrorMembership(ctx context.Context, tx pgx.Tx, m ClerkMembership) (live bool, err error) {
	if m.Deleted {
		_, err := tx.Exec(ctx, `
			INSERT INTO clerk_memberships AS k (id, organization_id, user_id, sent_at, event_id, deleted_at)
			VALUES ($1, nullif($2, ''), nullif($3, ''), $4, $5, $4)
			ON CONFLICT (id) DO UPDATE
			SET organization_id = coalesce(excluded.organization_id, k.organization_id),
			    user_id = coalesce(excluded.user_id, k.user_id), role = NULL, `+toldDeleted+`
			WHERE k.deleted_at IS NULL`, m.ID, m.OrganizationID, m.UserID, m.SentAt, m.EventID)
		return false, err
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO clerk_organizations (id, name)
		VALUES ($1, nullif($2, ''))
		ON CONFLICT (id) DO NOTHING`, m.OrganizationID, m.OrganizationName); err != nil {
		return false, err
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO clerk_users (id)
		VALUES ($1)
		ON CONFLICT (id) DO NOTHING`, m.UserID); err != nil {
		return false, err
	}
	// Whoever deletes one of them either sees the membership or is seen here.
	var gone *time.Time
	for _, parent := range []struct{ table, id string }{{"clerk_organizations", m.OrganizationID}, {"clerk_users", m.UserID}} {
		var deleted *time.Time
		if err := tx.QueryRow(ctx, `SELECT deleted_at FROM `+parent.table+` WHERE id = $1 FOR SHARE`, parent.id).Scan(&deleted); err != nil {
			return false, err
		}
		if deleted != nil {
			gone = deleted
		}
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO clerk_memberships AS k (id, organization_id, user_id, role, deleted_at, `+toldColumns+`)
		VALUES ($1, $2, $3, CASE WHEN $5::timestamptz IS NULL THEN $4 END, $5, $6, $7, $8, $9)
		ON CONFLICT (id) DO UPDATE
		SET organization_id = excluded.organization_id, user_id = excluded.user_id, role = excluded.role,
		    deleted_at = excluded.deleted_at, `+toldUpdate+`
		WHERE `+toldNewer,
		m.ID, m.OrganizationID, m.UserID, m.Role, gone, m.CreatedAt, m.updated(), m.SentAt, m.EventID); err != nil {
		return false, err
	}
	err = tx.QueryRow(ctx, `SELECT deleted_at IS NULL FROM clerk_memberships WHERE id = $1`, m.ID).Scan(&live)
	return live, err
}

// buryMemberships makes tombstones of the memberships of what is gone.
func buryMemberships(ctx context.Context, tx pgx.Tx, whose string, gone ClerkTold) error {
	_, err := tx.Exec(ctx, `
		UPDATE clerk_memberships
		SET role = NULL, deleted_at = $2, sent_at = $2, event_id = $3, updated_at = now()
		WHERE deleted_at IS NULL AND `+whose, gone.ID, gone.SentAt, gone.EventID)
	return err
}
