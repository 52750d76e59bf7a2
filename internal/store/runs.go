package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// The kinds of run.
const (
	RunInitial   = "initial"
	RunReconcile = "reconcile"
	RunManual    = "manual"
)

// Run is one import of a tenant.
type Run struct {
	ID          uuid.UUID
	TenantID    uuid.UUID
	Kind        string
	Status      string
	Reason      *string // why it is incomplete, failed, waiting or cancelled, in words
	Resources   []string
	Since       *time.Time // only what was created since; nil: the whole history
	Pass        int
	Checks      int // comparisons of this pass that did not come out equal; from UnseenWanted on see AwaitUnseen
	CreatedAt   time.Time
	StartedAt   *time.Time
	ListsDoneAt *time.Time // when the lists were in, details apart
	FinishedAt  *time.Time

	Streams []StreamTotals `db:"-"` // only from Runs
}

const runColumns = `id, tenant_id, kind, status, reason, resources, since, pass, checks,
	created_at, started_at, lists_done_at, finished_at`

// Run returns one run, or fault.NotFound.
func (db *DB) Run(ctx context.Context, id uuid.UUID) (Run, error) {
	rows, err := db.pool.Query(ctx, `SELECT `+runColumns+` FROM runs WHERE id = $1`, id)
	if err != nil {
		return Run{}, fmt.Errorf("read run: %w", err)
	}
	r, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Run])
	return r, translate(err, "run")
}

// runsShown bounds how many runs of a tenant are listed.
const runsShown = 20

// Runs returns a tenant's newest runs, newest first, with the totals of their
// streams.
func (db *DB) Runs(ctx context.Context, tenantID uuid.UUID) ([]Run, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+runColumns+`
		FROM runs
		WHERE tenant_id = $1
		ORDER BY id DESC
		LIMIT $2`, tenantID, runsShown)
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, pgx.RowToStructByName[Run])
	if err != nil {
		return nil, fmt.Errorf("read runs: %w", err)
	}
	ids := make([]uuid.UUID, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	totals, err := db.streamTotals(ctx, ids)
	if err != nil {
		return nil, err
	}
	for i, r := range runs {
		runs[i].Streams = totals[r.ID]
	}
	return runs, nil
}

// openRun opens a run of a tenant or, while one is open, queues one more behind
// it; a run that is queued already takes the resources in. No resources means
// all. An initial run is opened only where none is open, and no run over everything
// is complete.
func openRun(ctx context.Context, q querier, tenantID uuid.UUID, kind string, resources []string, since *time.Time) ([]Task, error) {
	if len(resources) == 0 {
		resources = tenant.Resources()
	}
	for _, r := range resources {
		if !slices.Contains(tenant.Resources(), r) {
			return nil, fault.New(fault.Invalid, "resources must be of %v", tenant.Resources())
		}
	}
	if err := keepTenant(ctx, q, tenantID); err != nil {
		return nil, err
	}
	if kind == RunInitial {
		if had, err := hadInitial(ctx, q, tenantID); err != nil || had {
			return nil, err
		}
	}
	id, err := newID()
	if err != nil {
		return nil, err
	}
	// The unique indexes on runs, not this code, keep it to one open and one queued.
	tag, err := q.Exec(ctx, `
		INSERT INTO runs (id, tenant_id, kind, resources, since)
		VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT DO NOTHING`, id, tenantID, kind, resources, since)
	if err != nil {
		return nil, fmt.Errorf("open run: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return []Task{{Kind: KindImportStart, ID: id, Epoch: 1, Lane: "imports"}}, nil
	}
	tag, err = q.Exec(ctx, `
		INSERT INTO runs (id, tenant_id, kind, resources, since, state, due_at, enqueued_at)
		VALUES ($1, $2, $3, $4, $5, 'held', NULL, NULL)
		ON CONFLICT DO NOTHING`, id, tenantID, kind, resources, since)
	if err != nil {
		return nil, fmt.Errorf("queue run: %w", err)
	}
	if tag.RowsAffected() == 1 {
		return nil, nil
	}
	if _, err := q.Exec(ctx, `
		UPDATE runs
		SET resources = ARRAY(SELECT DISTINCT unnest(resources || $2::text[]) ORDER BY 1),
		    since = CASE WHEN since IS NOT NULL AND $3::timestamptz IS NOT NULL THEN least(since, $3) END,
		    kind = CASE WHEN 'initial' IN (kind, $4) THEN 'initial' WHEN 'manual' IN (kind, $4) THEN 'manual' ELSE kind END
		WHERE tenant_id = $1 AND status = 'pending' AND state = 'held'`, tenantID, resources, since, kind); err != nil {
		return nil, fmt.Errorf("queue run: %w", err)
	}
	return nil, nil
}

// hadInitial tells whether a tenant has an initial run that is open, or a complete one
// over everything: the initial, or one by hand.
func hadInitial(ctx context.Context, q querier, tenantID uuid.UUID) (had bool, err error) {
	if err := q.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM runs
			WHERE tenant_id = $1
			  AND (kind = 'initial' AND status NOT IN ('failed', 'cancelled', 'incomplete')
			    OR kind = 'manual' AND status = 'complete' AND since IS NULL AND resources @> $2)
		)`, tenantID, tenant.Resources()).Scan(&had); err != nil {
		return false, fmt.Errorf("look for the initial run: %w", err)
	}
	return had, nil
}

// keepTenant takes the lock that a new row's reference to its tenant takes anyway,
// but first: whoever locks several rows begins with the tenant's, so that nobody
// waits in a circle.
func keepTenant(ctx context.Context, q querier, tenantID uuid.UUID) error {
	if _, err := q.Exec(ctx, `SELECT FROM tenants WHERE id = $1 FOR KEY SHARE`, tenantID); err != nil {
		return fmt.Errorf("lock tenant: %w", err)
	}
	return nil
}

// releaseQueued starts the run that waits behind one that has just ended.
func releaseQueued(ctx context.Context, q querier, tenantID uuid.UUID) ([]Task, error) {
	rows, err := q.Query(ctx, `
		UPDATE runs
		SET state = 'runnable', due_at = now(), enqueued_at = now()
		WHERE tenant_id = $1 AND status = 'pending' AND state = 'held'
		  AND NOT EXISTS (
			SELECT FROM runs AS o
			WHERE o.tenant_id = $1
			  AND (o.status IN ('running', 'waiting', 'paused') OR (o.status = 'pending' AND o.state <> 'held'))
		  )
		RETURNING task, id, epoch, 'imports'`, tenantID)
	return collectTasks(rows, err, "release a queued run")
}

// collectTasks reads rows of (task, id, epoch, lane).
func collectTasks(rows pgx.Rows, err error, doing string) ([]Task, error) {
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	tasks, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Task, error) {
		var t Task
		err := r.Scan(&t.Kind, &t.ID, &t.Epoch, &t.Lane)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	return tasks, nil
}

// StartRun opens the leased run's streams and their first pages; the run's row is
// done until all of them have ended. It returns fault.Conflict where the run had
// failed and another one has taken its place.
func (db *DB) StartRun(ctx context.Context, l Lease, streams []NewStream) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := held(ctx, tx, l, `
			status = 'running', started_at = coalesce(started_at, now()), finished_at = NULL, reason = NULL,
			state = 'done', holder = NULL, lease_until = NULL, due_at = NULL, attempts = 0, last_error = NULL`,
		); err != nil {
			if violates(err, "runs_open_key") {
				return fault.New(fault.Conflict, "another import of this store is under way")
			}
			return err
		}
		tasks, err = openStreams(ctx, tx, run, streams)
		return err
	})
	return tasks, err
}

// ContinueRun opens further streams of the leased run: another pass, or the
// details. ends is what the comparison said of those that have ended; listsDone
// notes that the lists are in.
func (db *DB) ContinueRun(
	ctx context.Context, l Lease, ends []StreamEnd, streams []NewStream, listsDone bool,
) (tasks []Task, err error) {
	pass := 1
	for _, s := range streams {
		pass = max(pass, s.Pass)
	}
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := held(ctx, tx, l, `
			pass = greatest(pass, $3), checks = 0,
			lists_done_at = CASE WHEN $4 THEN coalesce(lists_done_at, now()) ELSE lists_done_at END,
			state = 'done', holder = NULL, lease_until = NULL, due_at = NULL, attempts = 0, last_error = NULL`,
			pass, listsDone); err != nil {
			return err
		}
		if err := endStreams(ctx, tx, run.ID, ends); err != nil {
			return err
		}
		tasks, err = openStreams(ctx, tx, run, streams)
		return err
	})
	return tasks, err
}

// NoteCheck counts a comparison of the leased run that did not come out equal, as
// the least-th one if it is not a later one.
func (db *DB) NoteCheck(ctx context.Context, l Lease, least int) error {
	return held(ctx, db.pool, l, `checks = greatest(checks + 1, $3)`, least)
}

// UnseenWanted is what a run's Checks begin to count from anew when the records are
// wanted that its passes did not show.
const UnseenWanted = 1000

// AwaitUnseen wants the entities read that the leased run's passes did not show, and
// notes what the comparison has said so far: the run's end comes after them.
func (db *DB) AwaitUnseen(ctx context.Context, l Lease, ends []StreamEnd, wants []Want) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := held(ctx, tx, l, `checks = $3`, UnseenWanted); err != nil {
			return err
		}
		if err := endStreams(ctx, tx, run.ID, ends); err != nil {
			return err
		}
		if tasks, err = raiseReads(ctx, tx, run.TenantID, wants, &run.ID); err != nil {
			return err
		}
		next, err := handOn(ctx, tx, l, KindImportFinish)
		tasks = append(tasks, next)
		return err
	})
	return tasks, err
}

// UnseenOpen tells whether a read is still to be done that AwaitUnseen wanted.
func (db *DB) UnseenOpen(ctx context.Context, run Run) (bool, error) {
	var open bool
	if err := db.pool.QueryRow(ctx, `
		SELECT EXISTS (
			SELECT FROM entity_reads
			WHERE tenant_id = $1 AND unseen_run = $2 AND state IN ('held', 'runnable', 'waiting'))`,
		run.TenantID, run.ID).Scan(&open); err != nil {
		return false, fmt.Errorf("look for reads of what was not shown: %w", err)
	}
	return open, nil
}

// ReadSince returns which of a resource's entities have been read by themselves
// since an instant.
func (db *DB) ReadSince(
	ctx context.Context, tenantID uuid.UUID, resource string, entities []string, since time.Time,
) ([]string, error) {
	// By entity_reads_entity_key.
	rows, err := db.pool.Query(ctx, `
		SELECT entity
		FROM entity_reads
		WHERE tenant_id = $1 AND resource = $2 AND entity = ANY($3) AND read_at >= $4`, tenantID, resource, entities, since)
	if err != nil {
		return nil, fmt.Errorf("look for single reads: %w", err)
	}
	read, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("look for single reads: %w", err)
	}
	return read, nil
}

// RunEnd is how a run ends.
type RunEnd struct {
	Status  string // complete, incomplete or failed
	Reason  string // in words; "" for complete
	Streams []StreamEnd
}

// FinishRun ends the leased run and starts the one that is queued behind it.
func (db *DB) FinishRun(ctx context.Context, l Lease, end RunEnd) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := held(ctx, tx, l, `
			status = $3, reason = nullif($4, ''), finished_at = now(),
			lists_done_at = coalesce(lists_done_at, CASE WHEN $3 <> 'failed' THEN now() END),
			state = 'done', holder = NULL, lease_until = NULL, due_at = NULL, attempts = 0, last_error = NULL`,
			end.Status, end.Reason); err != nil {
			return err
		}
		if err := endStreams(ctx, tx, run.ID, end.Streams); err != nil {
			return err
		}
		tasks, err = releaseQueued(ctx, tx, run.TenantID)
		return err
	})
	return tasks, err
}

// GiveUpRun makes the leased run a dead letter and marks it failed. Running its
// task again goes on with it.
func (db *DB) GiveUpRun(ctx context.Context, l Lease, reason string) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := giveUp(ctx, tx, l, reason); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE runs
			SET status = 'failed', reason = $2, finished_at = now()
			WHERE id = $1`, run.ID, reason); err != nil {
			return fmt.Errorf("fail run: %w", err)
		}
		tasks, err := releaseQueued(ctx, tx, run.TenantID)
		if err != nil {
			return err
		}
		return leaveToSweeper(ctx, tx, tasks)
	})
}

// ReopenRun makes a run that failed go on, where no other is open: else it
// returns fault.Conflict.
func (db *DB) ReopenRun(ctx context.Context, id uuid.UUID) error {
	_, err := db.pool.Exec(ctx, `
		UPDATE runs
		SET status = 'running', reason = NULL, finished_at = NULL
		WHERE id = $1 AND status = 'failed'`, id)
	if err != nil && violates(err, "runs_open_key") {
		return fault.New(fault.Conflict, "another import of this store is under way")
	}
	if err != nil {
		return fmt.Errorf("reopen run: %w", err)
	}
	return nil
}

// lockedRun is what a transaction needs of the run that it has locked.
type lockedRun struct {
	ID, TenantID uuid.UUID
	Status       string
}

// lockRun locks a run, its tenant's row first. All that changes a run's streams
// and pages begins here, so that it is serial.
func lockRun(ctx context.Context, q querier, id uuid.UUID) (lockedRun, error) {
	r := lockedRun{ID: id}
	if err := q.QueryRow(ctx, `SELECT tenant_id FROM runs WHERE id = $1`, id).Scan(&r.TenantID); err != nil {
		return r, translate(err, "run")
	}
	if err := keepTenant(ctx, q, r.TenantID); err != nil {
		return r, err
	}
	err := q.QueryRow(ctx, `SELECT status FROM runs WHERE id = $1 FOR UPDATE`, id).Scan(&r.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, fault.ErrLost
	}
	if err != nil {
		return r, fmt.Errorf("lock run: %w", err)
	}
	return r, nil
}
