package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// noTime is the end of a wait that somebody else ends.
var noTime time.Time

// PauseRun stops a tenant's open run until it is resumed. What is under way loses
// its row; what it has stored stays. It returns fault.Conflict where no run is open.
func (db *DB) PauseRun(ctx context.Context, tenantID uuid.UUID, by Actor) ([]Task, error) {
	_, tasks, err := db.act(ctx, tenantID, by, "import.pause", nil, func(tx pgx.Tx) ([]Task, error) {
		run, err := lockOpenRun(ctx, tx, tenantID, "paused", "status IN ('running', 'waiting') OR (status = 'pending' AND state <> 'held')")
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE runs
			SET status = 'paused', reason = 'paused by an operator', holder = NULL,
			    due_at = CASE WHEN state = 'runnable' THEN NULL ELSE due_at END,
			    state = CASE WHEN state = 'runnable' THEN 'waiting' ELSE state END
			WHERE id = $1`, run.ID); err != nil {
			return nil, fmt.Errorf("pause run: %w", err)
		}
		// The leases run on: who resumes waits for the old handlers' end.
		if _, err := tx.Exec(ctx, `
			UPDATE pages
			SET state = 'waiting', holder = NULL, due_at = NULL, last_error = 'the import is paused', failing_since = NULL
			WHERE run_id = $1 AND state IN ('held', 'runnable')`, run.ID); err != nil {
			return nil, fmt.Errorf("pause pages: %w", err)
		}
		return nil, markStreams(ctx, tx, run.ID, "running", "paused")
	})
	return tasks, err
}

// ResumeRun lets a tenant's paused run go on. It returns fault.Conflict where none
// is paused.
func (db *DB) ResumeRun(ctx context.Context, tenantID uuid.UUID, by Actor) ([]Task, error) {
	_, tasks, err := db.act(ctx, tenantID, by, "import.resume", nil, func(tx pgx.Tx) ([]Task, error) {
		run, err := lockOpenRun(ctx, tx, tenantID, "resumed", "status = 'paused'")
		if err != nil {
			return nil, err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE runs
			SET status = CASE WHEN started_at IS NULL THEN 'pending' ELSE 'running' END, reason = NULL
			WHERE id = $1`, run.ID); err != nil {
			return nil, fmt.Errorf("resume run: %w", err)
		}
		if err := markStreams(ctx, tx, run.ID, "paused", "running"); err != nil {
			return nil, err
		}
		return wakeTenantWork(ctx, tx, tenantID)
	})
	return tasks, err
}

// CancelRun ends a tenant's open run; what it has stored stays. The run that is
// queued behind it starts. It returns fault.Conflict where no run is open.
func (db *DB) CancelRun(ctx context.Context, tenantID uuid.UUID, by Actor) ([]Task, error) {
	_, tasks, err := db.act(ctx, tenantID, by, "import.cancel", nil, func(tx pgx.Tx) ([]Task, error) {
		run, err := lockOpenRun(ctx, tx, tenantID, "cancelled",
			"status IN ('running', 'waiting', 'paused') OR (status = 'pending' AND state <> 'held')")
		if err != nil {
			return nil, err
		}
		if err := cancelRun(ctx, tx, run, "cancelled by an operator"); err != nil {
			return nil, err
		}
		return releaseQueued(ctx, tx, tenantID)
	})
	return tasks, err
}

// CancelLeasedRun ends the run of a lease, or of the page of a lease, whose tenant
// is gone.
func (db *DB) CancelLeasedRun(ctx context.Context, runID uuid.UUID, reason string) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		run, err := lockRun(ctx, tx, runID)
		if err != nil {
			return err
		}
		return cancelRun(ctx, tx, run, reason)
	})
}

func cancelRun(ctx context.Context, tx pgx.Tx, run lockedRun, reason string) error {
	if _, err := tx.Exec(ctx, `
		UPDATE runs
		SET status = 'cancelled', reason = $2, finished_at = now(), state = 'done', holder = NULL, due_at = NULL
		WHERE id = $1`, run.ID, reason); err != nil {
		return fmt.Errorf("cancel run: %w", err)
	}
	if _, err := tx.Exec(ctx, `
		UPDATE pages
		SET state = 'done', holder = NULL, due_at = NULL
		WHERE run_id = $1 AND state <> 'done'`, run.ID); err != nil {
		return fmt.Errorf("cancel pages: %w", err)
	}
	if _, err := tx.Exec(ctx, `
		UPDATE streams
		SET status = 'cancelled', finished_at = now()
		WHERE run_id = $1 AND (finished_at IS NULL OR status = 'failed')`, run.ID); err != nil {
		return fmt.Errorf("cancel streams: %w", err)
	}
	return nil
}

func markStreams(ctx context.Context, tx pgx.Tx, runID uuid.UUID, from, to string) error {
	if _, err := tx.Exec(ctx, `
		UPDATE streams
		SET status = $3
		WHERE run_id = $1 AND status = $2`, runID, from, to); err != nil {
		return fmt.Errorf("mark streams: %w", err)
	}
	return nil
}

// lockOpenRun locks the tenant's run that meets the condition.
func lockOpenRun(ctx context.Context, tx pgx.Tx, tenantID uuid.UUID, act, condition string) (lockedRun, error) {
	if err := keepTenant(ctx, tx, tenantID); err != nil {
		return lockedRun{}, err
	}
	r := lockedRun{TenantID: tenantID}
	err := tx.QueryRow(ctx, `
		SELECT id, status
		FROM runs
		WHERE tenant_id = $1 AND (`+condition+`)
		ORDER BY id DESC
		LIMIT 1
		FOR UPDATE`, tenantID).Scan(&r.ID, &r.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, errNoRun(act)
	}
	if err != nil {
		return r, fmt.Errorf("lock run: %w", err)
	}
	return r, nil
}
