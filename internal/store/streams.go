package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Stream is one pass over one resource of a run.
type Stream struct {
	ID          uuid.UUID
	RunID       uuid.UUID
	TenantID    uuid.UUID
	Resource    string
	Pass        int
	Status      string
	Reason      *string
	PerPage     int
	Ahead       int
	SortBy      string
	FromDate    string // as the source takes it; "" where unbounded
	ToDate      string
	UntilKnown  bool // ends with the first page that brings nothing new
	NextSeq     int
	LastPage    int // as last announced; 0: unknown
	Exhausted   bool
	Pages       int
	Imported    int64
	Unchanged   int64
	Rejected    int64
	Deleted     int64  // records that the list itself calls deleted
	TotalBefore *int64 // as the first page announced it
	TotalLow    *int64 // the least and the most that pages announced, those of windows apart
	TotalHigh   *int64
	TotalAfter  *int64     // as it was when the run was compared
	WindowAim   int        // it is read in windows of dates of about as many records; 0: as one
	Again       bool       // it reads only windows that an earlier pass could not prove
	ToInclusive bool       // windows have shown records of their last day
	AskedAt     *time.Time // when its first page was asked for
	StartedAt   time.Time
	FinishedAt  *time.Time
}

const streamColumns = `id, run_id, tenant_id, resource, pass, status, reason, per_page, ahead, sort_by, from_date, to_date,
	until_known, next_seq, last_page, exhausted, pages, imported, unchanged, rejected, deleted, total_before, total_after,
	total_low, total_high, window_aim, again, to_inclusive, asked_at, started_at, finished_at`

// NewStream says how a stream is read. It begins with one page.
type NewStream struct {
	Resource   string
	Pass       int
	PerPage    int
	SortBy     string
	FromDate   string
	ToDate     string
	UntilKnown bool
	Windows    []DateRange // only these are read, of an orders' list
}

// StreamEnd is what the comparison of a run says about one of its streams.
type StreamEnd struct {
	ID         uuid.UUID
	TotalAfter *int64
	Status     string // complete or incomplete
	Reason     string
}

// StreamTotals sums up a run's passes over one resource.
type StreamTotals struct {
	RunID       uuid.UUID
	Resource    string
	Status      string
	Reason      *string
	Pages       int
	Imported    int64
	Unchanged   int64
	Rejected    int64
	SourceTotal *int64
	StartedAt   time.Time
	FinishedAt  *time.Time
}

// Streams returns a run's streams, in the order they were opened.
func (db *DB) Streams(ctx context.Context, runID uuid.UUID) ([]Stream, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+streamColumns+`
		FROM streams
		WHERE run_id = $1
		ORDER BY id`, runID)
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	streams, err := pgx.CollectRows(rows, pgx.RowToStructByName[Stream])
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	return streams, nil
}

// proven tells of a stream s of a run r that it ends what the run has read of the
// whole list, that it came out equal, and that the run's lists are in.
const proven = `r.lists_done_at IS NOT NULL AND s.status = 'complete' AND s.from_date = '' AND s.to_date = ''
		  AND NOT EXISTS (SELECT FROM streams AS l WHERE l.run_id = s.run_id AND l.resource = s.resource AND l.pass > s.pass)`

// WholePassAt returns when a tenant's newest pass over all of a list began that came
// out equal; nil where there is none. One over windows only ends a whole pass.
func (db *DB) WholePassAt(ctx context.Context, tenantID uuid.UUID, resource string) (*time.Time, error) {
	var at *time.Time
	if err := db.pool.QueryRow(ctx, `
		SELECT max(s.started_at)
		FROM streams AS s
		JOIN runs AS r ON r.id = s.run_id
		WHERE s.tenant_id = $1 AND s.resource = $2 AND NOT s.until_known AND `+proven, tenantID, resource).Scan(&at); err != nil {
		return nil, fmt.Errorf("look for a whole pass: %w", err)
	}
	return at, nil
}

// Proof is a reading of a list, whole or until what was known, that came out equal.
type Proof struct {
	RunID      uuid.UUID
	AskedAt    time.Time // when its first page was asked for
	FinishedAt time.Time // when its last page was done
	RunEndedAt time.Time
}

// NewestProof returns a tenant's newest reading of a list that came out equal; nil
// where there is none.
func (db *DB) NewestProof(ctx context.Context, tenantID uuid.UUID, resource string) (*Proof, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT s.run_id, coalesce(s.finished_at, r.lists_done_at) AS finished_at, coalesce(r.finished_at, now()) AS run_ended_at,
		       (SELECT min(coalesce(f.asked_at, f.started_at))
		        FROM streams AS f
		        WHERE f.run_id = s.run_id AND f.resource = s.resource) AS asked_at
		FROM streams AS s
		JOIN runs AS r ON r.id = s.run_id
		WHERE s.tenant_id = $1 AND s.resource = $2 AND `+proven+`
		ORDER BY s.id DESC
		LIMIT 1`, tenantID, resource)
	if err != nil {
		return nil, fmt.Errorf("look for a proven reading: %w", err)
	}
	p, err := pgx.CollectExactlyOneRow(rows, pgx.RowToAddrOfStructByName[Proof])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil //nolint:nilnil // none is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("look for a proven reading: %w", err)
	}
	return p, nil
}

// streamTotals gives the totals of each run's streams by resource, in the order
// the resources were begun. The status and the source's total are the last pass's.
func (db *DB) streamTotals(ctx context.Context, runs []uuid.UUID) (map[uuid.UUID][]StreamTotals, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT run_id, resource,
		       (array_agg(status ORDER BY pass DESC))[1] AS status,
		       (array_agg(reason ORDER BY pass DESC))[1] AS reason,
		       sum(pages)::integer AS pages, sum(imported)::bigint AS imported,
		       sum(unchanged)::bigint AS unchanged, sum(rejected)::bigint AS rejected,
		       (array_agg(coalesce(total_after, total_before) ORDER BY pass DESC))[1] AS source_total,
		       min(started_at) AS started_at,
		       (array_agg(finished_at ORDER BY pass DESC))[1] AS finished_at
		FROM streams
		WHERE run_id = ANY($1)
		GROUP BY run_id, resource
		ORDER BY min(id::text)`, runs)
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByName[StreamTotals])
	if err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	totals := make(map[uuid.UUID][]StreamTotals, len(runs))
	for _, t := range all {
		totals[t.RunID] = append(totals[t.RunID], t)
	}
	return totals, nil
}

// openStreams opens streams of a run that is locked, each with its first page. A
// run without any stream that has not ended goes to its finish at once.
func openStreams(ctx context.Context, tx pgx.Tx, run lockedRun, streams []NewStream) ([]Task, error) {
	for _, s := range streams {
		id, err := newID()
		if err != nil {
			return nil, err
		}
		tag, err := tx.Exec(ctx, `
			INSERT INTO streams (id, run_id, tenant_id, resource, pass, per_page, ahead, sort_by, from_date, to_date,
			                     until_known, next_seq, again)
			VALUES ($1, $2, $3, $4, $5, $6, 1, $7, $8, $9, $10, $11, $12)
			ON CONFLICT (run_id, resource, pass) DO NOTHING`,
			id, run.ID, run.TenantID, s.Resource, s.Pass, s.PerPage, s.SortBy, s.FromDate, s.ToDate, s.UntilKnown,
			2-min(len(s.Windows), 1), len(s.Windows) > 0)
		if err != nil {
			return nil, fmt.Errorf("open stream: %w", err)
		}
		if tag.RowsAffected() == 0 {
			continue
		}
		for i, window := range s.Windows {
			if err := openWindow(ctx, tx, id, i+1, window); err != nil {
				return nil, err
			}
		}
		if len(s.Windows) > 0 {
			err = morePages(ctx, tx, run, id)
		} else {
			err = addPage(ctx, tx, run, newPage{stream: id, seq: 1})
		}
		if err != nil {
			return nil, err
		}
	}
	tasks, err := releasePages(ctx, tx, run.TenantID)
	if err != nil {
		return nil, err
	}
	finish, err := finishIfEnded(ctx, tx, run)
	return append(tasks, finish...), err
}

// endStreams writes what the comparison said. A stream that failed stays so.
func endStreams(ctx context.Context, tx pgx.Tx, runID uuid.UUID, ends []StreamEnd) error {
	for _, e := range ends {
		if _, err := tx.Exec(ctx, `
			UPDATE streams
			SET total_after = coalesce($3, total_after),
			    status = CASE WHEN status = 'failed' THEN status ELSE $4 END,
			    reason = CASE WHEN status = 'failed' THEN reason ELSE nullif($5, '') END
			WHERE id = $1 AND run_id = $2`, e.ID, runID, e.TotalAfter, e.Status, e.Reason); err != nil {
			return fmt.Errorf("end stream: %w", err)
		}
	}
	return nil
}

// settleStream writes whether a stream has ended, by its pages: failed while one
// of them is a dead letter, complete where all are done and none is to come.
func settleStream(ctx context.Context, tx pgx.Tx, streamID uuid.UUID) error {
	if _, err := tx.Exec(ctx, `
		WITH p AS (
			SELECT count(*) FILTER (WHERE state IN ('held', 'runnable', 'waiting')) AS open,
			       count(*) FILTER (WHERE state = 'failed') AS failed
			FROM pages
			WHERE stream_id = $1 AND state <> 'done'
		)
		UPDATE streams AS s
		SET status = CASE
				WHEN p.failed > 0 THEN 'failed'
				WHEN p.open = 0 AND (s.exhausted OR s.last_page BETWEEN 1 AND s.next_seq - 1) THEN 'complete'
				ELSE 'running'
			END,
		    reason = CASE WHEN p.failed > 0 THEN s.reason END,
		    finished_at = CASE
				WHEN p.open = 0 AND (p.failed > 0 OR s.exhausted OR s.last_page BETWEEN 1 AND s.next_seq - 1)
				THEN coalesce(s.finished_at, now())
			END
		FROM p
		WHERE s.id = $1 AND s.status IN ('running', 'failed')`, streamID); err != nil {
		return fmt.Errorf("settle stream: %w", err)
	}
	return nil
}

// finishIfEnded gives the run's row to import:finish once every stream has ended.
func finishIfEnded(ctx context.Context, tx pgx.Tx, run lockedRun) ([]Task, error) {
	var going bool
	if err := tx.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM streams WHERE run_id = $1 AND finished_at IS NULL)`, run.ID).Scan(&going); err != nil {
		return nil, fmt.Errorf("read streams: %w", err)
	}
	if going {
		return nil, nil
	}
	t, err := assign(ctx, tx, KindImportFinish, run.ID)
	if err != nil {
		return nil, err
	}
	return []Task{t}, nil
}
