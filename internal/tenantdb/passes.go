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
	// Unlisted live records were there before, and the run's lists have never shown them.
	Unlisted int
	// Placed orders are live and were placed since; Perhaps as many more were placed
	// in the very second in which the pass began.
	Placed, Perhaps int
	// Brought live records are new since, and it was the run's list that brought them:
	// no event and no single read has told of them.
	Brought int
}

// Meanwhile tells what happened to a resource since an instant. Where from is not
// zero, New and Seen count only what was placed from then on. It reads every row of
// the resource: for the end of a pass, not for a page.
func (d *DB) Meanwhile(ctx context.Context, resource string, run uuid.UUID, since, from time.Time) (Meanwhile, error) {
	s, err := counting(resource)
	if err != nil {
		return Meanwhile{}, err
	}
	also, within, placed := "", "", "NULL::timestamptz"
	switch resource {
	case Carts:
		also = "AND NOT left_list"
	case Orders:
		placed = "placed_at"
	}
	args := []any{run, since}
	if resource == Orders && !from.IsZero() {
		within = "AND placed_at >= $3"
		also, args = within, append(args, from)
	}
	var m Meanwhile
	err = d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, fmt.Sprintf(`
			SELECT count(*) FILTER (WHERE deleted_at IS NULL AND created_at >= $2 AND seen_run IS DISTINCT FROM $1 %[3]s) AS new,
				count(*) FILTER (WHERE deleted_at >= $2) AS gone,
				count(*) FILTER (WHERE deleted_at IS NULL AND created_at < $2 AND seen_run IS DISTINCT FROM $1 %[3]s) AS unlisted,
				count(*) FILTER (WHERE deleted_at IS NULL AND seen_run = $1 %[5]s) AS seen,
				count(*) FILTER (WHERE deleted_at IS NULL AND created_at >= $2 AND seen_run = $1
					AND source_event IS NULL AND source_detail IS NULL) AS brought,
				count(*) FILTER (WHERE deleted_at IS NULL AND %[4]s > $2) AS placed,
				count(*) FILTER (WHERE deleted_at IS NULL AND %[4]s <= $2 AND %[4]s >= date_trunc('second', $2::timestamptz)) AS perhaps
			FROM %[1]s
			WHERE %[2]s IS NOT NULL`, s.Table, s.Key, also, placed, within), args...)
		m, err = one[Meanwhile](rows, "resource")
		return err
	})
	return m, wrap(err, "look for what happened to "+resource)
}

// Between is a stretch of time: from From on and before To, which is zero where it
// has no end.
type Between struct{ From, To time.Time }

// UnseenPlaced returns the ids of live orders that were placed in one stretch of
// time and last read in another, and that a run has not rejected since that one's
// end; in order, after afterKey.
func (d *DB) UnseenPlaced(
	ctx context.Context, run uuid.UUID, placed, read Between, afterKey string, limit int,
) ([]string, error) {
	var end *time.Time
	if !placed.To.IsZero() {
		end = &placed.To
	}
	var keys []string
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By salla_orders_placed_at_idx.
		rows, _ := c.Query(ctx, `
			SELECT t.order_id
			FROM salla_orders AS t
			WHERE t.placed_at >= $1 AND ($2::timestamptz IS NULL OR t.placed_at < $2)
				AND t.read_at >= $3 AND t.read_at < $4 AND t.order_id > $5 AND t.deleted_at IS NULL
				AND `+notRejected(OrderList(), 7, 4)+`
			ORDER BY t.order_id
			LIMIT $6`, placed.From, end, read.From, read.To, afterKey, limit, run)
		var err error
		keys, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	return keys, wrap(err, "list orders that windows did not show")
}

// ShownBy counts those of some orders that a run has shown at any time.
func (d *DB) ShownBy(ctx context.Context, run uuid.UUID, orders []string) (int, error) {
	var n int
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By salla_orders_order_id_key.
		return c.QueryRow(ctx, `
			SELECT count(*)
			FROM salla_orders
			WHERE order_id = ANY($1) AND seen_run = $2 AND deleted_at IS NULL`, orders, run).Scan(&n)
	})
	return n, wrap(err, "count orders that a run has shown")
}

// Settled is what an earlier reading of the list of orders has proved: all of it as
// it was when the reading began.
type Settled struct {
	Run       uuid.UUID // of the reading
	By        time.Time // when the reading ended
	DetailsBy time.Time // when the details ended that its run read
	UpdatedBy time.Time // what the source changed later may not be known
}

// Unsettled counts those of some orders of which an earlier reading does not tell
// that whatever changed before them is known: they were read later, for an event or
// by a run that did not come to its end, or changed since.
func (d *DB) Unsettled(ctx context.Context, orders []string, by Settled) (int, error) {
	var n int
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By salla_orders_order_id_key.
		return c.QueryRow(ctx, `
			SELECT count(*)
			FROM salla_orders
			WHERE order_id = ANY($1) AND (
				(read_at <= $2 OR detail_run = $3 AND read_at <= $4)
				AND coalesce(source_updated_at <= $5, true)) IS NOT TRUE`,
			orders, by.By, by.Run, by.DetailsBy, by.UpdatedBy).Scan(&n)
	})
	return n, wrap(err, "count orders that are not settled")
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
