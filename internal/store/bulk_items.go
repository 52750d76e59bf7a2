package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// The states of an item.
const (
	ItemPending = "pending"
	ItemDone    = "done" // the act was done to it
	ItemSkipped = "skipped"
	ItemFailed  = "failed"
)

// BulkItem is one of the subjects of a bulk act.
type BulkItem struct {
	N        int
	Subject  uuid.UUID
	Task     string // the kind of a row of work
	TenantID *uuid.UUID
	State    string
	Outcome  *string // why it was skipped or failed, in words
	DoneAt   *time.Time
	Store    *string // the tenant's name
	Merchant *int64
	Event    *string // the event's name
}

// BulkItemFilter is a part of the items of a bulk act.
type BulkItemFilter struct {
	State string // "": all
	After int    // behind this one
	Limit int
}

// BulkItems lists items in their order, up to f.Limit, and whether there are more.
func (db *DB) BulkItems(ctx context.Context, b Bulk, f BulkItemFilter) (list []BulkItem, more bool, err error) {
	where, args := `i.n > $2`, []any{f.After}
	if f.State != "" {
		where, args = where+` AND i.state = $3`, append(args, f.State)
	}
	list, err = db.bulkItemsWhere(ctx, b, where, f.Limit+1, args...)
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	return list, more, err
}

// bulkItemsWhere reads items with what is to be said of them; $1 is the bulk act. By
// bulk_items_pkey or bulk_items_state_idx, then the keys of tenants and events.
func (db *DB) bulkItemsWhere(ctx context.Context, b Bulk, where string, limit int, args ...any) ([]BulkItem, error) {
	event, join := `NULL::text`, ``
	merchant := `t.merchant`
	if b.Kind == BulkEvents {
		event, join = `e.event`, `LEFT JOIN events AS e ON e.id = c.subject`
		merchant = `coalesce(t.merchant, e.merchant)`
	}
	rows, err := db.pool.Query(ctx, `
		SELECT c.n, c.subject, c.task, c.tenant_id, c.state, c.outcome, c.done_at,
		       t.name AS store, `+merchant+` AS merchant, `+event+` AS event
		FROM (
			SELECT i.n, i.subject, i.task, i.tenant_id, i.state, i.outcome, i.done_at
			FROM bulk_items AS i
			WHERE i.bulk_id = $1 AND `+where+`
			ORDER BY i.n
			LIMIT `+fmt.Sprint(limit)+`
		) AS c
		LEFT JOIN tenants AS t ON t.id = c.tenant_id
		`+join+`
		ORDER BY c.n`, append([]any{b.ID}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("list the items of a bulk act: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[BulkItem])
	if err != nil {
		return nil, fmt.Errorf("list the items of a bulk act: %w", err)
	}
	return list, nil
}

// BulkReason is why some items were not changed.
type BulkReason struct {
	State   string // skipped or failed
	Outcome string
	N       int
}

// bulkReasons bounds the reasons that are told apart.
const bulkReasons = 30

// BulkReasons says why items were skipped or failed, failures first, then the most
// frequent. By bulk_items_state_idx.
func (db *DB) BulkReasons(ctx context.Context, id uuid.UUID) ([]BulkReason, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT state, coalesce(outcome, '') AS outcome, count(*)::integer AS n
		FROM bulk_items
		WHERE bulk_id = $1 AND state IN ('skipped', 'failed')
		GROUP BY 1, 2
		ORDER BY state, n DESC, outcome
		LIMIT $2`, id, bulkReasons)
	if err != nil {
		return nil, fmt.Errorf("sum up the items of a bulk act: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[BulkReason])
	if err != nil {
		return nil, fmt.Errorf("sum up the items of a bulk act: %w", err)
	}
	return list, nil
}
