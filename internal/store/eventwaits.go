package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/tenant"
)

// releaseBatch bounds how many waiting events one transaction lets go on; the
// sweeper follows with the rest.
const releaseBatch = 1000

// WaitEvent writes that the leased event waits. It holds the row that will end the
// wait and reads it again first: false means that the wait is over already, and
// nothing was written. The merchant's next event is released.
func (db *DB) WaitEvent(ctx context.Context, l Lease, merchant int64, waitingFor string) (waits bool, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		tenantID, holds, err := waitHolds(ctx, tx, merchant, waitingFor)
		if err != nil || !holds {
			return err
		}
		waits = true
		if err := held(ctx, tx, l, `
			status = 'waiting', waiting_for = $3, tenant_id = coalesce($4, tenant_id), error = NULL,
			state = 'waiting', holder = NULL, lease_until = NULL, due_at = NULL, last_error = NULL, failing_since = NULL`,
			waitingFor, tenantID); err != nil {
			return err
		}
		tasks, err = releaseAfter(ctx, tx, l.ID)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return waits, tasks, nil
}

// waitHolds keeps what ends a wait from changing and tells whether it still holds.
func waitHolds(ctx context.Context, tx pgx.Tx, merchant int64, waitingFor string) (tenantID *uuid.UUID, holds bool, err error) {
	query := `
		SELECT id, status
		FROM tenants
		WHERE merchant = $1`
	if waitingFor == WaitMerchant { // no row is there yet: who makes it takes this lock
		if _, err := tx.Exec(ctx, `SELECT pg_advisory_xact_lock_shared($1)`, merchantLock(merchant)); err != nil {
			return nil, false, fmt.Errorf("lock a merchant: %w", err)
		}
	} else if protect.WaitHolds {
		query += `
		FOR SHARE`
	}
	var id uuid.UUID
	var status string
	err = tx.QueryRow(ctx, query, merchant).Scan(&id, &status)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, waitingFor == WaitMerchant, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read what an event waits for: %w", err)
	}
	switch waitingFor {
	case WaitReady:
		holds = unready(status)
	case WaitResume:
		holds = status == string(tenant.Suspended)
	case WaitGrant:
		holds, err = ungranted(ctx, tx, id)
	}
	return &id, holds, err
}

// unready tells whether a tenant's events wait for it to be set up.
func unready(status string) bool {
	switch tenant.Status(status) {
	case tenant.Pending, tenant.Provisioning, tenant.Failed:
		return true
	}
	return false
}

// ungranted keeps a tenant's connection from changing and tells whether Salla is
// closed to it.
func ungranted(ctx context.Context, tx pgx.Tx, tenantID uuid.UUID) (bool, error) {
	var status string
	err := tx.QueryRow(ctx, `
		SELECT status
		FROM connections
		WHERE id = $1
		FOR SHARE`, tenantID).Scan(&status)
	if errors.Is(err, pgx.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the connection: %w", err)
	}
	return status != ConnectionActive && status != ConnectionRefreshing, nil
}

// releaseEvents lets the events of a tenant go on that wait for one thing, as far
// as the window allows; the others are held. It also names the tenant of those that
// waited for the merchant. The caller has written what ended the wait. A nil
// merchant is the tenant's own.
func releaseEvents(ctx context.Context, q querier, tenantID uuid.UUID, merchant *int64, waitingFor string) ([]Task, error) {
	if merchant == nil {
		if err := q.QueryRow(ctx, `
			SELECT merchant
			FROM tenants
			WHERE id = $1`, tenantID).Scan(&merchant); err != nil {
			return nil, translate(err, "tenant")
		}
	}
	if merchant == nil {
		return nil, nil
	}
	if waitingFor == WaitMerchant {
		if err := lockMerchant(ctx, q, *merchant); err != nil {
			return nil, err
		}
	}
	return letGo(ctx, q, &tenantID, *merchant, waitingFor)
}

// lockMerchant keeps others from making the merchant's tenant, and its events from
// beginning to wait for it. It is taken before the tenant's row.
func lockMerchant(ctx context.Context, q querier, merchant int64) error {
	if _, err := q.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, merchantLock(merchant)); err != nil {
		return fmt.Errorf("lock a merchant: %w", err)
	}
	return nil
}

// letGo turns waiting events into runnable and held ones. Their epoch rises: the
// task that wrote the wait may not have left the queue yet.
func letGo(ctx context.Context, q querier, tenantID *uuid.UUID, merchant int64, waitingFor string) ([]Task, error) {
	rows, err := q.Query(ctx, `
		UPDATE events AS e
		SET status = 'received', waiting_for = NULL, tenant_id = coalesce($3, e.tenant_id), epoch = e.epoch + 1,
		    state = CASE WHEN e.lane = 'events' THEN 'held' ELSE 'runnable' END,
		    attempts = 0, due_at = now(), enqueued_at = now()
		FROM (
			SELECT id
			FROM events
			WHERE status = 'waiting' AND waiting_for = $1 AND merchant = $2
			ORDER BY id
			LIMIT $4
			FOR UPDATE SKIP LOCKED
		) AS w
		WHERE e.id = w.id
		RETURNING e.task, e.id, e.epoch, e.lane, e.state`, waitingFor, merchant, tenantID, releaseBatch)
	if err != nil {
		return nil, fmt.Errorf("release events: %w", err)
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
		return nil, fmt.Errorf("release events: %w", err)
	}
	released, err := fillWindow(ctx, q, merchant, false)
	return append(tasks, released...), err
}

// releaseAfter fills the window of the merchant whose event has just ended.
func releaseAfter(ctx context.Context, q querier, id uuid.UUID) ([]Task, error) {
	var merchant *int64
	var lane string
	if err := q.QueryRow(ctx, `
		SELECT merchant, lane
		FROM events
		WHERE id = $1`, id).Scan(&merchant, &lane); err != nil {
		return nil, translate(err, "event")
	}
	if merchant == nil || lane != LaneEvents {
		return nil, nil
	}
	return fillWindow(ctx, q, *merchant, true)
}

// fillWindow makes a merchant's oldest held events runnable, up to the window. Who
// has the window's lock counts exactly. Where one of the window has just ended, the
// lock is not waited for: then one is released for the one that ended, so that the
// count stays what the lock's holder counts.
func fillWindow(ctx context.Context, q querier, merchant int64, ended bool) ([]Task, error) {
	most := EventWindow
	if ended {
		var locked bool
		if err := q.QueryRow(ctx, `SELECT pg_try_advisory_xact_lock($1)`, windowLock(merchant)).Scan(&locked); err != nil {
			return nil, fmt.Errorf("lock a window: %w", err)
		}
		if !locked {
			most = 1
		}
	} else if _, err := q.Exec(ctx, `SELECT pg_advisory_xact_lock($1)`, windowLock(merchant)); err != nil {
		return nil, fmt.Errorf("lock a window: %w", err)
	}
	return releaseHeld(ctx, q, []int64{merchant}, most)
}

// fillWindows fills the windows of many merchants at once. One that somebody else is
// filling is not waited for: what is left of it is the sweeper's.
func fillWindows(ctx context.Context, q querier, merchants []int64) ([]Task, error) {
	locks := make([]int64, len(merchants))
	for i, m := range merchants {
		locks[i] = windowLock(m)
	}
	var free []int64
	if err := q.QueryRow(ctx, `
		SELECT coalesce(array_agg(merchant) FILTER (WHERE pg_try_advisory_xact_lock(lock)), '{}')
		FROM unnest($1::bigint[], $2::bigint[]) AS w (merchant, lock)`, merchants, locks).Scan(&free); err != nil {
		return nil, fmt.Errorf("lock windows: %w", err)
	}
	if len(free) == 0 {
		return nil, nil
	}
	return releaseHeld(ctx, q, free, EventWindow)
}

// releaseHeld makes the oldest held events of each of the merchants runnable: up to
// the window, and at most so many of each. Whether held or runnable is asked for as
// an order of the two: then events_window_idx alone fits, and no plan, whenever it
// was made, walks through the runnable events of all merchants or all of one.
func releaseHeld(ctx context.Context, q querier, merchants []int64, most int) ([]Task, error) {
	rows, err := q.Query(ctx, `
		UPDATE events AS e
		SET state = 'runnable', due_at = coalesce(e.due_at, now()), enqueued_at = now()
		WHERE e.id = ANY (ARRAY(
			SELECT h.id
			FROM unnest($1::bigint[]) AS m (merchant)
			CROSS JOIN LATERAL (
				SELECT h.id
				FROM events AS h
				WHERE h.merchant = m.merchant AND h.state IN ('held', 'runnable') AND h.state <= 'held'
				ORDER BY h.state, h.id
				LIMIT (
					SELECT least($2, $3 - count(*))
					FROM (
						SELECT 1 FROM events AS w
						WHERE w.merchant = m.merchant AND w.state IN ('held', 'runnable') AND w.state > 'held' AND w.lane = 'events'
						LIMIT $3
					) AS w
				)
				FOR UPDATE SKIP LOCKED
			) AS h
		))
		RETURNING e.task, e.id, e.epoch, e.lane`, merchants, most, EventWindow)
	return collectTasks(rows, err, "fill windows")
}
