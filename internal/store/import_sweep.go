package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// SweepReads lets imports and entity reads go on that nobody released: waits that
// are over, windows with room, streams that have no page to go on with, runs whose
// streams have all ended, and runs queued behind none. It works on at most limit
// tenants, streams and runs a time; what goes wrong with one of them stops no other.
func (db *DB) SweepReads(ctx context.Context, limit int) ([]Task, error) {
	var tasks []Task
	var errs []error
	for _, sweep := range []func(context.Context, int) ([]Task, error){
		db.sweepWaits, db.sweepWindows, db.sweepStreams, db.sweepRuns, db.sweepQueued,
	} {
		more, err := sweep(ctx, limit)
		tasks, errs = append(tasks, more...), append(errs, err)
	}
	return tasks, errors.Join(errs...)
}

// sweepWaits wakes the work of tenants that have nothing to wait for any more.
func (db *DB) sweepWaits(ctx context.Context, limit int) ([]Task, error) {
	return db.sweepEach(ctx, "find waits that are over", `
		SELECT t.id
		FROM tenants AS t
		JOIN connections AS c ON c.id = t.id
		WHERE t.status = 'ready' AND c.status IN ('active', 'refreshing')
		  AND (EXISTS (SELECT FROM runs AS r WHERE r.tenant_id = t.id
		               AND (r.status = 'waiting' OR (r.status IN ('pending', 'running') AND r.state = 'waiting')))
		    OR EXISTS (SELECT FROM entity_reads AS e WHERE e.tenant_id = t.id AND e.state = 'waiting')
		    OR EXISTS (SELECT FROM runs AS r JOIN pages AS p ON p.run_id = r.id
		               WHERE r.tenant_id = t.id AND r.status = 'running' AND p.state = 'waiting'))
		ORDER BY t.id
		LIMIT $1`, limit,
		func(tx pgx.Tx, tenantID uuid.UUID) ([]Task, error) {
			usable, err := importable(ctx, tx, tenantID)
			if err != nil || !usable {
				return nil, err
			}
			return wakeTenantWork(ctx, tx, tenantID)
		})
}

// sweepWindows releases what is held though its tenant's window has room.
func (db *DB) sweepWindows(ctx context.Context, limit int) ([]Task, error) {
	// From tenant to tenant in the index: a hundred thousand held reads of one cost one step.
	tasks, err := db.sweepEach(ctx, "find windows of reads", `
		WITH RECURSIVE t AS (
			(SELECT tenant_id
			 FROM entity_reads
			 WHERE state IN ('held', 'runnable')
			 ORDER BY tenant_id
			 LIMIT 1)
			UNION ALL
			SELECT n.tenant_id
			FROM t
			CROSS JOIN LATERAL (
				SELECT tenant_id
				FROM entity_reads
				WHERE state IN ('held', 'runnable') AND tenant_id > t.tenant_id
				ORDER BY tenant_id
				LIMIT 1
			) AS n
		)
		SELECT t.tenant_id
		FROM t
		WHERE EXISTS (SELECT FROM entity_reads AS e WHERE e.tenant_id = t.tenant_id AND e.state = 'held')
		  AND (
			SELECT count(*)
			FROM (
				SELECT FROM entity_reads AS e
				WHERE e.tenant_id = t.tenant_id AND e.state = 'runnable'
				LIMIT $2
			) AS w) < $2
		LIMIT $1`, limit,
		func(tx pgx.Tx, tenantID uuid.UUID) ([]Task, error) { return releaseReads(ctx, tx, tenantID) }, readWindow)
	pages, pagesErr := db.sweepEach(ctx, "find windows of pages", `
		SELECT p.tenant_id
		FROM pages AS p
		JOIN runs AS r ON r.id = p.run_id
		WHERE p.state IN ('held', 'runnable') AND r.status IN ('running', 'waiting')
		GROUP BY p.tenant_id
		HAVING count(*) FILTER (WHERE p.state = 'runnable') < $2 AND bool_or(p.state = 'held')
		ORDER BY p.tenant_id
		LIMIT $1`, limit,
		func(tx pgx.Tx, tenantID uuid.UUID) ([]Task, error) { return releasePages(ctx, tx, tenantID) }, pageWindow)
	return append(tasks, pages...), errors.Join(err, pagesErr)
}

// sweepStreams gives a stream that has not ended, and has no page that is not
// done, its next page.
func (db *DB) sweepStreams(ctx context.Context, limit int) ([]Task, error) {
	return db.sweepEach(ctx, "find streams without a page", `
		SELECT s.id
		FROM streams AS s
		JOIN runs AS r ON r.id = s.run_id
		WHERE r.status = 'running' AND s.finished_at IS NULL
		  AND NOT EXISTS (SELECT FROM pages AS p WHERE p.stream_id = s.id AND p.state <> 'done')
		LIMIT $1`, limit,
		func(tx pgx.Tx, streamID uuid.UUID) ([]Task, error) {
			var runID uuid.UUID
			if err := tx.QueryRow(ctx, `SELECT run_id FROM streams WHERE id = $1`, streamID).Scan(&runID); err != nil {
				return nil, translate(err, "stream")
			}
			run, err := lockRun(ctx, tx, runID)
			if err != nil {
				return nil, err
			}
			var inWindows bool
			if err := tx.QueryRow(ctx, `
				SELECT s.window_aim > 0 OR s.again
				FROM streams AS s
				WHERE s.id = $1 AND s.finished_at IS NULL`, streamID).Scan(&inWindows); err != nil {
				return nil, translate(err, "stream")
			}
			if inWindows {
				if _, err := tx.Exec(ctx, `
					UPDATE stream_windows
					SET next_page = 1
					WHERE stream_id = $1 AND last_page = 0
					  AND NOT EXISTS (SELECT FROM pages WHERE stream_id = $1 AND state <> 'done')`, streamID); err != nil {
					return nil, fmt.Errorf("go on with a window: %w", err)
				}
				if err := morePages(ctx, tx, run, streamID); err != nil {
					return nil, err
				}
				return settlePages(ctx, tx, run, streamID)
			}
			var seq int
			var cursor string
			err = tx.QueryRow(ctx, `
				UPDATE streams AS s
				SET next_seq = next_seq + 1
				WHERE s.id = $1 AND s.finished_at IS NULL AND NOT s.exhausted
				  AND NOT s.last_page BETWEEN 1 AND s.next_seq - 1
				  AND NOT EXISTS (SELECT FROM pages AS p WHERE p.stream_id = s.id AND p.state <> 'done')
				RETURNING s.next_seq - 1, CASE WHEN s.last_page > 0 THEN '' ELSE s.cursor END`, streamID).Scan(&seq, &cursor)
			if err != nil && !errors.Is(err, pgx.ErrNoRows) {
				return nil, fmt.Errorf("go on with a stream: %w", err)
			}
			if err == nil {
				if err := addPage(ctx, tx, run, newPage{stream: streamID, seq: seq, pageOrCursor: cursor}); err != nil {
					return nil, err
				}
			}
			return settlePages(ctx, tx, run, streamID)
		})
}

// sweepRuns gives runs whose streams have all ended to import:finish.
func (db *DB) sweepRuns(ctx context.Context, limit int) ([]Task, error) {
	return db.sweepEach(ctx, "find runs that have ended", `
		SELECT r.id
		FROM runs AS r
		WHERE r.status = 'running' AND r.state = 'done'
		  AND NOT EXISTS (SELECT FROM streams AS s WHERE s.run_id = r.id AND s.finished_at IS NULL)
		LIMIT $1`, limit,
		func(tx pgx.Tx, runID uuid.UUID) ([]Task, error) {
			run, err := lockRun(ctx, tx, runID)
			if err != nil || run.Status != "running" {
				return nil, err
			}
			var idle bool
			if err := tx.QueryRow(ctx, `SELECT state = 'done' FROM runs WHERE id = $1`, runID).Scan(&idle); err != nil || !idle {
				return nil, translate(err, "run")
			}
			return finishIfEnded(ctx, tx, run)
		})
}

// sweepQueued starts queued runs that wait behind none.
func (db *DB) sweepQueued(ctx context.Context, limit int) ([]Task, error) {
	return db.sweepEach(ctx, "find queued runs", `
		SELECT q.tenant_id
		FROM runs AS q
		WHERE q.status = 'pending' AND q.state = 'held'
		  AND NOT EXISTS (
			SELECT FROM runs AS o
			WHERE o.tenant_id = q.tenant_id
			  AND (o.status IN ('running', 'waiting', 'paused') OR (o.status = 'pending' AND o.state <> 'held'))
		  )
		LIMIT $1`, limit,
		func(tx pgx.Tx, tenantID uuid.UUID) ([]Task, error) { return releaseQueued(ctx, tx, tenantID) })
}

// ReconcileDue opens a run for each ready tenant that is due: at once where it never
// had one, else in its own time of every, which its id gives, so that all tenants'
// runs are spread over it. A tenant whose newest run began less than half of every
// ago is left for the next time, runs by hand over a part apart; an every of 0 makes
// all due. The run is a reconcile, or the initial one where no run over everything is
// complete yet.
func (db *DB) ReconcileDue(ctx context.Context, every time.Duration, limit int) ([]Task, error) {
	return db.sweepEach(ctx, "find tenants to reconcile", `
		SELECT t.id
		FROM tenants AS t
		JOIN connections AS c ON c.id = t.id
		LEFT JOIN LATERAL (
			-- By runs_tenant_id_idx.
			SELECT coalesce(r.started_at, r.created_at) AS began
			FROM runs AS r
			WHERE r.tenant_id = t.id AND (r.kind <> 'manual' OR r.since IS NULL AND r.resources @> $3)
			ORDER BY r.id DESC
			LIMIT 1
		) AS newest ON true
		CROSS JOIN LATERAL (
			SELECT ('x' || right(t.id::text, 8))::bit(32)::bigint / 4294967296.0 * $2::float8 AS after
		) AS slot
		WHERE t.status = 'ready' AND c.status IN ('active', 'refreshing')
		  AND (newest.began IS NULL OR $2 = 0
		    OR newest.began <= now() - make_interval(secs => $2 / 2)
		   AND newest.began < to_timestamp(slot.after + $2 * floor((extract(epoch FROM now())::float8 - slot.after) / nullif($2, 0))))
		  AND NOT EXISTS (
			SELECT FROM runs AS r
			WHERE r.tenant_id = t.id AND r.status IN ('pending', 'running', 'waiting', 'paused')
		  )
		ORDER BY t.id
		LIMIT $1`, limit,
		func(tx pgx.Tx, tenantID uuid.UUID) ([]Task, error) {
			usable, err := importable(ctx, tx, tenantID)
			if err != nil || !usable {
				return nil, err
			}
			had, err := hadInitial(ctx, tx, tenantID)
			if err != nil {
				return nil, err
			}
			if !had {
				return openRun(ctx, tx, tenantID, RunInitial, nil, nil)
			}
			return openRun(ctx, tx, tenantID, RunReconcile, nil, nil)
		}, every.Seconds(), tenant.Resources())
}

// sweepEach finds ids and does one short transaction for each; one that fails stops
// no other. What went on or away in the meantime is left alone.
func (db *DB) sweepEach(ctx context.Context, doing, find string, limit int,
	do func(tx pgx.Tx, id uuid.UUID) ([]Task, error), args ...any,
) ([]Task, error) {
	rows, err := db.pool.Query(ctx, find, append([]any{limit}, args...)...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	var tasks []Task
	var errs []error
	for _, id := range ids {
		if ctx.Err() != nil {
			errs = append(errs, ctx.Err())
			break
		}
		var more []Task
		err := db.inTx(ctx, func(tx pgx.Tx) error {
			var err error
			more, err = do(tx, id)
			return err
		})
		switch {
		case err == nil:
			tasks = append(tasks, more...)
		case !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.ErrLost):
			errs = append(errs, fmt.Errorf("%s: %s: %w", doing, id, err))
		}
	}
	return tasks, errors.Join(errs...)
}
