package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// ConnectionState is what lists show of a connection.
type ConnectionState struct {
	TenantID  uuid.UUID
	Status    string
	ExpiresAt *time.Time
	Scopes    []string
}

// ConnectionStates returns the connections of the tenants that have one.
func (db *DB) ConnectionStates(ctx context.Context, tenantIDs []uuid.UUID) (map[uuid.UUID]ConnectionState, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT id AS tenant_id, status, expires_at, scopes
		FROM connections
		WHERE id = ANY($1)`, tenantIDs)
	if err != nil {
		return nil, fmt.Errorf("read connections: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[ConnectionState])
	if err != nil {
		return nil, fmt.Errorf("read connections: %w", err)
	}
	states := make(map[uuid.UUID]ConnectionState, len(found))
	for _, c := range found {
		states[c.TenantID] = c
	}
	return states, nil
}

// TenantBySlug returns the tenant that has the slug, or fault.NotFound.
func (db *DB) TenantBySlug(ctx context.Context, slug string) (Tenant, error) {
	return tenantWhere(ctx, db.pool, `slug = $1`, slug)
}

// RunStats counts the runs by status; every status is there, also with 0.
func (db *DB) RunStats(ctx context.Context) (map[string]int64, error) {
	stats := map[string]int64{
		"pending": 0, "running": 0, "waiting": 0, "paused": 0, "complete": 0, "incomplete": 0, "cancelled": 0, "failed": 0,
	}
	// Served by runs_status_idx.
	rows, err := db.pool.Query(ctx, `
		SELECT status, count(*)
		FROM runs
		GROUP BY status`)
	if err != nil {
		return nil, fmt.Errorf("count runs: %w", err)
	}
	var (
		status string
		n      int64
	)
	if _, err := pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		stats[status] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("count runs: %w", err)
	}
	return stats, nil
}
