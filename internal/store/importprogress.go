package store

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// paceSpan is what the rate of a stream is measured over.
const paceSpan = 3 * time.Minute

// StreamPace is how the newest pass over a resource goes on at this moment.
type StreamPace struct {
	RunID    uuid.UUID
	Resource string
	Pass     int
	PerPage  int
	Pages    int        // done ones of this pass
	Found    int64      // records of these
	Open     bool       // the pass has not ended
	ToKnown  bool       // it ends with the first page that brings nothing new
	Again    bool       // it reads only some dates, which could not be proved before
	Records  int64      // in the last minutes
	Calls    int64      // pages in the last minutes
	Seconds  float64    // what of the last minutes the pass has been at work
	Waits    *string    // what its next page waits for, or what went wrong with it
	DueAt    *time.Time // when that page goes on; nil: it is due, or somebody else ends the wait
	Attempts int        // of that page, failed ones
	Dead     int        // pages that were given up
}

// RunPaces tells how the streams of runs go on that are under way, by run and
// resource. Served by streams_run_key, pages_run_done_idx and pages_unfinished_idx.
func (db *DB) RunPaces(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID]map[string]StreamPace, error) {
	paces := make(map[uuid.UUID]map[string]StreamPace, len(runs))
	if len(runs) == 0 {
		return paces, nil
	}
	rows, err := db.pool.Query(ctx, `
		WITH done AS (
			SELECT stream_id, sum(records)::bigint AS records, count(*) AS calls
			FROM pages
			WHERE run_id = ANY($1) AND done_at > now() - $2::interval
			GROUP BY stream_id
		), open AS (
			SELECT DISTINCT ON (stream_id) stream_id, last_error, due_at, attempts, state,
			       count(*) FILTER (WHERE state = 'failed') OVER (PARTITION BY stream_id) AS dead
			FROM pages
			WHERE run_id = ANY($1) AND state <> 'done'
			ORDER BY stream_id, (last_error IS NULL OR lease_until > now()), due_at NULLS LAST
		)
		SELECT DISTINCT ON (s.run_id, s.resource) s.run_id, s.resource, s.pass, s.per_page, s.pages,
		       s.imported + s.unchanged + s.rejected AS found, s.finished_at IS NULL AS open, s.until_known AS to_known, s.again,
		       coalesce(d.records, 0) AS records, coalesce(d.calls, 0) AS calls,
		       least(extract(epoch FROM $2::interval), extract(epoch FROM now() - s.started_at))::float8 AS seconds,
		       CASE WHEN o.state <> 'held' THEN o.last_error END AS waits,
		       CASE WHEN o.due_at > now() THEN o.due_at END AS due_at,
		       coalesce(o.attempts, 0) AS attempts, coalesce(o.dead, 0)::integer AS dead
		FROM streams AS s
		LEFT JOIN done AS d ON d.stream_id = s.id
		LEFT JOIN open AS o ON o.stream_id = s.id
		WHERE s.run_id = ANY($1)
		ORDER BY s.run_id, s.resource, s.pass DESC`, runs, paceSpan)
	if err != nil {
		return nil, fmt.Errorf("read how imports go on: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[StreamPace])
	if err != nil {
		return nil, fmt.Errorf("read how imports go on: %w", err)
	}
	for _, p := range found {
		if paces[p.RunID] == nil {
			paces[p.RunID] = map[string]StreamPace{}
		}
		paces[p.RunID][p.Resource] = p
	}
	return paces, nil
}

// curveParts is how many parts the curve of a run has at most.
const curveParts = 60

// Curve is how many records a minute a run read over time.
type Curve struct {
	From   time.Time
	Step   time.Duration
	Points []float64 // oldest first; the last one is not over while the run is open
	Gone   bool      // the pages that it would be drawn from are no longer kept
}

// RunCurve returns the curve of a run that has begun: the last hour of one that is
// open, the whole of one that has ended, in at most 60 parts. Served by
// pages_run_done_idx.
func (db *DB) RunCurve(ctx context.Context, run Run) (Curve, error) {
	var c Curve
	if run.StartedAt == nil {
		return c, nil
	}
	var now time.Time
	if err := db.pool.QueryRow(ctx, `SELECT now()`).Scan(&now); err != nil {
		return c, fmt.Errorf("read the curve of an import: %w", err)
	}
	end := now
	if run.FinishedAt != nil {
		end = *run.FinishedAt
	}
	c.Gone = now.Sub(end) > pagesKept
	c.From, c.Step = curveSpan(*run.StartedAt, end, run.FinishedAt == nil)
	if c.Gone {
		return c, nil
	}
	rows, err := db.pool.Query(ctx, `
		SELECT floor(extract(epoch FROM done_at - $2::timestamptz) / $4::float8)::integer AS part, sum(records)::float8
		FROM pages
		WHERE run_id = $1 AND done_at >= $2 AND done_at <= $3
		GROUP BY part`, run.ID, c.From, end, c.Step.Seconds())
	if err != nil {
		return c, fmt.Errorf("read the curve of an import: %w", err)
	}
	c.Points = make([]float64, curveParts)
	last := min(int(end.Sub(c.From)/c.Step), curveParts-1)
	var part int
	var records float64
	if _, err := pgx.ForEachRow(rows, []any{&part, &records}, func() error {
		length := c.Step
		if part >= last { // what of it is over; a moment would make a peak of one page
			part, length = last, max(end.Sub(c.From)-time.Duration(last)*c.Step, c.Step/2)
		}
		c.Points[max(part, 0)] += records / length.Minutes()
		return nil
	}); err != nil {
		return c, fmt.Errorf("read the curve of an import: %w", err)
	}
	c.Points = c.Points[:last+1]
	return c, nil
}

// curveSpan gives where a curve begins and how long its parts are. Those of a run
// that is open begin with whole parts, so that they stay while time goes on.
func curveSpan(began, end time.Time, open bool) (from time.Time, step time.Duration) {
	whole := end.Sub(began)
	switch {
	case whole < 8*time.Minute:
		step = 10 * time.Second
	case open || whole < 55*time.Minute:
		step = time.Minute
	default:
		return began, whole/curveParts + time.Second
	}
	return latest(began, end.Add(-(curveParts-1)*step)).Truncate(step), step
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// RunAct is what an operator did to an import.
type RunAct struct {
	At    time.Time
	Actor string
	Act   string // tenant.import, import.pause, …
}

// RunActs returns who asked for a run, and what was done to it since, oldest first;
// the newest fifty. Served by audit_tenant_id_idx.
func (db *DB) RunActs(ctx context.Context, run Run) ([]RunAct, error) {
	low, _ := idBounds(run.CreatedAt, run.CreatedAt)
	// An act notes its run, but for the one that opened it: the two were written at
	// the same instant, that of their transaction.
	rows, err := db.pool.Query(ctx, `
		SELECT at, actor, act
		FROM (
			SELECT id, at, actor, act
			FROM audit
			WHERE tenant_id = $1 AND id >= $2::uuid
			  AND (act = 'tenant.import' AND at = $3
			       OR act IN ('import.pause', 'import.resume', 'import.cancel', 'import.retry') AND details->>'run' = $4)
			ORDER BY id DESC
			LIMIT 50
		) AS a
		ORDER BY id`, run.TenantID, low, run.CreatedAt, run.ID.String())
	if err != nil {
		return nil, fmt.Errorf("read what was done to an import: %w", err)
	}
	acts, err := pgx.CollectRows(rows, pgx.RowToStructByPos[RunAct])
	if err != nil {
		return nil, fmt.Errorf("read what was done to an import: %w", err)
	}
	return acts, nil
}

// RunWhole returns one run with the totals of its streams, or fault.NotFound.
func (db *DB) RunWhole(ctx context.Context, id uuid.UUID) (Run, error) {
	run, err := db.Run(ctx, id)
	if err != nil {
		return Run{}, err
	}
	totals, err := db.streamTotals(ctx, []uuid.UUID{id})
	run.Streams = totals[id]
	return run, err
}
