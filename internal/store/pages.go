package store

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

const (
	// pageWindow is how many pages of one tenant are in the queue at a time.
	pageWindow = 6
	// mostPages is how many pages no list has,
	mostPages = 200_000
	// and beyondTotal how many more than it has records by its own account.
	beyondTotal = 100
)

// Page is one page of a stream.
type Page struct {
	ID           uuid.UUID
	StreamID     uuid.UUID
	Seq          int
	PageOrCursor string // what it is asked by; "": its Seq
	DateRange    string // FROM..TO: it is a page of that window of dates; "": of the whole list
	DoneAt       *time.Time
}

// PageWork is a page and all that reading it needs.
type PageWork struct {
	Page
	Stream       Stream
	RunStatus    string
	Kind         string // of the run
	Merchant     *int64
	TenantStatus string
	Now          time.Time // the database's clock, before the request
}

// PageWork returns the page of a lease with its stream, run and tenant, or
// fault.NotFound.
func (db *DB) PageWork(ctx context.Context, l Lease) (PageWork, error) {
	var w PageWork
	s := &w.Stream
	err := db.pool.QueryRow(ctx, `
		SELECT p.id, p.stream_id, p.seq, p.page_or_cursor, p.date_range, p.done_at, r.status, r.kind, t.merchant, t.status, clock_timestamp(),
		       s.id, s.run_id, s.tenant_id, s.resource, s.pass, s.status, s.per_page, s.sort_by, s.from_date, s.to_date,
		       s.until_known, s.window_aim, s.again
		FROM pages AS p
		JOIN streams AS s ON s.id = p.stream_id
		JOIN runs AS r ON r.id = p.run_id
		JOIN tenants AS t ON t.id = p.tenant_id
		WHERE p.id = $1`, l.ID).Scan(
		&w.ID, &w.StreamID, &w.Seq, &w.PageOrCursor, &w.DateRange, &w.DoneAt, &w.RunStatus, &w.Kind, &w.Merchant, &w.TenantStatus, &w.Now,
		&s.ID, &s.RunID, &s.TenantID, &s.Resource, &s.Pass, &s.Status, &s.PerPage, &s.SortBy, &s.FromDate, &s.ToDate,
		&s.UntilKnown, &s.WindowAim, &s.Again)
	return w, translate(err, "page")
}

// PageResult is what a page brought, and what it told about the pages after it.
type PageResult struct {
	Records, Imported, Unchanged, Rejected int
	Deleted                                int // records that the list itself calls deleted

	Total    *int64    // of the whole list, as announced; nil if not
	LastPage int       // the number of the last page, as announced; 0 if not
	HasNext  bool      // where LastPage is 0: another page follows
	Next     string    // what that one is asked by; "": its number
	Stop     bool      // no further page is wanted
	Ahead    int       // how many pages may be open at once where the list is numbered
	Digest   []byte    // of the records' ids
	Began    time.Time // when it was asked for, by the database's clock

	Window    int    // read on in windows of about as many records; 0: no
	Oldest    string // the day of the list's oldest record, where Window is set
	Inclusive bool   // a window's page had a record of the window's last day
}

// PageDone ends the leased page in one transaction with its effect on its stream
// and run: the counters, the next pages, the end of the stream and, with the last
// stream, of the run. It returns the pages that came into the tenant's window,
// and import:finish at the end.
func (db *DB) PageDone(ctx context.Context, l Lease, r PageResult) (tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		run, p, err := lockPage(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := held(ctx, tx, l, `
			records = $3, imported = $4, unchanged = $5, rejected = $6, digest = $7, done_at = now(),
			state = 'done', holder = NULL, lease_until = NULL, due_at = NULL, attempts = 0, last_error = NULL`,
			r.Records, r.Imported, r.Unchanged, r.Rejected, r.Digest); err != nil {
			return err
		}
		if err := advance(ctx, tx, run, p, r); err != nil {
			return err
		}
		tasks, err = settlePages(ctx, tx, run, p.StreamID)
		return err
	})
	return tasks, err
}

// lockPage locks a page's run; the page itself is written by its holder only.
func lockPage(ctx context.Context, tx pgx.Tx, id uuid.UUID) (lockedRun, Page, error) {
	p := Page{ID: id}
	var runID uuid.UUID
	if err := tx.QueryRow(ctx, `
		SELECT run_id, stream_id, seq, page_or_cursor, date_range
		FROM pages
		WHERE id = $1`, id).Scan(&runID, &p.StreamID, &p.Seq, &p.PageOrCursor, &p.DateRange); err != nil {
		return lockedRun{}, p, translate(err, "page")
	}
	run, err := lockRun(ctx, tx, runID)
	return run, p, err
}

// advance adds a done page's counts to its stream and creates the pages after it:
// up to r.Ahead open ones where the number of the last page is known, else one
// after the other. A list that does not say how many pages it has, and which gives
// the same records twice, is taken to be at its end. One that goes on where no list
// can is refused.
func advance(ctx context.Context, tx pgx.Tx, run lockedRun, p Page, r PageResult) error {
	if err := endless(p, r); err != nil {
		return err
	}
	var s struct {
		nextSeq, lastPage, open     int
		exhausted, failed, windowed bool
	}
	if p.DateRange != "" {
		return advanceWindow(ctx, tx, run, p, r)
	}
	last := r.Stop || r.Records == 0 || (r.LastPage == 0 && !r.HasNext)
	// state <> 'done' keeps to pages_stream_open_idx: a stream may have 20,000 done ones.
	if err := tx.QueryRow(ctx, `
		UPDATE streams AS s
		SET pages = s.pages + 1, imported = s.imported + $3, unchanged = s.unchanged + $4, rejected = s.rejected + $5,
		    deleted = s.deleted + $12,
		    total_before = coalesce(s.total_before, $6),
		    asked_at = coalesce(s.asked_at, $13), total_low = least(s.total_low, $6), total_high = greatest(s.total_high, $6),
		    last_page = CASE WHEN $7 > 0 AND s.window_aim = 0 THEN $7 ELSE s.last_page END,
		    ahead = CASE WHEN $7 > 0 THEN $8 ELSE 1 END,
		    cursor = $9,
		    exhausted = s.exhausted OR s.window_aim = 0 AND $10 OR ($7 = 0 AND $11::bytea IS NOT NULL AND EXISTS (
				SELECT FROM pages AS o
				WHERE o.stream_id = $1 AND o.id <> $2 AND o.digest = $11))
		WHERE s.id = $1
		RETURNING s.next_seq, s.last_page, s.exhausted, s.window_aim > 0,
		          (SELECT count(*) FROM pages AS o WHERE o.stream_id = $1 AND o.state <> 'done' AND o.state IN ('held', 'runnable', 'waiting')),
		          EXISTS (SELECT FROM pages AS o WHERE o.stream_id = $1 AND o.state <> 'done' AND o.state = 'failed')`,
		p.StreamID, p.ID, r.Imported, r.Unchanged, r.Rejected, r.Total, r.LastPage, max(r.Ahead, 1), r.Next, last, r.Digest, r.Deleted, r.Began,
	).Scan(&s.nextSeq, &s.lastPage, &s.exhausted, &s.windowed, &s.open, &s.failed); err != nil {
		return fmt.Errorf("advance stream: %w", err)
	}
	if r.Window > 0 && !s.windowed && p.Seq == 1 {
		if err := beginWindows(ctx, tx, p.StreamID, r); err != nil {
			return err
		}
		s.windowed = true
	}
	if s.windowed {
		return morePages(ctx, tx, run, p.StreamID)
	}
	if s.exhausted || s.failed {
		return nil
	}
	want, cursor := 1, r.Next
	if r.LastPage > 0 {
		want, cursor = max(r.Ahead, 1), ""
	}
	created := 0
	for ; s.open+created < want; created++ {
		seq := s.nextSeq + created
		if s.lastPage > 0 && seq > s.lastPage {
			break
		}
		if err := addPage(ctx, tx, run, newPage{stream: p.StreamID, seq: seq, pageOrCursor: cursor}); err != nil {
			return err
		}
	}
	if _, err := tx.Exec(ctx, `
		UPDATE streams
		SET next_seq = next_seq + $2
		WHERE id = $1`, p.StreamID, created); err != nil {
		return fmt.Errorf("advance stream: %w", err)
	}
	return nil
}

// endless refuses a page after which there would still be more than a list can have.
func endless(p Page, r PageResult) error {
	number, err := strconv.Atoi(p.PageOrCursor)
	if p.DateRange == "" || err != nil {
		number = p.Seq
	}
	most := int64(mostPages)
	if r.Total != nil && *r.Total > 0 && r.LastPage == 0 {
		most = *r.Total + beyondTotal
	}
	if r.Stop || r.Records == 0 || int64(number) < most || !r.HasNext && number >= r.LastPage {
		return nil
	}
	return fault.Permanent(fmt.Errorf("the list has no end: %d pages are read, and more would follow", number))
}

// advanceWindow is advance for a page of a window of dates.
func advanceWindow(ctx context.Context, tx pgx.Tx, run lockedRun, p Page, r PageResult) error {
	if r.LastPage == 0 && r.HasNext && r.Digest != nil {
		// By pages_digest_idx.
		if err := tx.QueryRow(ctx, `
			SELECT NOT EXISTS (
				SELECT FROM pages
				WHERE stream_id = $1 AND id <> $2 AND date_range = $3 AND page_or_cursor <> $4 AND digest = $5
			)`, p.StreamID, p.ID, p.DateRange, p.PageOrCursor, r.Digest).Scan(&r.HasNext); err != nil {
			return fmt.Errorf("look for a page that repeats: %w", err)
		}
		if !r.HasNext {
			r.Records = 0
		}
	}
	// A stream of given windows only has seen no total but theirs.
	if _, err := tx.Exec(ctx, `
		UPDATE streams
		SET pages = pages + 1, imported = imported + $2, unchanged = unchanged + $3, rejected = rejected + $4,
		    asked_at = coalesce(asked_at, $10), deleted = deleted + $5, ahead = $6, to_inclusive = to_inclusive OR $7,
		    total_before = CASE WHEN again AND $8 THEN coalesce(total_before, 0) + coalesce($9, 0) ELSE total_before END
		WHERE id = $1`,
		p.StreamID, r.Imported, r.Unchanged, r.Rejected, r.Deleted, max(r.Ahead, 1), r.Inclusive, p.PageOrCursor == "1", r.Total, r.Began,
	); err != nil {
		return fmt.Errorf("advance stream: %w", err)
	}
	if err := countWindow(ctx, tx, p, r); err != nil {
		return err
	}
	return morePages(ctx, tx, run, p.StreamID)
}

// newPage says what a page of a stream is asked by.
type newPage struct {
	stream                  uuid.UUID
	seq                     int
	pageOrCursor, dateRange string
}

// addPage creates one page, outside the tenant's window of work.
func addPage(ctx context.Context, tx pgx.Tx, run lockedRun, p newPage) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, page_or_cursor, date_range, state, due_at, enqueued_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 'held', NULL, NULL)`,
		id, p.stream, run.ID, run.TenantID, p.seq, p.pageOrCursor, p.dateRange); err != nil {
		return fmt.Errorf("create page: %w", err)
	}
	return nil
}

// settlePages is the end of every change to a run's pages.
func settlePages(ctx context.Context, tx pgx.Tx, run lockedRun, streamID uuid.UUID) ([]Task, error) {
	if err := settleStream(ctx, tx, streamID); err != nil {
		return nil, err
	}
	tasks, err := releasePages(ctx, tx, run.TenantID)
	if err != nil {
		return nil, err
	}
	finish, err := finishIfEnded(ctx, tx, run)
	return append(tasks, finish...), err
}

// releasePages fills a tenant's window with its oldest held pages.
func releasePages(ctx context.Context, q querier, tenantID uuid.UUID) ([]Task, error) {
	window := pageWindow
	if !protect.PageWindow {
		window = 1 << 20
	}
	rows, err := q.Query(ctx, `
		UPDATE pages AS p
		SET state = 'runnable', due_at = now(), enqueued_at = now()
		FROM (
			SELECT h.id
			FROM pages AS h
			JOIN runs AS r ON r.id = h.run_id
			WHERE h.tenant_id = $1 AND h.state = 'held' AND r.status IN ('running', 'waiting')
			ORDER BY h.id
			LIMIT greatest($2 - (SELECT count(*) FROM pages AS w WHERE w.tenant_id = $1 AND w.state = 'runnable'), 0)
			FOR UPDATE OF h SKIP LOCKED
		) AS n
		WHERE p.id = n.id
		RETURNING p.task, p.id, p.epoch, 'imports'`, tenantID, window)
	return collectTasks(rows, err, "release pages")
}

// GiveUpPage makes the leased page a dead letter and its stream failed. The other
// streams of the run go on; running the page's task again goes on with this one.
func (db *DB) GiveUpPage(ctx context.Context, l Lease, reason string) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		run, p, err := lockPage(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		if err := giveUp(ctx, tx, l, reason); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE streams
			SET reason = $2
			WHERE id = $1`, p.StreamID, fmt.Sprintf("page %d: %s", p.Seq, reason)); err != nil {
			return fmt.Errorf("fail stream: %w", err)
		}
		tasks, err := settlePages(ctx, tx, run, p.StreamID)
		if err != nil {
			return err
		}
		return leaveToSweeper(ctx, tx, tasks)
	})
}

// leaveToSweeper marks rows that were made runnable where nobody can be told of
// them: the next sweep puts them into the queue.
func leaveToSweeper(ctx context.Context, q querier, tasks []Task) error {
	for _, t := range tasks {
		table, err := tableOf(t.Kind)
		if err != nil {
			return err
		}
		if _, err := q.Exec(ctx, `UPDATE `+table.name+` SET enqueued_at = NULL WHERE id = $1`, t.ID); err != nil {
			return fmt.Errorf("leave %s to the sweeper: %w", t.Kind, err)
		}
	}
	return nil
}
