package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// EventWork is how the work on one event stands.
type EventWork struct {
	Lane       string
	State      string
	Epoch      int64
	Attempts   int        // failed ones since it was last begun anew
	LastError  *string    // what the last one said, or what it was postponed for
	DueAt      *time.Time // when it goes on; nil where somebody else ends its wait
	LeaseUntil *time.Time // a worker has it until then, if that is not over
}

// EventWork returns how the work on an event stands, or fault.NotFound.
func (db *DB) EventWork(ctx context.Context, id uuid.UUID) (EventWork, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT lane, state, epoch, attempts, last_error, due_at,
		       CASE WHEN holder IS NOT NULL AND lease_until > now() THEN lease_until END AS lease_until
		FROM events
		WHERE id = $1`, id)
	if err != nil {
		return EventWork{}, fmt.Errorf("read the work of an event: %w", err)
	}
	w, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[EventWork])
	return w, translate(err, "event")
}

// EventTurn is something that was done to an event from outside.
type EventTurn struct {
	At    time.Time
	Kind  string // replayed, retried or healed
	Actor string // who; "" for healed
	Words string // the status it had before, or why it was put back
}

// eventTurnsMost bounds what is told of one event.
const eventTurnsMost = 50

// EventTurns returns who replayed or retried an event and when the sweeper put it
// back, newest first. Served by audit_replay_idx and healings_row_id_idx.
func (db *DB) EventTurns(ctx context.Context, id uuid.UUID) ([]EventTurn, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT at, kind, actor, words
		FROM (
			SELECT at, CASE WHEN details ? 'task' THEN 'retried' ELSE 'replayed' END AS kind, actor,
			       coalesce(details->>'was', '') AS words
			FROM audit
			WHERE act = 'event.replay' AND details->>'id' = $1::text
			UNION ALL
			SELECT at, 'healed', '', reason
			FROM healings
			WHERE row_id = $1::uuid
		) AS turns
		ORDER BY at DESC
		LIMIT $2`, id.String(), eventTurnsMost)
	if err != nil {
		return nil, fmt.Errorf("read what happened to an event: %w", err)
	}
	turns, err := pgx.CollectRows(rows, pgx.RowToStructByName[EventTurn])
	if err != nil {
		return nil, fmt.Errorf("read what happened to an event: %w", err)
	}
	return turns, nil
}
