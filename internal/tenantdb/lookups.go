package tenantdb

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Counts is how much of a resource the tenant's database holds.
type Counts struct {
	// Live rows that came from the source and are not tombstones; of carts those
	// on the source's list; of order details the orders whose detail is not due.
	Live int
	// Rejected records of a run of which nothing is stored, so that Live and
	// Rejected add up.
	Rejected int
}

// Counts counts a resource, and what run rejected of it. It reads every row of
// the resource: for a run's end, not for a page.
func (d *DB) Counts(ctx context.Context, resource string, run uuid.UUID) (Counts, error) {
	s, err := counting(resource)
	if err != nil {
		return Counts{}, err
	}
	also := map[string]string{
		Carts:        "AND NOT left_list",
		OrderDetails: "AND source_detail IS NOT NULL AND (source_hash IS NULL OR detail_list_hash = source_hash)",
	}[resource]
	var n Counts
	err = d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, fmt.Sprintf(`
			WITH live AS (
				SELECT %[2]s AS key
				FROM %[1]s
				WHERE %[2]s IS NOT NULL AND deleted_at IS NULL %[3]s
			)
			SELECT (SELECT count(*) FROM live) AS live, (
				SELECT count(*)
				FROM rejects r
				WHERE r.run = $1 AND r.resource = $2 AND r.redriven_at IS NULL
					AND NOT EXISTS (SELECT FROM live WHERE live.key = r.key)) AS rejected`,
			s.Table, s.Key, also), run, resource)
		n, err = one[Counts](rows, "resource")
		return err
	})
	return n, wrap(err, "count "+resource)
}

// OrderRef is an order whose detail is to be read.
type OrderRef struct {
	OrderID  string
	ListHash []byte // of the list's document that the detail is read for
}

// DetailsDue returns the orders whose detail was never read, or was read for
// another list document than the one stored; in order of their ids, after afterKey.
func (d *DB) DetailsDue(ctx context.Context, afterKey string, limit int) ([]OrderRef, error) {
	var due []OrderRef
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By salla_orders_order_id_key.
		rows, _ := c.Query(ctx, `
			SELECT order_id, source_hash AS list_hash
			FROM salla_orders
			WHERE order_id > $1 AND deleted_at IS NULL AND source_hash IS NOT NULL
				AND detail_list_hash IS DISTINCT FROM source_hash
			ORDER BY order_id
			LIMIT $2`, afterKey, limit)
		var err error
		due, err = pgx.CollectRows(rows, pgx.RowToStructByName[OrderRef])
		return err
	})
	return due, wrap(err, "list orders without detail")
}

// Unseen returns the ids of live records that a run did not show though they were
// there when it began; in order, after afterKey. Carts that are known to have left
// the list are not among them.
func (d *DB) Unseen(
	ctx context.Context, resource string, run uuid.UUID, startedAt time.Time, afterKey string, limit int,
) ([]string, error) {
	return d.unseen(ctx, resource, func(s Shape) string { return "t." + s.seen + " IS DISTINCT FROM $2" }, run, startedAt, afterKey, limit)
}

// UnseenAgain is Unseen for a later pass of a run, by the instant at which that pass
// began. What it showed and could not be stored is not among them.
func (d *DB) UnseenAgain(
	ctx context.Context, resource string, run uuid.UUID, began time.Time, afterKey string, limit int,
) ([]string, error) {
	return d.unseen(ctx, resource, func(s Shape) string { return notRejected(s, 2, 3) }, run, began, afterKey, limit)
}

// notRejected keeps away the rows t that a run has rejected since an instant, which
// are the statement's parameters run and since. By rejects_run_resource_key_key.
func notRejected(s Shape, run, since int) string {
	return fmt.Sprintf(`NOT EXISTS (
				SELECT FROM rejects AS j
				WHERE j.run = $%d AND j.resource = '%s' AND j.key = t.%s AND j.created_at >= $%d)`, run, s.Resource, s.Key, since)
}

func (d *DB) unseen(
	ctx context.Context, resource string, not func(Shape) string, run uuid.UUID, before time.Time, afterKey string, limit int,
) ([]string, error) {
	s, err := counting(resource)
	if err != nil {
		return nil, err
	}
	also := not(s)
	if resource == Carts {
		also += " AND NOT t.left_list"
	}
	var keys []string
	err = d.with(ctx, func(c *pgx.Conn) error {
		// By the unique index on the source's id.
		rows, _ := c.Query(ctx, fmt.Sprintf(`
			SELECT t.%[1]s
			FROM %[2]s AS t
			WHERE t.%[1]s > $1 AND t.deleted_at IS NULL AND t.read_at < $3 AND %[3]s
			ORDER BY t.%[1]s
			LIMIT $4`, s.Key, s.Table, also), afterKey, run, before, limit)
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return keys, wrap(err, "list what a pass did not show of "+resource)
}

// StoredRecord is what is stored of one record of the source.
type StoredRecord struct {
	ID              uuid.UUID
	Key             string
	Document        json.RawMessage // as the list gave it
	Detail          json.RawMessage
	Event           json.RawMessage
	SourceUpdatedAt *time.Time
	ReadAt          *time.Time
	SeenRun         *uuid.UUID
	DeletedAt       *time.Time
	// Row is the whole row as JSON, documents left out.
	Row json.RawMessage
}

// StoredRecord returns what is stored under a source's id, be it a tombstone,
// or fault.NotFound.
func (d *DB) StoredRecord(ctx context.Context, resource, key string) (StoredRecord, error) {
	var r StoredRecord
	s, err := counting(resource)
	if err != nil {
		return r, err
	}
	err = d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, fmt.Sprintf(`
			SELECT id, %[1]s AS key, source_document AS document, source_detail AS detail, source_event AS event,
				source_updated_at, read_at, seen_run, deleted_at,
				to_jsonb(t) - 'source_document' - 'source_detail' - 'source_items' - 'source_event' AS row
			FROM %[2]s AS t
			WHERE %[1]s = $1`, s.Key, s.Table), key)
		r, err = one[StoredRecord](rows, "record of "+resource)
		return err
	})
	return r, wrap(err, "read a record of "+resource)
}
