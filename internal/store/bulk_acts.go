package store

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// BulkStart is what starts a bulk act.
type BulkStart struct {
	Reason    string // in words, for the audit of each item
	Arguments BulkArguments
}

// StartBulk starts a bulk act that was chosen. One that was started already is
// fault.Conflict; a resource that there is not is fault.Invalid.
func (db *DB) StartBulk(ctx context.Context, id uuid.UUID, s BulkStart, by Actor) (tasks []Task, err error) {
	for _, r := range s.Arguments.Resources {
		if !slices.Contains(tenant.Resources(), r) {
			return nil, fault.New(fault.Invalid, "resources must be of %v", tenant.Resources())
		}
	}
	return db.bulkAct(ctx, id, "started", "bulk.start", by, func(tx pgx.Tx, b Bulk) (*Task, error) {
		var given BulkArguments
		if b.Act == BulkImport {
			given = s.Arguments
		}
		if _, err := tx.Exec(ctx, `
			UPDATE bulk_acts
			SET status = 'running', arguments = $2, reason = $3, actor = $4, address = nullif($5, ''), started_at = now()
			WHERE id = $1`, id, given, s.Reason, by.Name, by.Address); err != nil {
			return nil, fmt.Errorf("start a bulk act: %w", err)
		}
		task, err := assign(ctx, tx, KindBulkApply, id)
		return &task, err
	}, BulkReady)
}

// PauseBulk stops a running bulk act between two items until it is resumed. One that
// is not running is fault.Conflict.
func (db *DB) PauseBulk(ctx context.Context, id uuid.UUID, by Actor) error {
	_, err := db.bulkAct(ctx, id, "paused", "bulk.pause", by, func(tx pgx.Tx, _ Bulk) (*Task, error) {
		// A worker that has it in hand puts it down itself.
		if _, err := tx.Exec(ctx, `
			UPDATE bulk_acts
			SET status = 'paused', state = CASE WHEN holder IS NULL THEN 'waiting' ELSE state END,
			    due_at = CASE WHEN holder IS NULL THEN NULL ELSE due_at END
			WHERE id = $1`, id); err != nil {
			return nil, fmt.Errorf("pause a bulk act: %w", err)
		}
		return nil, nil //nolint:nilnil // nothing is to be done next
	}, BulkRunning)
	return err
}

// ResumeBulk lets a paused bulk act go on, or one whose work was given up. Any other
// is fault.Conflict.
func (db *DB) ResumeBulk(ctx context.Context, id uuid.UUID, by Actor) ([]Task, error) {
	return db.bulkAct(ctx, id, "resumed", "bulk.resume", by, func(tx pgx.Tx, b Bulk) (*Task, error) {
		if b.Status == BulkRunning && !b.GivenUp() {
			return nil, fault.New(fault.Conflict, "a running bulk act cannot be resumed")
		}
		if _, err := tx.Exec(ctx, `UPDATE bulk_acts SET status = 'running' WHERE id = $1`, id); err != nil {
			return nil, fmt.Errorf("resume a bulk act: %w", err)
		}
		task, err := wake(ctx, tx, KindBulkApply, id)
		return &task, err
	}, BulkPaused, BulkRunning)
}

// CancelBulk ends a bulk act: what it did stays, what it had not come to is left
// alone. One that has ended, or was not started, is fault.Conflict.
func (db *DB) CancelBulk(ctx context.Context, id uuid.UUID, by Actor) error {
	_, err := db.bulkAct(ctx, id, "cancelled", "bulk.cancel", by, func(tx pgx.Tx, _ Bulk) (*Task, error) {
		if _, err := tx.Exec(ctx, `
			UPDATE bulk_acts
			SET status = 'cancelled', finished_at = now(), state = 'done', holder = NULL, due_at = NULL
			WHERE id = $1`, id); err != nil {
			return nil, fmt.Errorf("cancel a bulk act: %w", err)
		}
		return nil, nil //nolint:nilnil // nothing is to be done next
	}, BulkRunning, BulkPaused)
	return err
}

// DropBulk forgets a choice that was not started. One that was is fault.Conflict.
func (db *DB) DropBulk(ctx context.Context, id uuid.UUID, by Actor) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		b, err := lockBulk(ctx, tx, id, "forgotten", BulkReady)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM bulk_acts WHERE id = $1`, id); err != nil {
			return fmt.Errorf("forget a choice: %w", err)
		}
		return note(ctx, tx, by, "bulk.drop", uuid.Nil, b.noted())
	})
}

// ChooseUndo chooses what a bulk act changed, for the act that takes it back. An act
// that nothing takes back, one that goes on, and one that changed nothing are
// fault.Conflict. Where it was chosen before, that choice is returned.
func (db *DB) ChooseUndo(ctx context.Context, id uuid.UUID, by Actor) (undo Bulk, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		of, err := lockBulk(ctx, tx, id, "undone", BulkDone, BulkCancelled)
		if err != nil {
			return err
		}
		back := BulkUndo(of.Act)
		if back == "" || of.Changed == 0 {
			return fault.New(fault.Conflict, "a bulk act that changed nothing, or that nothing takes back, cannot be undone")
		}
		undo, err = bulkWhere(ctx, tx, `undo_of = $1 AND status <> 'cancelled'`, id)
		if err == nil || !isNotFound(err) {
			return err
		}
		undo, err = chosen(ctx, tx, Bulk{Kind: of.Kind, Act: back, Filter: "what a bulk act changed: " + of.Filter, UndoOf: &id}, by,
			func(ctx context.Context, tx pgx.Tx, undoID uuid.UUID) (int, error) {
				tag, err := tx.Exec(ctx, `
					INSERT INTO bulk_items (bulk_id, n, subject, task, tenant_id, before)
					SELECT $1, row_number() OVER (ORDER BY n), subject, task, tenant_id, before
					FROM bulk_items
					WHERE bulk_id = $2 AND state = 'done'`, undoID, id) // by bulk_items_state_idx
				if err != nil {
					return 0, fmt.Errorf("choose what to undo: %w", err)
				}
				return int(tag.RowsAffected()), nil
			})
		return err
	})
	return undo, err
}

// bulkAct is an operator's act on a bulk act that is in one of the statuses, with its
// line in the audit.
func (db *DB) bulkAct(
	ctx context.Context, id uuid.UUID, done, name string, by Actor, fn func(pgx.Tx, Bulk) (*Task, error), statuses ...string,
) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		before, err := lockBulk(ctx, tx, id, done, statuses...)
		if err != nil {
			return err
		}
		task, err := fn(tx, before)
		if err != nil {
			return err
		}
		if task != nil {
			tasks = []Task{*task}
		}
		b, err := bulkWhere(ctx, tx, `id = $1`, id)
		if err != nil {
			return err
		}
		details := b.noted()
		details["before"], details["after"] = map[string]any{"status": before.Status}, map[string]any{"status": b.Status}
		return note(ctx, tx, by, name, uuid.Nil, details)
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// lockBulk locks a bulk act that has to be in one of the statuses for an act.
func lockBulk(ctx context.Context, tx pgx.Tx, id uuid.UUID, done string, statuses ...string) (Bulk, error) {
	b, err := bulkWhere(ctx, tx, `id = $1 FOR UPDATE`, id)
	if err != nil {
		return b, err
	}
	if !slices.Contains(statuses, b.Status) {
		word := map[string]string{BulkReady: "that was not started", BulkDone: "that is done"}[b.Status]
		if word == "" {
			word = "that is " + b.Status
		}
		return b, fault.New(fault.Conflict, "a bulk act %s cannot be %s", word, done)
	}
	return b, nil
}
