package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ClerkMember is one place in a tenant's organization, as the mirror has it.
type ClerkMember struct {
	UserID        *string
	Role          *string // nil in a tombstone
	CreatedAt     *time.Time
	DeletedAt     *time.Time // nil: a member
	UserDeletedAt *time.Time
	EmailVerified *bool // nil: nothing was heard of the user yet
	Banned        *bool
	Locked        *bool
}

// ClerkIdentity is what Clerk's messages say of a tenant's organization.
type ClerkIdentity struct {
	Known     bool // Clerk has sent anything of it
	DeletedAt *time.Time
	Members   []ClerkMember // who is one first, then who was; at most 50
}

// ClerkIdentity reads the mirror of an organization.
func (db *DB) ClerkIdentity(ctx context.Context, organizationID string) (ClerkIdentity, error) {
	var c ClerkIdentity
	err := db.pool.QueryRow(ctx, `
		SELECT true, deleted_at FROM clerk_organizations WHERE id = $1`, organizationID).Scan(&c.Known, &c.DeletedAt)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return c, fmt.Errorf("read an organization: %w", err)
	}
	// Served by clerk_memberships_organization_idx.
	rows, err := db.pool.Query(ctx, `
		SELECT m.user_id, m.role, m.source_created_at AS created_at, m.deleted_at,
		       u.deleted_at AS user_deleted_at, u.email_verified, u.banned, u.locked
		FROM clerk_memberships AS m
		LEFT JOIN clerk_users AS u ON u.id = m.user_id
		WHERE m.organization_id = $1
		ORDER BY m.deleted_at IS NOT NULL, m.deleted_at DESC, m.source_created_at, m.id
		LIMIT 50`, organizationID)
	if err != nil {
		return c, fmt.Errorf("read an organization's members: %w", err)
	}
	c.Members, err = pgx.CollectRows(rows, pgx.RowToStructByName[ClerkMember])
	if err != nil {
		return c, fmt.Errorf("read an organization's members: %w", err)
	}
	return c, nil
}

// HasNeed tells whether a tenant has a need.
func (db *DB) HasNeed(ctx context.Context, tenantID uuid.UUID, need Need) (bool, error) {
	var has bool
	if err := db.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM tenants AS t WHERE t.id = $1 AND `+need.condition()+`)`, tenantID).Scan(&has); err != nil {
		return false, fmt.Errorf("look at what a tenant needs: %w", err)
	}
	return has, nil
}
