package store

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// merchantPatience is how long an event waits for a tenant with its merchant.
const merchantPatience = 30 * 24 * time.Hour

// windowsAtOnce is how many windows the sweeper fills, and keeps from others, in one
// transaction.
const windowsAtOnce = 50

// SweepEvents lets events go on whose wait is over though nobody released them,
// fills windows that have room, and ends events whose merchant never came. It works
// on at most limit merchants, and on releaseBatch events of each.
func (db *DB) SweepEvents(ctx context.Context, limit int) ([]Task, error) {
	var tasks []Task
	over, err := db.waitsOver(ctx, limit)
	if err != nil {
		return nil, err
	}
	for _, w := range over {
		if err := db.inTx(ctx, func(tx pgx.Tx) error {
			released, err := letGo(ctx, tx, w.TenantID, w.Merchant, w.WaitingFor)
			tasks = append(tasks, released...)
			return err
		}); err != nil {
			return tasks, err
		}
	}
	room, err := db.windowsWithRoom(ctx, limit)
	if err != nil {
		return tasks, err
	}
	for part := range slices.Chunk(room, windowsAtOnce) {
		if err := db.inTx(ctx, func(tx pgx.Tx) error {
			released, err := fillWindows(ctx, tx, part)
			tasks = append(tasks, released...)
			return err
		}); err != nil {
			return tasks, err
		}
	}
	return tasks, db.forgetStrangers(ctx, limit)
}

type overWait struct {
	WaitingFor string
	Merchant   int64
	TenantID   *uuid.UUID
}

// waitsOver finds the pairs of wait and merchant that hold no more. It steps from
// pair to pair in the index, so that a hundred thousand waiting events of one
// merchant cost one step.
func (db *DB) waitsOver(ctx context.Context, limit int) ([]overWait, error) {
	rows, err := db.pool.Query(ctx, `
		WITH RECURSIVE pair AS (
			(SELECT waiting_for, merchant
			 FROM events
			 WHERE status = 'waiting' AND merchant IS NOT NULL
			 ORDER BY waiting_for, merchant
			 LIMIT 1)
			UNION ALL
			SELECT n.waiting_for, n.merchant
			FROM pair AS p
			CROSS JOIN LATERAL (
				SELECT waiting_for, merchant
				FROM events
				WHERE status = 'waiting' AND merchant IS NOT NULL
				  AND (waiting_for, merchant) > (p.waiting_for, p.merchant)
				ORDER BY waiting_for, merchant
				LIMIT 1
			) AS n
		)
		SELECT p.waiting_for, p.merchant, t.id AS tenant_id
		FROM pair AS p
		LEFT JOIN tenants AS t ON t.merchant = p.merchant
		LEFT JOIN connections AS c ON c.id = t.id
		WHERE CASE p.waiting_for
			WHEN 'merchant' THEN t.id IS NOT NULL
			WHEN 'ready' THEN t.id IS NULL OR t.status NOT IN ('pending', 'provisioning', 'failed')
			WHEN 'resume' THEN t.id IS NULL OR t.status <> 'suspended'
			ELSE t.id IS NULL OR c.status IN ('active', 'refreshing') OR t.status IN ('deprovisioning', 'deleted')
		END
		LIMIT $1`, limit)
	if err != nil {
		return nil, fmt.Errorf("find waits that are over: %w", err)
	}
	over, err := pgx.CollectRows(rows, pgx.RowToStructByName[overWait])
	if err != nil {
		return nil, fmt.Errorf("find waits that are over: %w", err)
	}
	return over, nil
}

// windowsWithRoom finds merchants that have held events and room for them. It steps
// from merchant to merchant in events_window_idx, and asks as releaseHeld does.
func (db *DB) windowsWithRoom(ctx context.Context, limit int) ([]int64, error) {
	rows, err := db.pool.Query(ctx, `
		WITH RECURSIVE m AS (
			(SELECT merchant
			 FROM events
			 WHERE state IN ('held', 'runnable') AND merchant IS NOT NULL
			 ORDER BY merchant, state, id
			 LIMIT 1)
			UNION ALL
			SELECT n.merchant
			FROM m
			CROSS JOIN LATERAL (
				SELECT merchant
				FROM events
				WHERE state IN ('held', 'runnable') AND merchant > m.merchant
				ORDER BY merchant, state, id
				LIMIT 1
			) AS n
		)
		SELECT m.merchant
		FROM m
		CROSS JOIN LATERAL (
			SELECT 1 FROM events AS h
			WHERE h.merchant = m.merchant AND h.state IN ('held', 'runnable') AND h.state <= 'held'
			ORDER BY h.state, h.id
			LIMIT 1
		) AS held
		WHERE (
			SELECT count(*)
			FROM (
				SELECT 1 FROM events AS w
				WHERE w.merchant = m.merchant AND w.state IN ('held', 'runnable') AND w.state > 'held' AND w.lane = 'events'
				LIMIT $2
			) AS w) < $2
		LIMIT $1`, limit, EventWindow)
	if err != nil {
		return nil, fmt.Errorf("find windows with room: %w", err)
	}
	merchants, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("find windows with room: %w", err)
	}
	return merchants, nil
}

// forgetStrangers ends the events whose merchant did not come in time.
func (db *DB) forgetStrangers(ctx context.Context, limit int) error {
	if _, err := db.pool.Exec(ctx, `
		WITH ended AS (
			UPDATE events AS e
			SET status = 'ignored', waiting_for = NULL, state = 'done', due_at = NULL,
			    error = 'no tenant with this merchant came within 30 days'
			FROM (
				SELECT id
				FROM events
				WHERE status = 'waiting' AND waiting_for = 'merchant' AND received_at < now() - $1::interval
				LIMIT $2
				FOR UPDATE SKIP LOCKED
			) AS w
			WHERE e.id = w.id
			RETURNING e.id
		)
		UPDATE event_payloads AS p
		SET sealed = NULL
		FROM ended
		WHERE p.event_id = ended.id AND p.sealed IS NOT NULL`, merchantPatience, limit); err != nil {
		return fmt.Errorf("end events of unknown merchants: %w", err)
	}
	return nil
}
