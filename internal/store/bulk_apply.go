package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// ErrBulkStopped is what ApplyBulkItem and FailBulkItem return where the act does not
// run any more, or somebody else has it: nothing was done to the item.
var ErrBulkStopped = errors.New("the bulk act does not run any more")

// BulkTurn returns the leased bulk act and the numbers of the next items that are to
// be done, or fault.ErrLost.
func (db *DB) BulkTurn(ctx context.Context, l Lease, size int) (Bulk, []int, error) {
	b, err := bulkWhere(ctx, db.pool, isHolder(), l.ID, l.Holder)
	if isNotFound(err) {
		return b, nil, fault.ErrLost
	}
	if err != nil {
		return b, nil, err
	}
	rows, err := db.pool.Query(ctx, `
		SELECT n
		FROM bulk_items
		WHERE bulk_id = $1 AND state = 'pending'
		ORDER BY n
		LIMIT $2`, b.ID, size) // by bulk_items_state_idx
	if err != nil {
		return b, nil, fmt.Errorf("read the items of a bulk act: %w", err)
	}
	numbers, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return b, nil, fmt.Errorf("read the items of a bulk act: %w", err)
	}
	return b, numbers, nil
}

// bulkOutcome is what became of one item.
type bulkOutcome struct {
	state   string
	words   string         // why it was skipped or failed
	before  map[string]any // what it was, for the undo
	tasks   []Task
	table   string // of the revived rows
	revived []revivedRow
}

// ApplyBulkItem does the act to one item of the leased bulk act, in one transaction
// with its audit and the act's counts: what was done is never done again. Where a rule
// or the act itself refuses, the item is skipped, with the words of it.
func (db *DB) ApplyBulkItem(ctx context.Context, l Lease, b Bulk, n int) ([]Task, error) {
	var out bulkOutcome
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		out = bulkOutcome{}
		item, ok, err := lockItem(ctx, tx, b, n)
		if err != nil || !ok {
			return err
		}
		var why string
		if err := tx.QueryRow(ctx, `SELECT v.why FROM (`+bulkVerdicts(b, true)+`) AS v`, b.ID, n).Scan(&why); err != nil {
			return fmt.Errorf("judge an item: %w", err)
		}
		if why != "" {
			out = bulkOutcome{state: ItemSkipped, words: why}
			return endItem(ctx, tx, l, n, out)
		}
		err = pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) error { // what it refuses it has not half done
			out, err = b.do(ctx, tx, item)
			return err
		})
		if refused, ok := errors.AsType[*fault.Error](err); ok {
			out, err = bulkOutcome{state: ItemSkipped, words: refused.Msg}, nil
		}
		if err != nil {
			return err
		}
		return endItem(ctx, tx, l, n, out)
	})
	if err != nil {
		return nil, err
	}
	if len(out.revived) > 0 {
		out.tasks = append(out.tasks, db.runnableOf(ctx, out.table, out.revived)...)
	}
	return out.tasks, nil
}

// FailBulkItem notes that the act could not be done to an item, and why.
func (db *DB) FailBulkItem(ctx context.Context, l Lease, n int, why string) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		return endItem(ctx, tx, l, n, bulkOutcome{state: ItemFailed, words: why})
	})
}

// lockItem locks an item that is still to be done, and the row it is about. ok is
// false where it is done already.
func lockItem(ctx context.Context, tx pgx.Tx, b Bulk, n int) (item BulkItem, ok bool, err error) {
	item.N = n
	err = tx.QueryRow(ctx, `
		SELECT subject, task
		FROM bulk_items
		WHERE bulk_id = $1 AND n = $2 AND state = 'pending'
		FOR UPDATE`, b.ID, n).Scan(&item.Subject, &item.Task)
	if errors.Is(err, pgx.ErrNoRows) {
		return item, false, nil
	}
	if err != nil {
		return item, false, fmt.Errorf("lock an item: %w", err)
	}
	table := map[string]string{BulkTenants: "tenants", BulkEvents: "events"}[b.Kind]
	if table == "" {
		t, err := tableOf(item.Task)
		if err != nil {
			return item, false, err
		}
		table = t.name
	}
	if _, err := tx.Exec(ctx, `SELECT FROM `+table+` WHERE id = $1 FOR UPDATE`, item.Subject); err != nil {
		return item, false, fmt.Errorf("lock the row of an item: %w", err)
	}
	return item, true, nil
}

// endItem writes what became of an item and counts it, for who holds the running act.
func endItem(ctx context.Context, tx pgx.Tx, l Lease, n int, out bulkOutcome) error {
	var before []byte
	if out.before != nil {
		var err error
		if before, err = json.Marshal(out.before); err != nil {
			return fmt.Errorf("end an item: %w", err)
		}
	}
	tag, err := tx.Exec(ctx, `
		UPDATE bulk_items
		SET state = $3, outcome = nullif($4, ''), before = coalesce($5, before), done_at = now()
		WHERE bulk_id = $1 AND n = $2 AND state = 'pending'`, l.ID, n, out.state, out.words, before)
	if err != nil {
		return fmt.Errorf("end an item: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrBulkStopped // somebody else has done it
	}
	tag, err = tx.Exec(ctx, `
		UPDATE bulk_acts
		SET done = done + 1, changed = changed + ($3 = 'done')::integer,
		    skipped = skipped + ($3 = 'skipped')::integer, failed = failed + ($3 = 'failed')::integer
		WHERE `+isHolder()+` AND status = 'running'`, l.ID, l.Holder, out.state)
	if err != nil {
		return fmt.Errorf("count an item: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return ErrBulkStopped
	}
	return nil
}

// EndBulkTurn puts the leased bulk act down: for its next turn, which it returns; until
// it is resumed; or for good, where nothing is left. It returns fault.ErrLost where
// somebody else has it or it was cancelled.
func (db *DB) EndBulkTurn(ctx context.Context, l Lease) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		b, err := bulkWhere(ctx, tx, isHolder()+` FOR UPDATE`, l.ID, l.Holder)
		if isNotFound(err) {
			return fault.ErrLost
		}
		if err != nil {
			return err
		}
		if b.Status == BulkPaused {
			return postpone(ctx, tx, l, noTime, "paused by an operator")
		}
		var left bool
		if err := tx.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM bulk_items WHERE bulk_id = $1 AND state = 'pending')`, b.ID).Scan(&left); err != nil {
			return fmt.Errorf("look for what is left of a bulk act: %w", err)
		}
		if left {
			next, err := handOn(ctx, tx, l, KindBulkApply)
			tasks = []Task{next}
			return err
		}
		if err := held(ctx, tx, l, `status = 'done', finished_at = now()`); err != nil {
			return err
		}
		return finish(ctx, tx, l)
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// do does the act to a locked item that the rules allow, with its line in the audit.
func (b Bulk) do(ctx context.Context, tx pgx.Tx, item BulkItem) (out bulkOutcome, err error) {
	out.state = ItemDone
	details := map[string]any{"bulk": b.ID, "reason": b.Reason}
	var name string
	owner := item.Subject
	if b.Kind == BulkTenants {
		name = "tenant." + b.Act
		err = b.doTenant(ctx, tx, item, &out, details)
	} else {
		name, owner, err = b.doWork(ctx, tx, item, &out, details)
	}
	if err != nil {
		return out, err
	}
	by := Actor{Name: b.Actor}
	if b.Address != nil {
		by.Address = *b.Address
	}
	return out, note(ctx, tx, by, name, owner, details)
}

// doTenant does an act to a tenant. What undoes it needs to know when it was done: the
// mark is older than its line in the audit and newer than every other.
func (b Bulk) doTenant(ctx context.Context, tx pgx.Tx, item BulkItem, out *bulkOutcome, details map[string]any) error {
	t, err := lockTenant(ctx, tx, item.Subject)
	if err != nil {
		return err
	}
	mark, err := newID()
	if err != nil {
		return err
	}
	out.before = map[string]any{"mark": mark, "status": t.Status}
	switch b.Act {
	case BulkRetry:
		out.table = "tenants"
		out.revived, err = revive(ctx, tx, out.table, []uuid.UUID{t.ID})
	case BulkImport:
		given := b.Arguments
		details["resources"], details["since"] = given.Resources, given.Since
		out.tasks, err = openRun(ctx, tx, t.ID, RunManual, given.Resources, given.Since)
	case BulkSuspend:
		out.tasks, err = suspendTenant(ctx, tx, t.ID, tenant.ByOperator)
	case BulkResume:
		out.tasks, err = resumeTenant(ctx, tx, t.ID, tenant.ByOperator)
	}
	if err != nil {
		return err
	}
	after, err := tenantWhere(ctx, tx, `id = $1`, t.ID)
	if err != nil {
		return err
	}
	details["before"] = standing(t)
	details["after"] = standing(after)
	return nil
}

// doWork replays an event or retries a dead letter, and tells whose it is. What has a
// window is held: of one store a few go on at a time.
func (b Bulk) doWork(
	ctx context.Context, tx pgx.Tx, item BulkItem, out *bulkOutcome, details map[string]any,
) (name string, owner uuid.UUID, err error) {
	details["id"] = item.Subject
	if b.Kind == BulkEvents {
		event, err := eventWhere(ctx, tx, `id = $1`, item.Subject)
		if err != nil {
			return "", owner, err
		}
		details["event"], details["was"] = event.Event, event.Status
		out.before, out.table = map[string]any{"status": event.Status}, "events"
		out.revived, err = replayHeld(ctx, tx, item.Subject)
		details["before"], details["after"] = map[string]any{"status": event.Status}, map[string]any{"status": EventReceived}
		name = "event.replay"
		if event.TenantID != nil {
			owner = *event.TenantID
		}
		return name, owner, err
	}
	t, err := tableOf(item.Task)
	if err != nil {
		return "", owner, err
	}
	var reason string
	if err := tx.QueryRow(ctx, `
		SELECT coalesce(`+t.key+`, '00000000-0000-0000-0000-000000000000'), coalesce(last_error, '')
		FROM `+t.name+`
		WHERE id = $1`, item.Subject).Scan(&owner, &reason); err != nil {
		return "", owner, translate(err, "piece of work")
	}
	name = map[string]string{"events": "event.replay", "tenants": "tenant.retry"}[t.name]
	if name == "" {
		name = "task.retry"
	}
	details["task"], details["was"], details["failure"] = item.Task, "failed", reason
	out.before, out.table = map[string]any{"state": "failed", "failure": reason}, t.name
	out.revived, err = revive(ctx, tx, t.name, []uuid.UUID{item.Subject})
	for _, v := range out.revived {
		details["before"], details["after"] = map[string]any{"state": "failed"}, map[string]any{"state": v.State}
	}
	return name, owner, err
}

// replayHeld makes an event that is not on its way be applied again, as ReplayEvent
// does, but when its merchant's window has room for it.
func replayHeld(ctx context.Context, tx pgx.Tx, id uuid.UUID) ([]revivedRow, error) {
	v := revivedRow{}
	if err := tx.QueryRow(ctx, `
		UPDATE events
		SET status = 'received', waiting_for = NULL, error = NULL, applied_at = NULL,
		    state = CASE WHEN lane = 'events' AND merchant IS NOT NULL THEN 'held' ELSE 'runnable' END,
		    task = $2, epoch = epoch + 1, holder = NULL, attempts = 0, due_at = now(), enqueued_at = now(), last_error = NULL
		WHERE id = $1
		RETURNING task, id, epoch, lane, state, tenant_id, merchant`, id, KindEventApply).Scan(
		&v.Kind, &v.ID, &v.Epoch, &v.Lane, &v.State, &v.TenantID, &v.Merchant); err != nil {
		return nil, translate(err, "event")
	}
	return []revivedRow{v}, nil
}

func isNotFound(err error) bool { return errors.Is(err, fault.NotFound) }
