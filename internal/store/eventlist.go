package store

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// EventFilter chooses events. Empty fields choose all.
type EventFilter struct {
	Merchant *int64
	Source   string
	Event    string
	Status   string
	Q        string // an event's id, or the beginning of an event's name
	Cursor   string // what EventPage.Next gave
	Limit    int    // 50 if zero, at most 200
}

// EventPage is a part of a list of events, newest first.
type EventPage struct {
	Events []Event
	Next   string // the cursor of what follows; empty at the end
}

// Events lists events, newest first. A cursor that cannot be read is fault.Invalid.
func (db *DB) Events(ctx context.Context, f EventFilter) (EventPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	where, args := []string{"true"}, []any{}
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	if f.Merchant != nil {
		add("merchant = $%d", *f.Merchant)
	}
	if f.Source != "" {
		add("source = $%d", f.Source)
	}
	if f.Event != "" {
		add("event = $%d", f.Event)
	}
	if f.Status != "" {
		add("status = $%d", f.Status)
	}
	if f.Q != "" {
		if id, err := uuid.Parse(f.Q); err == nil {
			add("id = $%d", id)
		} else {
			add("starts_with(event, $%d)", f.Q)
		}
	}
	if f.Cursor != "" {
		id, err := uuid.Parse(f.Cursor)
		if err != nil {
			return EventPage{}, fault.New(fault.Invalid, "the cursor is not one that a list gave")
		}
		add("id < $%d", id)
	}
	args = append(args, limit+1)
	rows, err := db.pool.Query(ctx, `
		SELECT `+eventColumns+`
		FROM events
		WHERE `+strings.Join(where, " AND ")+`
		ORDER BY id DESC
		LIMIT $`+fmt.Sprint(len(args)), args...)
	if err != nil {
		return EventPage{}, fmt.Errorf("list events: %w", err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByName[Event])
	if err != nil {
		return EventPage{}, fmt.Errorf("list events: %w", err)
	}
	page := EventPage{Events: events}
	if len(events) > limit {
		page.Events = events[:limit]
		page.Next = events[limit-1].ID.String()
	}
	return page, nil
}

// exactBelow is the table size up to which EventStats counts every row.
const exactBelow = 200_000

// EventStats counts the events by status. What still needs somebody (received,
// waiting, failed) is always counted. In a large table the two ends that everything
// comes to (applied, ignored) are PostgreSQL's own estimate: its sample of the
// statuses times the table's estimated rows, as fresh as the last ANALYZE.
func (db *DB) EventStats(ctx context.Context) (map[string]int64, error) {
	var total int64
	if err := db.pool.QueryRow(ctx, `
		SELECT CASE WHEN reltuples < 0 OR relpages = 0 THEN 0
		            ELSE (reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::int))::bigint
		       END
		FROM pg_class
		WHERE oid = 'events'::regclass`).Scan(&total); err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	stats := map[string]int64{EventReceived: 0, EventWaiting: 0, EventApplied: 0, EventIgnored: 0, EventFailed: 0}
	query, args := `
		SELECT status, count(*)
		FROM events
		GROUP BY status`, []any(nil)
	if total >= exactBelow {
		query, args = `
			SELECT status, count(*)
			FROM events
			WHERE status IN ('received', 'waiting', 'failed')
			GROUP BY status
			UNION ALL
			SELECT s.status, (s.frequency * $1)::bigint
			FROM (
				SELECT unnest(most_common_vals::text::text[]) AS status, unnest(most_common_freqs) AS frequency
				FROM pg_stats
				WHERE schemaname = current_schema() AND tablename = 'events' AND attname = 'status'
			) AS s
			WHERE s.status IN ('applied', 'ignored')`, []any{total}
	}
	rows, err := db.pool.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	var status string
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&status, &n}, func() error {
		stats[status] = n
		return nil
	}); err != nil {
		return nil, fmt.Errorf("count events: %w", err)
	}
	return stats, nil
}

// OldestEvent tells since when the oldest event that is on its way has been there;
// false if there is none.
func (db *DB) OldestEvent(ctx context.Context) (time.Time, bool, error) {
	var at *time.Time
	if err := db.pool.QueryRow(ctx, `
		SELECT min(received_at)
		FROM (
			SELECT received_at
			FROM events
			WHERE status = 'received'
			ORDER BY id
			LIMIT 1
		) AS oldest`).Scan(&at); err != nil {
		return time.Time{}, false, fmt.Errorf("find the oldest event: %w", err)
	}
	if at == nil {
		return time.Time{}, false, nil
	}
	return *at, true, nil
}
