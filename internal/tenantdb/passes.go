package tenantdb

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Meanwhile is what happened to a resource's records since a pass over its list
// began, beside the pass.
type Meanwhile struct {
	// New live records that an event or a single read brought and that the run's
	// lists did not show; of carts those on the source's list.
	New int
	// Gone records became tombstones.
	Gone int
	// Seen live records are those that the run's lists have shown, whenever.
	Seen int
	// Placed orders are live and were placed since; Perhaps as many more were placed
	// in the very second in which the pass began.
	Placed, Perhaps int
}

// Meanwhile tells what happened to a resource since an instant. It reads every row
// of the resource: for the end of a pass, not for a page.
func (d *DB) Meanwhile(ctx context.Context, resource string, run uuid.UUID, since time.Time) (Meanwhile, error) {
	s, err := counting(resource)
	if err != nil {
		return Meanwhile{}, err
	}
	also, placed := "", "NULL::timestamptz"
	switch resource {
	case Carts:
		also = "AND NOT left_list"
	case Orders:
		placed = "placed_at"
	}
	var m Meanwhile
	err = d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, fmt.Sprintf(`
			SELECT count(*) FILTER (WHERE deleted_at IS NULL AND created_at >= $2 AND seen_run IS DISTINCT FROM $1 %[3]s) AS new,
				count(*) FILTER (WHERE deleted_at >= $2) AS gone,
				count(*) FILTER (WHERE deleted_at IS NULL AND seen_run = $1) AS seen,
				count(*) FILTER (WHERE deleted_at IS NULL AND %[4]s > $2) AS placed,
				count(*) FILTER (WHERE deleted_at IS NULL AND %[4]s <= $2 AND %[4]s >= date_trunc('second', $2::timestamptz)) AS perhaps
			FROM %[1]s
			WHERE %[2]s IS NOT NULL`, s.Table, s.Key, also, placed), run, since)
		m, err = one[Meanwhile](rows, "resource")
		return err
	})
	return m, wrap(err, "look for what happened to "+resource)
}

// Between is a stretch of time: from From on and before To, which is zero where it
// has no end.
type Between struct{ From, To time.Time }

// UnseenPlaced returns the ids of live orders that were placed in one stretch of
// time and last read in another; in order, after afterKey.
func (d *DB) UnseenPlaced(ctx context.Context, placed, read Between, afterKey string, limit int) ([]string, error) {
	var end *time.Time
	if !placed.To.IsZero() {
		end = &placed.To
	}
	var keys []string
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By salla_orders_placed_at_idx.
		rows, _ := c.Query(ctx, `
			SELECT order_id
			FROM salla_orders
			WHERE placed_at >= $1 AND ($2::timestamptz IS NULL OR placed_at < $2)
				AND read_at >= $3 AND read_at < $4 AND order_id > $5 AND deleted_at IS NULL
			ORDER BY order_id
			LIMIT $6`, placed.From, end, read.From, read.To, afterKey, limit)
		var err error
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return keys, wrap(err, "list orders that windows did not show")
}

// CountPlaced counts, for each stretch of time, the live orders that were placed in it.
func (d *DB) CountPlaced(ctx context.Context, stretches []Between) ([]int, error) {
	from, to := make([]time.Time, len(stretches)), make([]*time.Time, len(stretches))
	for i, s := range stretches {
		from[i] = s.From
		if !s.To.IsZero() {
			to[i] = &s.To
		}
	}
	var counts []int
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By salla_orders_placed_at_idx.
		rows, _ := c.Query(ctx, `
			SELECT (SELECT count(*)
			        FROM salla_orders AS o
			        WHERE o.placed_at >= s.placed_from AND (s.placed_to IS NULL OR o.placed_at < s.placed_to) AND o.deleted_at IS NULL)
			FROM unnest($1::timestamptz[], $2::timestamptz[]) WITH ORDINALITY AS s (placed_from, placed_to, n)
			ORDER BY s.n`, from, to)
		var err error
		counts, err = pgx.CollectRows(rows, pgx.RowTo[int])
		return err
	})
	return counts, wrap(err, "count orders by the time they were placed")
}

// OpenRejects counts the records of a resource, whichever run had them, that could
// not be stored and of which nothing is stored.
func (d *DB) OpenRejects(ctx context.Context, resource string) (int, error) {
	s, err := counting(resource)
	if err != nil {
		return 0, err
	}
	var n int
	err = d.with(ctx, func(c *pgx.Conn) error {
		// By rejects_open_idx.
		return c.QueryRow(ctx, fmt.Sprintf(`
			SELECT count(DISTINCT r.key)
			FROM rejects AS r
			WHERE r.resource = $1 AND r.redriven_at IS NULL
				AND NOT EXISTS (SELECT FROM %s AS t WHERE t.%s = r.key)`, s.Table, s.Key), resource).Scan(&n)
	})
	return n, wrap(err, "count rejects of "+resource)
}
