package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/protect"
)

// insertEvents commits events in one transaction and one round trip, and notes what
// became of each. Copies of a delivery that is there already, is being committed at
// this moment, or comes earlier in events change nothing. After an error nothing is
// noted.
func insertEvents(ctx context.Context, pool *pgxpool.Pool, events []*recording) error {
	firsts, copies := foldCopies(events)
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release() // a connection that is not at rest is closed
	there, err := insertBatch(ctx, conn, firsts)
	if err != nil {
		return err
	}
	var others []*recording
	for _, rec := range firsts {
		row, ok := there[rec.event.ID]
		if !ok {
			others = append(others, rec)
			continue
		}
		rec.out = RecordedEvent{ID: rec.event.ID}
		rec.room = row.Room
		if row.State == "runnable" {
			rec.out.Tasks = []Task{{Kind: KindEventApply, ID: rec.event.ID, Epoch: row.Epoch, Lane: rec.event.Lane}}
		}
	}
	findFirstCopies(ctx, conn, others)
	for rec, first := range copies {
		rec.out, rec.err = RecordedEvent{ID: first.out.ID, Duplicate: true}, first.err
	}
	return nil
}

// foldCopies tells the first of each delivery from its copies, each with its first.
func foldCopies(events []*recording) (firsts []*recording, copies map[*recording]*recording) {
	byKey := make(map[string]*recording, len(events))
	for _, rec := range events {
		if first, ok := byKey[string(rec.event.Key)]; ok {
			if copies == nil {
				copies = map[*recording]*recording{}
			}
			copies[rec] = first
			continue
		}
		byKey[string(rec.event.Key)] = rec
		firsts = append(firsts, rec)
	}
	return firsts, copies
}

// insertedEvent is what an event that was not there before has become.
type insertedEvent struct {
	ID    uuid.UUID
	Epoch int64
	State string
	Room  bool // it is held though there is room
}

// insertBatch is one implicit transaction. Who has a window's lock counts exactly,
// in a snapshot taken after the lock. Who does not get it at once leaves its events
// held, and fills the window after the commit if it saw room. Nobody waits for a
// window here; keys are waited for in their order, so that groups of several
// processes don't wait for each other in a circle. The statement is planned once a
// connection: planning it anew takes longer than a small group's commit. So that a
// plan made while the table is empty serves when it is large, the state that is
// counted is a parameter: only events_window_idx fits then. What is large is taken
// from its array where it is written, and not carried along.
func insertBatch(ctx context.Context, conn *pgxpool.Conn, events []*recording) (map[uuid.UUID]insertedEvent, error) {
	c := arraysOf(events)
	batch := &pgx.Batch{}
	batch.Queue(`
		SELECT set_config('plan_cache_mode', 'force_generic_plan', true),
		       set_config('wosool.windows', coalesce(array_agg(merchant) FILTER (WHERE pg_try_advisory_xact_lock(lock)), '{}')::text, true)
		FROM unnest($1::bigint[], $2::bigint[]) AS w (merchant, lock)`, c.windows, c.locks)
	batch.Queue(`
		WITH given AS MATERIALIZED (
			SELECT *
			FROM unnest($1::bytea[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::timestamptz[],
			            $8::timestamptz[], $9::jsonb[], $10::text[], $11::boolean[])
			WITH ORDINALITY AS g (key, id, source, event, merchant, lane, occurred_at, received_at, headers, failed, windowed, nr)
		), win AS MATERIALIZED (
			SELECT m.merchant, m.merchant = ANY (current_setting('wosool.windows')::bigint[]) AS locked, $18 - r.runnable AS room
			FROM unnest($17::bigint[]) AS m (merchant)
			CROSS JOIN LATERAL (
				SELECT count(*) AS runnable
				FROM (
					SELECT 1 FROM events AS e
					WHERE e.merchant = m.merchant AND e.state IN ('held', 'runnable') AND e.state = $19 AND e.lane = 'events'
					LIMIT $18
				) AS w
			) AS r
		), key AS (
			INSERT INTO event_keys (key, event_id, received_at)
			SELECT key, id, received_at FROM given ORDER BY key
			ON CONFLICT (key) DO NOTHING
			RETURNING event_id
		), fresh AS MATERIALIZED (
			SELECT given.*, win.locked, win.room, row_number() OVER (PARTITION BY given.merchant, given.windowed ORDER BY given.nr) AS nth
			FROM key
			JOIN given ON given.id = key.event_id
			LEFT JOIN win ON win.merchant = given.merchant AND given.windowed
		), event AS (
			INSERT INTO events (id, source, event, merchant, lane, occurred_at, received_at, headers,
			                    status, error, last_error, state, due_at, enqueued_at)
			SELECT id, source, event, merchant, lane, occurred_at, received_at, headers,
			       CASE WHEN failed IS NULL THEN 'received' ELSE 'failed' END, failed, failed,
			       CASE
			           WHEN failed IS NOT NULL THEN 'failed'
			           WHEN NOT windowed OR locked AND nth <= room THEN 'runnable'
			           ELSE 'held'
			       END,
			       now(), now()
			FROM fresh
			RETURNING id, epoch, state
		), kept AS (
			INSERT INTO event_payloads (event_id, payload, body, body_length, body_hash, sealed)
			SELECT id, ($12::jsonb[])[nr], ($13::text[])[nr], ($14::integer[])[nr], ($15::bytea[])[nr], ($16::bytea[])[nr]
			FROM fresh
		)
		SELECT event.id, event.epoch, event.state, event.state = 'held' AND NOT fresh.locked AND fresh.room > 0 AS room
		FROM event
		JOIN fresh USING (id)`,
		c.keys, c.ids, c.sources, c.names, c.merchants, c.lanes, c.occurred, c.received, c.headers, c.failed,
		c.windowed, c.payloads, c.texts, c.lengths, c.hashes, c.sealed, c.windows, EventWindow, "runnable")

	results := conn.SendBatch(ctx, batch)
	_, errLock := results.Exec()
	there := make(map[uuid.UUID]insertedEvent, len(events))
	rows, _ := results.Query() // its error is also that of the rows
	var row insertedEvent
	_, errInsert := pgx.ForEachRow(rows, []any{&row.ID, &row.Epoch, &row.State, &row.Room}, func() error {
		there[row.ID] = row
		return nil
	})
	// The commit is at the batch's end.
	if err := errors.Join(errLock, errInsert, results.Close()); err != nil {
		return nil, err
	}
	return there, nil
}

// findFirstCopies notes of which events these are copies. One that is there by its
// own id was committed by a try whose answer was lost; the sweeper rings for it.
func findFirstCopies(ctx context.Context, conn *pgxpool.Conn, events []*recording) {
	if len(events) == 0 {
		return
	}
	keys := make([][]byte, len(events))
	for i, rec := range events {
		keys[i] = rec.event.Key
	}
	ids := map[string]uuid.UUID{}
	rows, _ := conn.Query(ctx, `
		SELECT key, event_id
		FROM event_keys
		WHERE key = ANY ($1)`, keys) // its error is also that of the rows
	var key []byte
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&key, &id}, func() error {
		ids[string(key)] = id
		return nil
	})
	for _, rec := range events {
		first, ok := ids[string(rec.event.Key)]
		switch {
		case ok:
			rec.out = RecordedEvent{ID: first, Duplicate: first != rec.event.ID}
		case err != nil:
			rec.err = fmt.Errorf("find the first copy of an event: %w", err)
		default:
			rec.err = errors.New("find the first copy of an event: its key has gone")
		}
	}
}

// eventArrays are events by column, as unnest takes them.
type eventArrays struct {
	keys, hashes, sealed  [][]byte
	ids                   [][16]byte
	sources, names, lanes []string
	merchants             []*int64
	occurred              []*time.Time
	received              []time.Time
	headers, payloads     [][]byte // JSON
	failed, texts         []*string
	windowed              []bool
	lengths               []int32
	windows, locks        []int64 // of the merchants whose events are windowed
}

func arraysOf(events []*recording) eventArrays {
	var c eventArrays
	seen := make(map[int64]bool, len(events))
	for _, rec := range events {
		e, p := rec.event, rec.event.Payload
		windowed := protect.EventWindow && e.Merchant != nil && e.Lane == LaneEvents && e.Failed == ""
		if windowed && !seen[*e.Merchant] {
			seen[*e.Merchant] = true
			c.windows, c.locks = append(c.windows, *e.Merchant), append(c.locks, windowLock(*e.Merchant))
		}
		c.keys, c.ids = append(c.keys, e.Key), append(c.ids, e.ID)
		c.sources, c.names, c.lanes = append(c.sources, e.Source), append(c.names, e.Event), append(c.lanes, e.Lane)
		c.merchants, c.windowed = append(c.merchants, e.Merchant), append(c.windowed, windowed)
		c.occurred, c.received = append(c.occurred, e.OccurredAt), append(c.received, e.ReceivedAt)
		c.headers, c.failed = append(c.headers, rec.headers), append(c.failed, textOrNull(e.Failed))
		c.payloads, c.texts = append(c.payloads, p.JSON), append(c.texts, textOrNull(p.Text))
		c.lengths = append(c.lengths, int32(p.Length)) //nolint:gosec // a body's length is bounded where it is read
		c.hashes, c.sealed = append(c.hashes, p.Hash), append(c.sealed, p.Sealed)
	}
	return c
}
