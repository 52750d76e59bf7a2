package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/tenant"
)

// Step is one step of a tenant's provisioning.
type Step struct {
	Name       string // tenant.Step
	Status     string // tenant.StepStatus
	Attempt    int
	StartedAt  *time.Time
	FinishedAt *time.Time
	Error      *string         // in words, for operators
	Intent     json.RawMessage // what was going to be made outside, written before it was
}

// Over tells whether nothing is left to do in the step.
func (s Step) Over() bool { return tenant.StepStatus(s.Status).Over() }

// insertSteps makes the rows of a new tenant's steps.
func insertSteps(ctx context.Context, q querier, tenantID uuid.UUID) error {
	if _, err := q.Exec(ctx, `
		INSERT INTO steps (tenant_id, name, position)
		SELECT $1, name, position
		FROM unnest($2::text[]) WITH ORDINALITY AS s (name, position)`, tenantID, tenant.Steps()); err != nil {
		return fmt.Errorf("write the steps: %w", err)
	}
	return nil
}

// Steps returns a tenant's steps in the order they run.
func (db *DB) Steps(ctx context.Context, tenantID uuid.UUID) ([]Step, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT name, status, attempt, started_at, finished_at, error, intent
		FROM steps
		WHERE tenant_id = $1
		ORDER BY position`, tenantID)
	if err != nil {
		return nil, fmt.Errorf("read the steps: %w", err)
	}
	steps, err := pgx.CollectRows(rows, pgx.RowToStructByName[Step])
	if err != nil {
		return nil, fmt.Errorf("read the steps: %w", err)
	}
	return steps, nil
}

// StepRunning notes that a step is being worked on. Every write of a step
// returns fault.ErrLost where the lease is no longer held.
func (db *DB) StepRunning(ctx context.Context, l Lease, name tenant.Step) error {
	return db.writeStep(ctx, l, name, `
		status = 'running', started_at = coalesce(started_at, now()), finished_at = NULL,
		attempt = attempt + CASE WHEN status = 'waiting' THEN 0 ELSE 1 END`)
}

// StepIntent notes what a step is about to make outside, so that it is found
// again when the reply is lost.
func (db *DB) StepIntent(ctx context.Context, l Lease, name tenant.Step, intent any) error {
	doc, err := json.Marshal(intent)
	if err != nil {
		return fmt.Errorf("write the intent of %s: %w", name, err)
	}
	return db.writeStep(ctx, l, name, `intent = $3`, doc)
}

// StepError notes why a step did not succeed this time; it stays running, to be
// tried again.
func (db *DB) StepError(ctx context.Context, l Lease, name tenant.Step, why string) error {
	return db.writeStep(ctx, l, name, `error = $3`, why)
}

// StepWaiting notes what a step waits for.
func (db *DB) StepWaiting(ctx context.Context, l Lease, name tenant.Step, why string) error {
	return db.writeStep(ctx, l, name, `status = 'waiting', error = $3`, why)
}

// StepDone notes that a step is done.
func (db *DB) StepDone(ctx context.Context, l Lease, name tenant.Step) error {
	return db.writeStep(ctx, l, name, `status = 'done', finished_at = now(), error = NULL`)
}

// StepSkipped notes that a step has nothing to do for now, and why.
func (db *DB) StepSkipped(ctx context.Context, l Lease, name tenant.Step, why string) error {
	return db.writeStep(ctx, l, name, `
		status = 'skipped', started_at = coalesce(started_at, now()), finished_at = now(), error = $3`, why)
}

// StepAgain opens a step that was done, because a later one found its work gone.
func (db *DB) StepAgain(ctx context.Context, l Lease, name tenant.Step, why string) error {
	return db.writeStep(ctx, l, name, `status = 'pending', finished_at = NULL, error = $3`, why)
}

// writeStep writes one step in the transaction that proves the lease is held.
func (db *DB) writeStep(ctx context.Context, l Lease, name tenant.Step, set string, args ...any) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `updated_at = now()`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE steps
			SET `+set+`
			WHERE tenant_id = $1 AND name = $2`, append([]any{l.ID, name}, args...)...); err != nil {
			return fmt.Errorf("write the step %s: %w", name, err)
		}
		return nil
	})
}

// resetSteps opens every unfinished step of a tenant, and those that were passed
// over for want of a grant.
func resetSteps(ctx context.Context, q querier, tenantID uuid.UUID) error {
	if _, err := q.Exec(ctx, `
		WITH missed AS (
			SELECT s.name
			FROM steps s JOIN tenants t ON t.id = s.tenant_id
			WHERE s.tenant_id = $1
			  AND (s.name = 'subscriptions' AND s.status = 'skipped'
			       OR s.name IN ('store', 'seed') AND t.store IS NULL)
		)
		UPDATE steps
		SET status = 'pending', finished_at = NULL, error = NULL
		WHERE tenant_id = $1
		  AND (status NOT IN ('done', 'skipped')
		       OR name IN (SELECT name FROM missed)
		       OR name = 'verify' AND EXISTS (SELECT FROM missed))`, tenantID); err != nil {
		return fmt.Errorf("open the steps: %w", err)
	}
	return nil
}

// reopenSteps opens the named steps, whatever they are.
func reopenSteps(ctx context.Context, q querier, tenantID uuid.UUID, names ...tenant.Step) error {
	if _, err := q.Exec(ctx, `
		UPDATE steps
		SET status = 'pending', finished_at = NULL, error = NULL
		WHERE tenant_id = $1 AND name = ANY($2)`, tenantID, names); err != nil {
		return fmt.Errorf("open the steps: %w", err)
	}
	return nil
}
