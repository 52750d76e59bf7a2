package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// A bulk act is one act on many subjects. They are chosen at one moment and written
// down, so that what comes later is not among them; the act goes through them some at
// a time, each in a transaction of its own with its line in the audit.
//
//	ready ──start──▶ running ◀──resume── paused     ready, running, paused ──cancel──▶ cancelled
//	                  │ └──────pause──────▶▲
//	                  └──▶ done

// What a bulk act is done to.
const (
	BulkTenants = "tenants"
	BulkEvents  = "events"
	BulkDead    = "dead" // dead letters
)

// The acts: of tenants all but replay, of events replay, of dead letters retry.
const (
	BulkRetry   = "retry"
	BulkImport  = "import"
	BulkSuspend = "suspend"
	BulkResume  = "resume"
	BulkReplay  = "replay"
)

// BulkActs lists the acts that there are for a kind of subject.
func BulkActs(kind string) []string {
	switch kind {
	case BulkTenants:
		return []string{BulkRetry, BulkImport, BulkSuspend, BulkResume}
	case BulkEvents:
		return []string{BulkReplay}
	case BulkDead:
		return []string{BulkRetry}
	}
	return nil
}

// BulkUndo is the act that takes an act back; "" where nothing does.
func BulkUndo(act string) string {
	switch act {
	case BulkSuspend:
		return BulkResume
	case BulkResume:
		return BulkSuspend
	}
	return ""
}

// The statuses of a bulk act.
const (
	BulkReady     = "ready" // chosen, and not started yet
	BulkRunning   = "running"
	BulkPaused    = "paused"
	BulkDone      = "done"
	BulkCancelled = "cancelled"
)

// BulkMost is how many subjects one bulk act has at most.
const BulkMost = 100_000

// Bulk is one act on many subjects.
type Bulk struct {
	ID         uuid.UUID
	Kind       string
	Act        string
	Arguments  BulkArguments
	Filter     string // in words: what was chosen
	Reason     *string
	Actor      string // who started it, before that who chose
	Address    *string
	UndoOf     *uuid.UUID
	Status     string
	Beyond     bool // the list had more than can be chosen at once
	Total      int
	Done       int // changed, skipped and failed
	Changed    int
	Skipped    int
	Failed     int
	CreatedAt  time.Time
	StartedAt  *time.Time
	FinishedAt *time.Time

	State      string // of its work
	LeaseUntil *time.Time
	LastError  *string
}

const bulkColumns = `id, kind, act, arguments, filter, reason, actor, address, undo_of, status, beyond,
	total, done, changed, skipped, failed, created_at, started_at, finished_at, state, lease_until, last_error`

// BulkArguments is what an act is told besides its subjects.
type BulkArguments struct {
	Resources []string   `json:"resources,omitempty"` // of an import; none: all
	Since     *time.Time `json:"since,omitempty"`     // of an import: only what was created since; nil: the whole history
}

// GivenUp tells whether the act's work failed for good before it came to its end.
func (b Bulk) GivenUp() bool { return b.Status == BulkRunning && b.State == "failed" }

// Ended tells whether nothing more is done by the act.
func (b Bulk) Ended() bool { return b.Status == BulkDone || b.Status == BulkCancelled }

// Bulk returns one bulk act, or fault.NotFound.
func (db *DB) Bulk(ctx context.Context, id uuid.UUID) (Bulk, error) {
	return bulkWhere(ctx, db.pool, `id = $1`, id)
}

func bulkWhere(ctx context.Context, q querier, where string, args ...any) (Bulk, error) {
	rows, err := q.Query(ctx, `SELECT `+bulkColumns+` FROM bulk_acts WHERE `+where, args...)
	if err != nil {
		return Bulk{}, fmt.Errorf("read a bulk act: %w", err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Bulk])
	return b, translate(err, "bulk act")
}

// BulkUndone returns the bulk act that takes another one back; nil where none does.
func (db *DB) BulkUndone(ctx context.Context, id uuid.UUID) (*Bulk, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+bulkColumns+`
		FROM bulk_acts
		WHERE undo_of = $1 AND status <> 'cancelled'`, id) // by bulk_acts_undo_key
	if err != nil {
		return nil, fmt.Errorf("look for an undo: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[Bulk])
	if err != nil {
		return nil, fmt.Errorf("look for an undo: %w", err)
	}
	if len(found) == 0 {
		return nil, nil //nolint:nilnil // none is an answer
	}
	return &found[0], nil
}

// BulkFilter is a part of the list of bulk acts.
type BulkFilter struct {
	Before uuid.UUID // older than this one
	After  uuid.UUID // newer than this one
	Limit  int
}

// Bulks lists bulk acts, newest first, up to f.Limit and whether there are more
// beyond: on the older side, or with After on the newer one.
func (db *DB) Bulks(ctx context.Context, f BulkFilter) (list []Bulk, more bool, err error) {
	where, order, at := `id < $1`, `DESC`, f.Before
	switch {
	case f.After != uuid.Nil:
		where, order, at = `id > $1`, `ASC`, f.After
	case f.Before == uuid.Nil:
		where = `id >= $1`
	}
	rows, err := db.pool.Query(ctx, `
		SELECT `+bulkColumns+`
		FROM bulk_acts
		WHERE `+where+`
		ORDER BY id `+order+`
		LIMIT $2`, at, f.Limit+1) // by bulk_acts_pkey
	if err != nil {
		return nil, false, fmt.Errorf("list bulk acts: %w", err)
	}
	if list, err = pgx.CollectRows(rows, pgx.RowToStructByName[Bulk]); err != nil {
		return nil, false, fmt.Errorf("list bulk acts: %w", err)
	}
	if more = len(list) > f.Limit; more {
		list = list[:f.Limit]
	}
	if f.After != uuid.Nil {
		slices.Reverse(list)
	}
	return list, more, nil
}
