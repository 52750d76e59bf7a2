package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
)

// EventsAboutMost is up to which number EventsAbout counts.
const EventsAboutMost = 10_000

// EventsAbout counts the events by status for people: like EventStats, but in a large
// table also of what still needs somebody only the first 10,000 are counted; beyond
// that a number is PostgreSQL's estimate. Served by events_status_idx.
func (db *DB) EventsAbout(ctx context.Context) (map[string]int64, error) {
	total, err := db.eventRows(ctx)
	if err != nil {
		return nil, err
	}
	if total < EventsCounted {
		return db.EventStats(ctx)
	}
	return db.countEvents(ctx, map[string]int64{}, `
		SELECT w.status, CASE WHEN c.n < $2 THEN c.n ELSE greatest(c.n, (coalesce(e.frequency, 0) * $1)::bigint) END
		FROM unnest(ARRAY['received', 'waiting', 'applied', 'ignored', 'failed']) AS w (status)
		CROSS JOIN LATERAL (
			SELECT count(*) AS n FROM (SELECT FROM events WHERE events.status = w.status LIMIT $2) AS s
		) AS c
		LEFT JOIN (
			SELECT unnest(most_common_vals::text::text[]) AS status, unnest(most_common_freqs)::float8 AS frequency
			FROM pg_stats
			WHERE schemaname = current_schema() AND tablename = 'events' AND attname = 'status'
		) AS e USING (status)`, total, int64(EventsAboutMost))
}

// merchantOf is the merchant of a tenant; nil where it has none, or is gone.
func (db *DB) merchantOf(ctx context.Context, tenantID uuid.UUID) (merchant *int64, err error) {
	if err := db.pool.QueryRow(ctx, `SELECT (SELECT merchant FROM tenants WHERE id = $1)`, tenantID).Scan(&merchant); err != nil {
		return nil, fmt.Errorf("read the merchant of a tenant: %w", err)
	}
	return merchant, nil
}
