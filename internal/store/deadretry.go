package store

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

func notDead(state string) error {
	return fault.New(fault.Conflict, "it is not failed any more: its row is %s", state)
}

// RetryDead makes a dead letter runnable again with no attempts spent, its epoch
// kept, as when its archived task is run, and notes who asked. It is
// fault.Conflict where the row is not a dead letter any more.
func (db *DB) RetryDead(ctx context.Context, kind string, id uuid.UUID, by Actor) (Task, error) {
	t, err := tableOf(kind)
	if err != nil {
		return Task{}, err
	}
	if t.name == "tenants" { // its status and steps move with it
		_, tasks, err := db.RetryTenant(ctx, id, by)
		if err != nil {
			return Task{}, err
		}
		return tasks[0], nil
	}
	var task Task
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		var tenantID uuid.UUID
		var state, reason string
		if err := tx.QueryRow(ctx, `
			SELECT state, coalesce(`+t.key+`, '00000000-0000-0000-0000-000000000000'), coalesce(last_error, '')
			FROM `+t.name+`
			WHERE id = $1 AND task = $2
			FOR UPDATE`, id, kind).Scan(&state, &tenantID, &reason); err != nil {
			return translate(err, "piece of work")
		}
		if state != "failed" {
			return notDead(state)
		}
		act := "task.retry"
		if kind == KindEventApply {
			act = "event.replay"
			if _, err := tx.Exec(ctx, `
				UPDATE events
				SET status = 'received', error = NULL
				WHERE id = $1 AND status = 'failed'`, id); err != nil {
				return fmt.Errorf("retry an event: %w", err)
			}
		}
		var err error
		if task, err = wake(ctx, tx, kind, id); err != nil {
			return err
		}
		return note(ctx, tx, by, act, tenantID, map[string]any{
			"task": kind, "id": id, "was": "failed", "reason": reason,
			"before": map[string]any{"state": "failed"}, "after": map[string]any{"state": "runnable"},
		})
	})
	if err != nil {
		return Task{}, err
	}
	return task, nil
}

// deadBatch is how many dead letters one transaction retries.
const deadBatch = 500

// deadReads is how many stores' windows of reads are filled after a batch; those of
// the others are the sweeper's, which comes within seconds.
const deadReads = 50

// deadLook is how many dead letters one round looks at where each has to be.
const deadLook = 2_500

// DeadAct is who retries dead letters, and why.
type DeadAct struct {
	By  Actor
	Why string // in words, for the audit; may be empty
}

// DeadBatch is what one round of retrying did.
type DeadBatch struct {
	Retried int
	Passed  int       // chosen, but in somebody's hands or not failed any more
	Tasks   []Task    // to be woken
	Next    DeadPlace // where the next round goes on
	Done    bool      // nothing is left beyond it
}

// DeadPlace is how far a bulk retry has come. Its zero value is the beginning.
type DeadPlace struct {
	source int
	at     DeadCursor
}

// RetryDeadBatch retries up to 500 of the dead letters that the filter chooses, from
// a place on, the oldest first, in one transaction with its audit. What went on
// meanwhile, or is in somebody's hands, is passed over. Events and reads of one store
// go on as its window allows; those beyond it are held. Where few of many are chosen,
// a round may have looked at enough before it found one.
func (db *DB) RetryDeadBatch(ctx context.Context, f DeadFilter, act DeadAct, from DeadPlace) (DeadBatch, error) {
	f.Cursor, f.Newer = from.at, true
	sources, args, err := db.deadSources(ctx, f)
	if err != nil {
		return DeadBatch{}, err
	}
	if from.source >= len(sources) {
		return DeadBatch{Done: true, Next: from}, nil
	}
	s, next := sources[from.source], DeadPlace{source: from.source + 1}
	var ids []uuid.UUID
	var end DeadCursor
	if err := db.inDeadOrder(ctx, func(tx pgx.Tx) (err error) {
		ids, end, err = oldestDead(ctx, tx, s, f, args)
		return err
	}); err != nil {
		return DeadBatch{}, err
	}
	if !end.IsZero() {
		next = DeadPlace{source: from.source, at: end}
	}
	batch := DeadBatch{Next: next, Done: next.source == len(sources)}
	if len(ids) == 0 {
		return batch, nil
	}
	var revived []revivedRow
	if err := db.inTx(ctx, func(tx pgx.Tx) error {
		if revived, err = revive(ctx, tx, s.name, ids); err != nil || len(revived) == 0 {
			return err
		}
		return noteRevived(ctx, tx, s.name, revived, f, act)
	}); err != nil {
		return DeadBatch{}, err
	}
	batch.Retried, batch.Passed = len(revived), len(ids)-len(revived)
	batch.Tasks = db.runnableOf(ctx, s.name, revived)
	return batch, nil
}

// oldestDead finds the next dead letters of a source to retry. end is where it
// stopped; zero at the end of the source.
func oldestDead(
	ctx context.Context, q querier, s deadSource, f DeadFilter, args pgx.NamedArgs,
) (ids []uuid.UUID, end DeadCursor, err error) {
	s.window = min(s.window, deadLook)
	from, upTo := s.from(f, `id, task, `+s.lane+` AS lane, last_error, `+failedAt+` AS failed_at`), `true`
	if len(s.rest) > 0 {
		if end, err = deadEnd(ctx, q, s, f, args); err != nil {
			return nil, end, err
		}
		args["end_at"], args["end_id"] = end.FailedAt, end.ID
		if !end.IsZero() {
			upTo = `(failed_at, id) <= (@end_at, @end_id)`
		}
		from += fmt.Sprintf(` LIMIT %d`, s.window) // rows before the end may have left, none has come
	}
	rows, err := q.Query(ctx, `
		SELECT id, failed_at
		FROM (`+from+` OFFSET 0) AS d
		WHERE `+strings.Join(append([]string{upTo}, s.rest...), ` AND `)+fmt.Sprintf(`
		ORDER BY failed_at, id
		LIMIT %d`, deadBatch), pgx.QueryExecModeCacheDescribe, args)
	if err != nil {
		return nil, end, fmt.Errorf("find dead letters: %w", err)
	}
	var c DeadCursor
	if _, err := pgx.ForEachRow(rows, []any{&c.ID, &c.FailedAt}, func() error {
		ids = append(ids, c.ID)
		return nil
	}); err != nil {
		return nil, end, fmt.Errorf("find dead letters: %w", err)
	}
	if len(ids) == deadBatch {
		end = c
	}
	return ids, end, nil
}

// revivedRow is a dead letter that goes on.
type revivedRow struct {
	Task
	State    string
	TenantID *uuid.UUID
	Merchant *int64
}

// revive makes the failed ones of the rows go on with no attempts spent. Rows with
// a window are held, with a new epoch: the archived task of the old one does
// nothing when it is run.
func revive(ctx context.Context, tx pgx.Tx, table string, ids []uuid.UUID) ([]revivedRow, error) {
	t, err := tableNamed(table)
	if err != nil {
		return nil, err
	}
	held, also, merchant := "false", "", "NULL::bigint"
	switch table {
	case "events":
		held, merchant = "w.lane = 'events' AND w.merchant IS NOT NULL", "w.merchant"
		also = ", status = 'received', waiting_for = NULL, error = NULL"
	case "entity_reads":
		held = "true"
	case "tenants": // as RetryTenant does
		also = ", status = CASE WHEN w.status = 'failed' THEN 'provisioning' ELSE w.status END, updated_at = now()"
	}
	lane, key := t.lane, t.key
	if table == "events" {
		lane = "w.lane"
	}
	switch {
	case table == "events": // it may name only its merchant
		key = "coalesce(w.tenant_id, (SELECT t.id FROM tenants AS t WHERE t.merchant = w.merchant))"
	case key != "NULL::uuid":
		key = "w." + key
	}
	rows, err := tx.Query(ctx, `
		UPDATE `+table+` AS w
		SET state = CASE WHEN `+held+` THEN 'held' ELSE 'runnable' END,
		    epoch = w.epoch + CASE WHEN `+held+` THEN 1 ELSE 0 END,
		    attempts = 0, due_at = now(), enqueued_at = now()`+also+`
		FROM (
			SELECT id
			FROM `+table+`
			WHERE id = ANY($1) AND state = 'failed'
			ORDER BY id
			FOR UPDATE SKIP LOCKED
		) AS dead
		WHERE w.id = dead.id
		RETURNING w.task, w.id, w.epoch, `+lane+`, w.state, `+key+`, `+merchant, ids)
	if err != nil {
		return nil, fmt.Errorf("retry dead letters: %w", err)
	}
	revived, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (revivedRow, error) {
		var v revivedRow
		err := r.Scan(&v.Kind, &v.ID, &v.Epoch, &v.Lane, &v.State, &v.TenantID, &v.Merchant)
		return v, err
	})
	if err != nil {
		return nil, fmt.Errorf("retry dead letters: %w", err)
	}
	if table == "tenants" {
		opened := make([]uuid.UUID, len(revived))
		for i, v := range revived {
			opened[i] = v.ID
		}
		if _, err := tx.Exec(ctx, `
			UPDATE steps
			SET status = 'pending', finished_at = NULL
			WHERE tenant_id = ANY($1) AND status = 'failed'`, opened); err != nil {
			return nil, fmt.Errorf("retry dead letters: %w", err)
		}
	}
	return revived, nil
}

// runnableOf are the tasks of what goes on now: what is not held, and what the
// windows have room for. What was committed is held at worst, until the sweeper
// finds room for it: no failure.
func (db *DB) runnableOf(ctx context.Context, table string, revived []revivedRow) []Task {
	var tasks []Task
	merchants, tenants := map[int64]bool{}, map[uuid.UUID]bool{}
	for _, v := range revived {
		switch {
		case v.State == "runnable":
			tasks = append(tasks, v.Task)
		case table == "events":
			merchants[*v.Merchant] = true
		default:
			tenants[*v.TenantID] = true
		}
	}
	var released []Task
	if err := db.inTx(ctx, func(tx pgx.Tx) (err error) {
		if len(merchants) > 0 {
			released, err = fillWindows(ctx, tx, slices.Collect(maps.Keys(merchants)))
			return err
		}
		for i, tenantID := range slices.Collect(maps.Keys(tenants)) {
			if i == deadReads {
				break
			}
			some, err := releaseReads(ctx, tx, tenantID)
			if err != nil {
				return err
			}
			released = append(released, some...)
		}
		return nil
	}); err == nil {
		tasks = append(tasks, released...)
	}
	return tasks
}

// deadNamed is how many events a batch names one by one in the audit, so that the
// page of each tells of it.
const deadNamed = 20

// noteRevived adds to the audit what a batch did: one line for the act, with its
// filter and count, and one for each tenant whose work goes on, or, of few events,
// one for each.
func noteRevived(ctx context.Context, tx pgx.Tx, table string, revived []revivedRow, f DeadFilter, act DeadAct) error {
	each := "task.retry"
	if table == "tenants" {
		each = "tenant.retry"
	}
	counts := map[uuid.UUID]int{}
	for _, v := range revived {
		if v.TenantID != nil {
			counts[*v.TenantID]++
		}
	}
	named := table == "events" && len(revived) <= deadNamed
	n := len(counts) + 1
	if named {
		n = len(revived) + 1
	}
	ids, acts, docs, owners := make([]uuid.UUID, n), make([]string, n), make([]string, n), make([]*uuid.UUID, n)
	add := func(i int, name string, owner *uuid.UUID, details map[string]any) error {
		id, err := newID()
		if err != nil {
			return err
		}
		doc, err := json.Marshal(details)
		ids[i], acts[i], docs[i], owners[i] = id, name, string(doc), owner
		return err
	}
	if err := add(0, "dead.retry", nil, map[string]any{
		"filter": f.words(), "count": len(revived), "of": table, "reason": act.Why,
	}); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	if named {
		clear(counts)
		for i, v := range revived {
			if err := add(i+1, "event.replay", v.TenantID, map[string]any{
				"task": v.Kind, "id": v.ID, "was": "failed", "reason": act.Why,
			}); err != nil {
				return fmt.Errorf("write the audit: %w", err)
			}
		}
	}
	for i, owner := range slices.SortedFunc(maps.Keys(counts), func(a, b uuid.UUID) int { return bytes.Compare(a[:], b[:]) }) {
		if err := add(i+1, each, &owner, map[string]any{"count": counts[owner], "of": table, "reason": act.Why}); err != nil {
			return fmt.Errorf("write the audit: %w", err)
		}
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO audit (id, actor, act, tenant_id, details, address)
		SELECT a.id, $5, a.act, a.tenant_id, a.details::jsonb, nullif($6, '')
		FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[]) AS a (id, act, tenant_id, details)`,
		ids, acts, owners, docs, act.By.Name, act.By.Address); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}
