package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// eventSpan is the longest time that is searched for a text in the payloads of
// every merchant's events.
const eventSpan = 31 * 24 * time.Hour

// check refuses times in the wrong order, and a search for text without a bound.
func (f EventFilter) check(now time.Time) error {
	if f.From != nil && f.From.Year() < 1970 || f.To != nil && f.To.Year() < 1970 {
		return fault.New(fault.Invalid, "from and to must not be before 1970")
	}
	if f.From != nil && f.To != nil && !f.From.Before(*f.To) {
		return fault.New(fault.Invalid, "from must be before to")
	}
	if f.Text == "" || f.Merchant != nil {
		return nil
	}
	to := now
	if f.To != nil {
		to = *f.To
	}
	if f.From == nil || to.Sub(*f.From) > eventSpan {
		return fault.New(fault.Invalid, "text is looked for in the payloads of one merchant, or within at most 31 days: give merchant, or from and to")
	}
	return nil
}

const (
	textMost = 25_000      // events that one page of a search looks at
	textFor  = time.Second // where the filter has no patience of its own
)

// searchEvents lists the events whose payload has the text in it. It looks at the
// events that the other filters choose, some at a time, until the page is full or
// has cost enough.
func (db *DB) searchEvents(ctx context.Context, f EventFilter, limit int) (EventPage, error) {
	var found []uuid.UUID
	var last uuid.UUID
	s := search{first: 500, most: textMost, patience: cmp.Or(f.Patience, textFor)}
	whole, err := s.run(ctx, func(size int) (int, bool, error) {
		ids, hits, err := db.lookInPayloads(ctx, f, size)
		if err != nil {
			return 0, false, err
		}
		found = append(found, hits...)
		if len(ids) > 0 {
			last = ids[len(ids)-1]
			f.Cursor = last.String()
		}
		return len(ids), len(found) > limit, nil
	})
	if err != nil {
		return EventPage{}, err
	}
	var page EventPage
	switch {
	case len(found) > limit:
		found, page.More = found[:limit], true
		page.Next = found[limit-1].String()
	case !whole:
		page.More, page.SearchedTo, page.Next = true, last, last.String()
	}
	if page.Events, err = db.eventsByID(ctx, found); err != nil {
		return EventPage{}, err
	}
	if f.Newer && len(page.Events) > 0 {
		slices.Reverse(page.Events)
		page.Next = page.Events[len(page.Events)-1].ID.String()
	}
	return page, nil
}

// payloadQuery tells which of some events say a text, or the same text in another
// spelling. The bounds keep all but the days of these events from being planned;
// OFFSET 0 keeps each payload from being read twice, and the days from being read
// whole. A text of ASCII has no other case than that of ASCII: lowering the rest
// takes most of the time.
const payloadQuery = `
	SELECT i.id
	FROM unnest($1::uuid[]) WITH ORDINALITY AS i (id, place)
	CROSS JOIN LATERAL (
		SELECT lower(coalesce(p.payload::text, p.body)%s) AS said
		FROM event_payloads AS p
		WHERE p.event_id = i.id AND p.event_id >= $2 AND p.event_id <= $3
		OFFSET 0
	) AS p
	WHERE strpos(p.said, lower($4)) > 0 OR strpos(p.said, lower($5)) > 0
	ORDER BY i.place`

// lookInPayloads looks at up to size events that the filter chooses, and tells which
// of them have its text in their payload. Sealed bytes are not looked at.
func (db *DB) lookInPayloads(ctx context.Context, f EventFilter, size int) (ids, hits []uuid.UUID, err error) {
	query, args, err := db.eventQuery(ctx, f, "id", size)
	if err != nil || query == "" {
		return nil, nil, err
	}
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		// Each payload is counted as if every day were looked through for it: PostgreSQL
		// would compile a plan that is over before it is compiled.
		if _, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true), set_config('jit', 'off', true)`,
			fmt.Sprint(searchStop.Milliseconds())); err != nil {
			return fmt.Errorf("search events: %w", err)
		}
		rows, err := tx.Query(ctx, query, append([]any{pgx.QueryExecModeCacheDescribe}, args...)...)
		if err != nil {
			return fmt.Errorf("search events: %w", err)
		}
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil || len(ids) == 0 {
			return err
		}
		oldest, newest := ids[len(ids)-1], ids[0]
		if f.Newer {
			oldest, newest = newest, oldest
		}
		rows, err = tx.Query(ctx, fmt.Sprintf(payloadQuery, lowering(f.Text)), pgx.QueryExecModeCacheDescribe, ids, oldest, newest, f.Text, spaced(f.Text))
		if err != nil {
			return fmt.Errorf("search payloads: %w", err)
		}
		if hits, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID]); err != nil {
			return fmt.Errorf("search payloads: %w", err)
		}
		return nil
	})
	return ids, hits, err
}

// lowering is the collation that a text is lowered with.
func lowering(text string) string {
	if strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		return ""
	}
	return ` COLLATE "C"`
}

// spaced writes a piece of compact JSON as PostgreSQL prints it, with a space after
// colons and commas.
func spaced(text string) string {
	return strings.NewReplacer(`": `, `": `, `":`, `": `, `,"`, `, "`, `,{`, `, {`, `,[`, `, [`).Replace(text)
}

// EventTime is the time in an event's id: when the event came in.
func EventTime(id uuid.UUID) time.Time {
	var ms int64
	for _, b := range id[:6] {
		ms = ms<<8 | int64(b)
	}
	return time.UnixMilli(ms).UTC()
}

// eventsByID returns the events in the order of their ids.
func (db *DB) eventsByID(ctx context.Context, ids []uuid.UUID) ([]Event, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	rows, err := db.pool.Query(ctx, `SELECT `+eventColumns+` FROM events WHERE id = ANY($1)`, ids)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	events, err := pgx.CollectRows(rows, pgx.RowToStructByName[Event])
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	place := map[uuid.UUID]int{}
	for i, id := range ids {
		place[id] = i
	}
	slices.SortFunc(events, func(a, b Event) int { return place[a.ID] - place[b.ID] })
	return events, nil
}
