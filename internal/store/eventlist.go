package store

import (
	"context"
	"fmt"
	"slices"
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
	Q        string     // an event's id, or the beginning of an event's name
	From, To *time.Time // received then or later, and before, to the millisecond
	Text     string     // what the payload has in it, whatever the case: within a Merchant or eventSpan only
	Cursor   string     // what EventPage.Next gave, or the id of an event
	Newer    bool       // what is just newer than the cursor, instead of older
	Limit    int        // 50 if zero, at most 200

	// Patience is about how long a search for Text may take before it says how far it
	// came; a second if zero.
	Patience time.Duration
}

// EventPage is a part of a list of events, newest first.
type EventPage struct {
	Events []Event
	Next   string // the cursor of what follows; empty at the end
	More   bool   // there may be others beyond the page, in the direction it was asked in

	// Not zero where a search for text looked at enough before the page was full: the
	// last event that it looked at. Next goes on after it.
	SearchedTo uuid.UUID
}

// Events lists events, newest first. A cursor that cannot be read is fault.Invalid,
// and so is a text without the bounds that it needs.
func (db *DB) Events(ctx context.Context, f EventFilter) (EventPage, error) {
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	if err := f.check(time.Now()); err != nil {
		return EventPage{}, err
	}
	if f.Text != "" {
		return db.searchEvents(ctx, f, limit)
	}
	query, args, err := db.eventQuery(ctx, f, eventColumns, limit+1)
	if err != nil || query == "" {
		return EventPage{}, err
	}
	// Planned anew each time: which index is best depends on the values, and a plan
	// for all of them walks through a million events of a name to find none that failed.
	rows, err := db.pool.Query(ctx, query, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
	if err != nil {
		return EventPage{}, fmt.Errorf("list events: %w", err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByName[Event])
	if err != nil {
		return EventPage{}, fmt.Errorf("list events: %w", err)
	}
	page := EventPage{Events: events, More: len(events) > limit}
	if page.More {
		page.Events = events[:limit]
	}
	if f.Newer {
		slices.Reverse(page.Events)
	}
	if n := len(page.Events); n > 0 && (page.More || f.Newer) {
		page.Next = page.Events[n-1].ID.String()
	}
	return page, nil
}

// eventQuery writes the statement that finds up to limit events, in the direction
// of the filter; "" where it is known that there are none. Each filter has an index
// that gives its events in the order of their ids, which is that of their times.
func (db *DB) eventQuery(ctx context.Context, f EventFilter, columns string, limit int) (string, []any, error) {
	where, args := []string{"true"}, []any{}
	add := func(condition string, arg any) {
		args = append(args, arg)
		where = append(where, fmt.Sprintf(condition, len(args)))
	}
	names := []string{}
	if f.Event != "" {
		names = append(names, f.Event)
	}
	if id, err := uuid.Parse(f.Q); err == nil {
		add("id = $%d", id)
	} else if f.Q != "" {
		if names, err = db.eventNames(ctx, f.Q, f.Event); err != nil || len(names) == 0 {
			return "", nil, err
		}
	}
	if f.Merchant != nil {
		add("merchant = $%d", *f.Merchant)
	}
	switch f.Source { // a literal, so that events_clerk_idx serves also a prepared plan
	case "":
	case "clerk":
		where = append(where, "source = 'clerk'")
	default:
		add("source = $%d", f.Source)
	}
	if f.Status != "" {
		add("status = $%d", f.Status)
	}
	if f.From != nil {
		add("id >= $%d", idAt(*f.From))
	}
	if f.To != nil {
		add("id < $%d", idAt(*f.To))
	}
	than, order := "<", "DESC"
	if f.Newer {
		than, order = ">", "ASC"
	}
	if f.Cursor != "" {
		id, err := uuid.Parse(f.Cursor)
		if err != nil {
			return "", nil, fault.New(fault.Invalid, "the cursor is not one that a list gave")
		}
		add("id "+than+" $%d", id)
	}
	if len(names) == 1 {
		add("event = $%d", names[0])
	}
	tail := fmt.Sprintf(" ORDER BY id %s LIMIT %d", order, limit)
	conditions := strings.Join(where, " AND ")
	switch {
	case len(names) > 1: // the newest of each name are merged
		args = append(args, names)
		conditions = fmt.Sprintf(`id = ANY(ARRAY(
			SELECT e.id
			FROM unnest($%d::text[]) AS n (name)
			CROSS JOIN LATERAL (
				SELECT id FROM events WHERE event = n.name AND %s%s
			) AS e
			ORDER BY e.id %s
			LIMIT %d))`, len(args), conditions, tail, order, limit)
	case f.Merchant != nil && (len(names) == 1 || f.Status != ""), f.Source == "clerk" && f.Status != "":
		// events_merchant_name_idx and events_clerk_status_idx have all that is asked for.
		conditions = `id = ANY(ARRAY(SELECT id FROM events WHERE ` + conditions + tail + `))`
	}
	return `SELECT ` + columns + ` FROM events WHERE ` + conditions + tail, args, nil
}

// EventNames lists the names that events have, in order. It steps from name to name
// in events_event_idx, so that a million events of one name cost one step.
func (db *DB) EventNames(ctx context.Context) ([]string, error) {
	rows, err := db.pool.Query(ctx, `
		WITH RECURSIVE n AS (
			(SELECT event FROM events ORDER BY event LIMIT 1)
			UNION ALL
			SELECT (SELECT e.event FROM events AS e WHERE e.event > n.event ORDER BY e.event LIMIT 1)
			FROM n
			WHERE n.event IS NOT NULL
		)
		SELECT event
		FROM n
		WHERE event IS NOT NULL
		LIMIT $1`, eventNamesMost)
	if err != nil {
		return nil, fmt.Errorf("list the names of events: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list the names of events: %w", err)
	}
	return names, nil
}

// eventNamesMost bounds the names that are looked at: a source has some dozens.
const eventNamesMost = 1000

// eventNames are the names that begin with prefix and, if only is given, are that.
func (db *DB) eventNames(ctx context.Context, prefix, only string) ([]string, error) {
	all, err := db.EventNames(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(all, func(name string) bool {
		return !strings.HasPrefix(name, prefix) || (only != "" && name != only)
	}), nil
}

// EventsCounted is the table size from which EventStats estimates instead of counting
// every row.
const EventsCounted = 200_000

// EventStats counts the events by status. What still needs somebody (received,
// waiting, failed) is always counted. In a large table the two ends that everything
// comes to (applied, ignored) are PostgreSQL's own estimate: its sample of the
// statuses times the table's estimated rows, as fresh as the last ANALYZE.
func (db *DB) EventStats(ctx context.Context) (map[string]int64, error) {
	total, err := db.eventRows(ctx)
	if err != nil {
		return nil, err
	}
	stats := map[string]int64{EventReceived: 0, EventWaiting: 0, EventApplied: 0, EventIgnored: 0, EventFailed: 0}
	query, args := `
		SELECT status, count(*)
		FROM events
		GROUP BY status`, []any(nil)
	if total >= EventsCounted {
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
	return db.countEvents(ctx, stats, query, args...)
}

// countEvents adds to stats what the query counts by status, and gives them back.
func (db *DB) countEvents(ctx context.Context, stats map[string]int64, query string, args ...any) (map[string]int64, error) {
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

// eventRows is PostgreSQL's own estimate of how many events there are.
func (db *DB) eventRows(ctx context.Context) (total int64, err error) {
	if err := db.pool.QueryRow(ctx, `
		SELECT CASE WHEN reltuples < 0 OR relpages = 0 THEN 0
		            ELSE (reltuples / relpages * (pg_relation_size(oid) / current_setting('block_size')::int))::bigint
		       END
		FROM pg_class
		WHERE oid = 'events'::regclass`).Scan(&total); err != nil {
		return 0, fmt.Errorf("count events: %w", err)
	}
	return total, nil
}
