package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// A dead letter is a row of work in the state failed. It is grouped with others of
// its kind by its reason, in which ids and numbers are left out.

// deadReason is SQL for a reason without what differs from row to row. Links and
// ids go before numbers, which are parts of them.
const deadReason = `
	regexp_replace(regexp_replace(regexp_replace(coalesce(last_error, ''),
		'https?://[^[:space:]"]+', '…', 'g'),
		'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\m(org|user|orginv|sess)_[[:alnum:]]+|\m[0-9a-f]{16,}\M', '…', 'gi'),
		'[0-9]+([.,:][0-9]+)*', '…', 'g')`

// deadKey is SQL for the name of a row's group, fit for an address.
const deadKey = `md5(task || ' ' || ` + deadReason + `)`

// deadSample bounds how many dead letters of one table are looked at to group
// them: the newest ones.
const deadSample = 5000

// DeadGroup is the dead letters of one kind of task that have one reason.
type DeadGroup struct {
	Key    string // names the group
	Task   string // the kind of task
	Reason string // whole where it is the same for all, else without ids and numbers
	Count  int
	Newest time.Time // when the newest of them was last tried
}

// DeadSummary is all dead letters, grouped.
type DeadSummary struct {
	Groups []DeadGroup // largest first
	Total  int         // all there are, also those that were not looked at
}

// DeadLetters groups the dead letters of all tables by their reasons. Of each table
// the newest 5,000 are looked at.
func (db *DB) DeadLetters(ctx context.Context) (DeadSummary, error) {
	var parts, counts []string
	for _, t := range workTables() {
		parts = append(parts, `
			(SELECT task, last_error, `+deadReason+` AS reason, `+triedAt+` AS tried_at
			 FROM `+t.name+`
			 WHERE state = 'failed'
			 ORDER BY id DESC
			 LIMIT `+fmt.Sprint(deadSample)+`)`)
		counts = append(counts, `(SELECT count(*) FROM `+t.name+` WHERE state = 'failed')`)
	}
	var s DeadSummary
	if err := db.pool.QueryRow(ctx, `SELECT `+strings.Join(counts, ` + `)).Scan(&s.Total); err != nil {
		return DeadSummary{}, fmt.Errorf("count the dead letters: %w", err)
	}
	if s.Total == 0 {
		return s, nil
	}
	rows, err := db.pool.Query(ctx, `
		SELECT md5(task || ' ' || dead.reason) AS key, task,
		       coalesce(CASE WHEN count(DISTINCT last_error) = 1 THEN min(last_error) END, dead.reason) AS reason,
		       count(*)::integer AS count, max(tried_at) AS newest
		FROM (`+strings.Join(parts, ` UNION ALL `)+`) AS dead
		GROUP BY task, dead.reason
		ORDER BY count DESC, newest DESC`)
	if err != nil {
		return DeadSummary{}, fmt.Errorf("group the dead letters: %w", err)
	}
	if s.Groups, err = pgx.CollectRows(rows, pgx.RowToStructByName[DeadGroup]); err != nil {
		return DeadSummary{}, fmt.Errorf("group the dead letters: %w", err)
	}
	return s, nil
}

// triedAt is SQL for when a failed row was last tried: giving up leaves the time
// for which the attempt was due.
const triedAt = `coalesce(due_at, enqueued_at, now())`

// DeadLetter is one row of work that was given up.
type DeadLetter struct {
	Task     string
	ID       uuid.UUID
	Epoch    int64
	Lane     string
	TenantID *uuid.UUID
	Attempts int
	Reason   string
	TriedAt  time.Time // when it was last tried
}

// DeadFilter chooses the dead letters of one group.
type DeadFilter struct {
	Task   string // the kind of task of the group
	Key    string // DeadGroup.Key
	Cursor uuid.UUID
	Newer  bool
	Limit  int // 50 if zero, at most 200
}

// DeadPage is a part of the list of a group, newest rows first.
type DeadPage struct {
	Letters []DeadLetter
	More    bool // there are others beyond the page, in the direction it was asked in
}

// DeadGroup lists the dead letters of one group, among those that DeadLetters looks
// at. An unknown kind of task is fault.NotFound.
func (db *DB) DeadGroup(ctx context.Context, f DeadFilter) (DeadPage, error) {
	t, err := tableOf(f.Task)
	if err != nil {
		return DeadPage{}, fault.New(fault.NotFound, "there is no kind of task called %q", f.Task)
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 200)
	than, order := "<", "DESC"
	if f.Newer {
		than, order = ">", "ASC"
	}
	// Served by the index of the table's failed rows. However many there are, only so
	// many reasons are compared.
	rows, err := db.pool.Query(ctx, `
		SELECT task, id, epoch, `+t.lane+` AS lane, `+t.key+` AS tenant_id, attempts,
		       coalesce(last_error, '') AS reason, `+triedAt+` AS tried_at
		FROM (
			SELECT * FROM `+t.name+`
			WHERE state = 'failed'
			ORDER BY id DESC
			LIMIT `+fmt.Sprint(deadSample)+`
		) AS newest
		WHERE task = $1 AND `+deadKey+` = $2
		  AND ($3 = '00000000-0000-0000-0000-000000000000'::uuid OR id `+than+` $3)
		ORDER BY id `+order+`
		LIMIT $4`, f.Task, f.Key, f.Cursor, limit+1)
	if err != nil {
		return DeadPage{}, fmt.Errorf("list dead letters: %w", err)
	}
	letters, err := pgx.CollectRows(rows, pgx.RowToStructByName[DeadLetter])
	if err != nil {
		return DeadPage{}, fmt.Errorf("list dead letters: %w", err)
	}
	page := DeadPage{Letters: letters, More: len(letters) > limit}
	if page.More {
		page.Letters = letters[:limit]
	}
	if f.Newer {
		slices.Reverse(page.Letters)
	}
	return page, nil
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
			return fault.New(fault.Conflict, "it is not failed any more: its row is %s", state)
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
		return note(ctx, tx, by, act, tenantID, map[string]any{"task": kind, "id": id, "was": "failed", "reason": reason})
	})
	if err != nil {
		return Task{}, err
	}
	return task, nil
}
