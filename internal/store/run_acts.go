package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// noTime is the end of a wait that somebody else ends.
var noTime time.Time

// PauseRun stops a tenant's open run until it is resumed. What is under way loses
// its row; what it has stored stays. It returns fault.Conflict, which names the
// status, where no run is open.
func (db *DB) PauseRun(ctx context.Context, tenantID uuid.UUID, by Actor) ([]Task, error) {
	_, tasks, err := db.PauseImport(ctx, tenantID, uuid.Nil, by)
	return tasks, err
}

// PauseImport is PauseRun, of this run only where one is named, and returns the
// tenant after it.
func (db *DB) PauseImport(ctx context.Context, tenantID, runID uuid.UUID, by Actor) (Tenant, []Task, error) {
	return db.runAct(ctx, tenantID, by, "import.pause", func(tx pgx.Tx) (lockedRun, []Task, error) {
		run, err := lockRunFor(ctx, tx, tenantID, runID, "paused", openStatus)
		if err != nil {
			return run, nil, err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE runs
			SET status = 'paused', reason = 'paused by an operator', holder = NULL,
			    due_at = CASE WHEN state = 'runnable' THEN NULL ELSE due_at END,
			    state = CASE WHEN state = 'runnable' THEN 'waiting' ELSE state END
			WHERE id = $1`, run.ID); err != nil {
			return run, nil, fmt.Errorf("pause run: %w", err)
		}
		// The leases run on: who resumes waits for the old handlers' end.
		if _, err := tx.Exec(ctx, `
			UPDATE pages
			SET state = 'waiting', holder = NULL, due_at = NULL, last_error = 'the import is paused', failing_since = NULL
			WHERE run_id = $1 AND state IN ('held', 'runnable')`, run.ID); err != nil {
			return run, nil, fmt.Errorf("pause pages: %w", err)
		}
		return run, nil, markStreams(ctx, tx, run.ID, "running", "paused")
	})
}

// ResumeRun lets a tenant's paused run go on. It returns fault.Conflict, which names
// the status, where none is paused.
func (db *DB) ResumeRun(ctx context.Context, tenantID uuid.UUID, by Actor) ([]Task, error) {
	_, tasks, err := db.ResumeImport(ctx, tenantID, uuid.Nil, by)
	return tasks, err
}

// ResumeImport is ResumeRun, of this run only where one is named, and returns the
// tenant after it.
func (db *DB) ResumeImport(ctx context.Context, tenantID, runID uuid.UUID, by Actor) (Tenant, []Task, error) {
	return db.runAct(ctx, tenantID, by, "import.resume", func(tx pgx.Tx) (lockedRun, []Task, error) {
		run, err := lockRunFor(ctx, tx, tenantID, runID, "resumed", "status = 'paused'")
		if err != nil {
			return run, nil, err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE runs
			SET status = CASE WHEN started_at IS NULL THEN 'pending' ELSE 'running' END, reason = NULL
			WHERE id = $1`, run.ID); err != nil {
			return run, nil, fmt.Errorf("resume run: %w", err)
		}
		if err := markStreams(ctx, tx, run.ID, "paused", "running"); err != nil {
			return run, nil, err
		}
		tasks, err := wakeTenantWork(ctx, tx, tenantID)
		return run, tasks, err
	})
}

// CancelRun ends a tenant's open run; what it has stored stays. The run that is
// queued behind it starts. It returns fault.Conflict, which names the status, where
// no run is open.
func (db *DB) CancelRun(ctx context.Context, tenantID uuid.UUID, by Actor) ([]Task, error) {
	_, tasks, err := db.CancelImport(ctx, tenantID, uuid.Nil, by)
	return tasks, err
}

// CancelImport is CancelRun, of this run only where one is named, which may be the
// queued one, and returns the tenant after it.
func (db *DB) CancelImport(ctx context.Context, tenantID, runID uuid.UUID, by Actor) (Tenant, []Task, error) {
	return db.runAct(ctx, tenantID, by, "import.cancel", func(tx pgx.Tx) (lockedRun, []Task, error) {
		condition := openStatus + " OR status = 'paused'"
		if runID != uuid.Nil {
			condition += " OR status = 'pending'"
		}
		run, err := lockRunFor(ctx, tx, tenantID, runID, "cancelled", condition)
		if err != nil {
			return run, nil, err
		}
		if err := cancelRun(ctx, tx, run, "cancelled by an operator"); err != nil {
			return run, nil, err
		}
		tasks, err := releaseQueued(ctx, tx, tenantID)
		return run, tasks, err
	})
}

// RetryImport makes what a run gave up go on, with no attempts spent: its dead pages,
// and its own row if that is one. It returns fault.Conflict where nothing of it is
// failed, and where it has ended and another import of the store is open.
func (db *DB) RetryImport(ctx context.Context, tenantID, runID uuid.UUID, by Actor) (Tenant, []Task, error) {
	return db.runAct(ctx, tenantID, by, "import.retry", func(tx pgx.Tx) (lockedRun, []Task, error) {
		run, err := lockRunFor(ctx, tx, tenantID, runID, "retried", "status IN ('running', 'waiting', 'failed')")
		if err != nil {
			return run, nil, err
		}
		if run.Status == "failed" {
			var open bool
			if err := tx.QueryRow(ctx, `
				SELECT EXISTS (
					SELECT FROM runs
					WHERE tenant_id = $1 AND id <> $2 AND (`+openStatus+` OR status = 'paused'))`, tenantID, run.ID).Scan(&open); err != nil {
				return run, nil, fmt.Errorf("look for an open import: %w", err)
			}
			if open {
				return run, nil, fault.New(fault.Conflict, "the failed import cannot be retried while another import of the store is open")
			}
		}
		var tasks []Task
		for _, table := range []string{"runs", "pages"} {
			rows, err := tx.Query(ctx, `
				SELECT id FROM `+table+`
				WHERE `+map[string]string{"runs": "id", "pages": "run_id"}[table]+` = $1 AND state <> 'done' AND state = 'failed'
				ORDER BY id
				LIMIT 500`, run.ID)
			if err != nil {
				return run, nil, fmt.Errorf("find what failed: %w", err)
			}
			ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
			if err != nil {
				return run, nil, fmt.Errorf("find what failed: %w", err)
			}
			revived, err := revive(ctx, tx, table, ids)
			if err != nil {
				return run, nil, err
			}
			for _, r := range revived {
				tasks = append(tasks, r.Task)
			}
		}
		if len(tasks) == 0 {
			return run, nil, fault.New(fault.Conflict, "nothing of the %s import is given up: import again instead", run.Status)
		}
		return run, tasks, nil
	})
}

// runAct is an operator's act on one run of a tenant, whose id the audit keeps, with
// its status before and after, and how many pieces of work go on.
func (db *DB) runAct(
	ctx context.Context, tenantID uuid.UUID, by Actor, name string, fn func(pgx.Tx) (lockedRun, []Task, error),
) (Tenant, []Task, error) {
	details := map[string]any{}
	return db.act(ctx, tenantID, by, name, details, func(tx pgx.Tx) ([]Task, error) {
		run, tasks, err := fn(tx)
		if err != nil {
			return nil, err
		}
		var status string
		if err := tx.QueryRow(ctx, `SELECT status FROM runs WHERE id = $1`, run.ID).Scan(&status); err != nil {
			return nil, fmt.Errorf("read run: %w", err)
		}
		details["run"], details["count"] = run.ID, len(tasks)
		details["before"], details["after"] = map[string]any{"status": run.Status}, map[string]any{"status": status}
		return tasks, nil
	})
}

// openStatus is SQL for the runs that are under way, but for those that are paused.
const openStatus = "status IN ('running', 'waiting') OR (status = 'pending' AND state <> 'held')"

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

// lockRunFor locks the tenant's run that meets the condition: the named one, or
// whichever does.
func lockRunFor(ctx context.Context, tx pgx.Tx, tenantID, runID uuid.UUID, act, condition string) (lockedRun, error) {
	if err := keepTenant(ctx, tx, tenantID); err != nil {
		return lockedRun{}, err
	}
	r := lockedRun{TenantID: tenantID}
	err := tx.QueryRow(ctx, `
		SELECT id, status
		FROM runs
		WHERE tenant_id = $1 AND ($2 = '00000000-0000-0000-0000-000000000000'::uuid OR id = $2) AND (`+condition+`)
		ORDER BY id DESC
		LIMIT 1
		FOR UPDATE`, tenantID, runID).Scan(&r.ID, &r.Status)
	if errors.Is(err, pgx.ErrNoRows) {
		return r, refuseRun(ctx, tx, tenantID, runID, act)
	}
	if err != nil {
		return r, fmt.Errorf("lock run: %w", err)
	}
	return r, nil
}

// refuseRun says that no run is in a state for an act, naming the one in which the
// run is that was meant: the named one, or the newest.
func refuseRun(ctx context.Context, tx pgx.Tx, tenantID, runID uuid.UUID, act string) error {
	var status string
	var queued bool
	err := tx.QueryRow(ctx, `
		SELECT status, status = 'pending' AND state = 'held'
		FROM runs
		WHERE tenant_id = $1 AND ($2 = '00000000-0000-0000-0000-000000000000'::uuid OR id = $2)
		ORDER BY id DESC
		LIMIT 1`, tenantID, runID).Scan(&status, &queued)
	switch {
	case errors.Is(err, pgx.ErrNoRows) && runID != uuid.Nil:
		return fault.New(fault.NotFound, "there is no such import")
	case errors.Is(err, pgx.ErrNoRows):
		if _, err := tenantWhere(ctx, tx, `id = $1`, tenantID); err != nil {
			return err
		}
		return errNoRun(act)
	case err != nil:
		return fmt.Errorf("read run: %w", err)
	case queued:
		return fault.New(fault.Conflict, "the import that is queued behind another cannot be %s", act)
	}
	return fault.New(fault.Conflict, "the %s import cannot be %s", status, act)
}
