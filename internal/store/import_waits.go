package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// ParkWork writes that the leased run, page or read waits for its tenant: for a
// grant, or for the tenant to be resumed. It holds the rows that will end the wait
// and reads them again first: false means that the wait is over already, and
// nothing was written. The run of a parked page shows as waiting.
func (db *DB) ParkWork(ctx context.Context, l Lease, tenantID uuid.UUID, why string) (waits bool, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		usable, err := importable(ctx, tx, tenantID)
		if err != nil || usable {
			return err
		}
		waits = true
		if _, err := tx.Exec(ctx, `
			UPDATE runs
			SET status = 'waiting', reason = $3
			WHERE status IN ('pending', 'running') AND state <> 'held'
			  AND (id = $1 OR id = (SELECT run_id FROM pages WHERE id = $1)) AND tenant_id = $2`,
			l.ID, tenantID, why); err != nil {
			return fmt.Errorf("park work: %w", err)
		}
		return postpone(ctx, tx, l, noTime, why)
	})
	return waits, tasks, err
}

// importable locks against change what a tenant's work with Salla waits for, and
// tells whether there is nothing to wait for.
func importable(ctx context.Context, tx pgx.Tx, tenantID uuid.UUID) (bool, error) {
	var tenantStatus, connection string
	if err := tx.QueryRow(ctx, `SELECT status FROM tenants WHERE id = $1 FOR SHARE`, tenantID).Scan(&tenantStatus); err != nil {
		return false, translate(err, "tenant")
	}
	err := tx.QueryRow(ctx, `SELECT status FROM connections WHERE id = $1 FOR SHARE`, tenantID).Scan(&connection)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return false, fmt.Errorf("read connection: %w", err)
	}
	return tenantStatus == "ready" && (connection == "active" || connection == "refreshing"), nil
}

// wakeTenantWork lets the runs, pages and entity reads of a tenant go on that wait
// for it, as far as its windows allow. Epochs rise: the tasks that wrote the waits
// may not have left the queue yet. The caller has written what ended the wait.
func wakeTenantWork(ctx context.Context, q querier, tenantID uuid.UUID) ([]Task, error) {
	rows, err := q.Query(ctx, `
		UPDATE runs
		SET status = CASE WHEN status = 'waiting' THEN CASE WHEN started_at IS NULL THEN 'pending' ELSE 'running' END ELSE status END,
		    reason = NULL,
		    epoch = epoch + CASE WHEN state = 'waiting' THEN 1 ELSE 0 END,
		    due_at = CASE WHEN state = 'waiting' THEN now() ELSE due_at END,
		    enqueued_at = CASE WHEN state = 'waiting' THEN now() ELSE enqueued_at END,
		    state = CASE WHEN state = 'waiting' THEN 'runnable' ELSE state END
		WHERE tenant_id = $1 AND (status = 'waiting' OR (state = 'waiting' AND status IN ('pending', 'running')))
		RETURNING task, id, epoch, 'imports', state`, tenantID)
	if err != nil {
		return nil, fmt.Errorf("wake a tenant's work: %w", err)
	}
	var tasks []Task
	var t Task
	var state string
	if _, err := pgx.ForEachRow(rows, []any{&t.Kind, &t.ID, &t.Epoch, &t.Lane, &state}, func() error {
		if state == "runnable" {
			tasks = append(tasks, t)
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("wake a tenant's work: %w", err)
	}
	if _, err := q.Exec(ctx, `
		UPDATE pages AS p
		SET state = 'held', epoch = p.epoch + 1, last_error = NULL
		FROM runs AS r
		WHERE r.id = p.run_id AND p.tenant_id = $1 AND p.state = 'waiting' AND r.status IN ('running', 'waiting')`, tenantID); err != nil {
		return nil, fmt.Errorf("wake a tenant's pages: %w", err)
	}
	pages, err := releasePages(ctx, q, tenantID)
	if err != nil {
		return nil, err
	}
	if _, err := q.Exec(ctx, `
		UPDATE entity_reads
		SET state = 'held', epoch = epoch + 1, last_error = NULL
		WHERE tenant_id = $1 AND state = 'waiting'`, tenantID); err != nil {
		return nil, fmt.Errorf("wake a tenant's reads: %w", err)
	}
	reads, err := releaseReads(ctx, q, tenantID)
	return append(append(tasks, pages...), reads...), err
}

// errNoRun is what the acts on runs answer where none is in a state for them.
func errNoRun(act string) error {
	return fault.New(fault.Conflict, "there is no import that can be %s", act)
}
