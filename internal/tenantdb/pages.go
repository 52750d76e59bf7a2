package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// OpenedPage is a page of an import in the hands of its newest taker.
type OpenedPage struct {
	// Ref is the page as it was first opened: a resumed page keeps its size,
	// range and place, whatever the caller asked for now.
	Ref PageRef
	// Fence is this taker's: only the newest one may commit.
	Fence int64
	// Done is what the page gave if it is done already; there is nothing to do.
	Done *PageResult
}

// PageCommit is all that a page brings: it is stored as a whole or not at all.
type PageCommit struct {
	Ref     PageRef
	Fence   int64
	Batches []Batch // in order: an order's items after its detail
	Rejects []Reject
	// Deleted counts the records that the list itself calls deleted. They are in no
	// batch: the caller has made them tombstones.
	Deleted int
	// Digest names the page's records, whatever is in them; nil where there are none.
	Digest  []byte
	HasNext bool
	// NextCursor is set where the source gives a cursor and no page numbers.
	NextCursor              string
	SourceTotal, TotalPages *int
}

// PageResult is what a page came to.
type PageResult struct {
	Tally
	Records                 int // received, repetitions and deleted ones and all
	Deleted                 int
	Digest                  []byte
	HasNext                 bool
	NextCursor              string
	SourceTotal, TotalPages *int
	DoneAt                  time.Time
}

// pageRow is a row of import_pages.
type pageRow struct {
	Stream, Run                            uuid.UUID
	Seq                                    int
	Resource                               string
	Pass                                   int
	DateRange, PageOrCursor                string
	PerPage                                int
	Fence                                  int64
	Imported, Unchanged, Rejected, Records int
	Deleted                                int
	Digest                                 []byte
	HasNext                                bool
	NextCursor                             string
	SourceTotal, TotalPages                *int
	DoneAt                                 *time.Time
}

const pageColumns = `stream, seq, run, resource, pass, date_range, page_or_cursor, per_page, fence,
	imported, unchanged, rejected, records, deleted, digest, has_next, next_cursor, source_total, total_pages, done_at`

func (p pageRow) ref() PageRef {
	return PageRef{
		Stream: p.Stream, Run: p.Run, Seq: p.Seq, Resource: p.Resource, Pass: p.Pass,
		DateRange: p.DateRange, PageOrCursor: p.PageOrCursor, PerPage: p.PerPage,
	}
}

// result is nil while the page is not done.
func (p pageRow) result() *PageResult {
	if p.DoneAt == nil {
		return nil
	}
	return &PageResult{
		Tally: Tally{p.Imported, p.Unchanged, p.Rejected}, Records: p.Records,
		Deleted: p.Deleted, Digest: p.Digest, HasNext: p.HasNext, NextCursor: p.NextCursor,
		SourceTotal: p.SourceTotal, TotalPages: p.TotalPages, DoneAt: *p.DoneAt,
	}
}

// OpenPage takes a page: it raises the page's fence, so that whoever took it
// before can no longer commit, and waits for a commit that is under way.
func (d *DB) OpenPage(ctx context.Context, ref PageRef) (OpenedPage, error) {
	if _, err := counting(ref.Resource); err != nil {
		return OpenedPage{}, err
	}
	var page pageRow
	err := d.with(ctx, func(c *pgx.Conn) error {
		rows, _ := c.Query(ctx, `
			INSERT INTO import_pages AS p (stream, seq, run, resource, pass, date_range, page_or_cursor, per_page)
			VALUES (@stream, @seq, @run, @resource, @pass, @date_range, @page_or_cursor, @per_page)
			ON CONFLICT (stream, seq) DO UPDATE
			SET fence = p.fence + CASE WHEN p.done_at IS NULL THEN 1 ELSE 0 END
			RETURNING `+pageColumns, pgx.NamedArgs{
			"stream": ref.Stream, "seq": ref.Seq, "run": ref.Run, "resource": ref.Resource, "pass": ref.Pass,
			"date_range": ref.DateRange, "page_or_cursor": ref.PageOrCursor, "per_page": ref.PerPage,
		})
		var err error
		page, err = one[pageRow](rows, "page")
		return err
	})
	if err != nil {
		return OpenedPage{}, fmt.Errorf("open page %d of %s: %w", ref.Seq, ref.Resource, err)
	}
	return OpenedPage{Ref: page.ref(), Fence: page.Fence, Done: page.result()}, nil
}

// CommitPage stores a page's records, rejects and progress in one transaction.
// It is fault.ErrLost, with nothing stored, where another has taken the page
// since. Committed again by the same taker, whose answer was lost, it returns
// what was stored. A record that cannot be stored becomes a reject; it never
// stops the page.
func (d *DB) CommitPage(ctx context.Context, p PageCommit) (PageResult, error) {
	batches, fresh, err := d.prefill(ctx, p.Batches)
	if err != nil {
		return PageResult{}, fmt.Errorf("commit page %d of %s: %w", p.Ref.Seq, p.Ref.Resource, err)
	}
	var result *PageResult
	together := fresh && p.Ref.Resource == Orders && len(p.Rejects) == 0
	err = d.mergeRecords(ctx, together, func(tx pgx.Tx, how manner) error {
		m := &merge{manner: how, db: d, tx: tx, run: p.Ref.Run, later: &pgx.Batch{}}
		var page pageRow
		var ask pgx.Batch
		ask.Queue(`
			SELECT `+pageColumns+`
			FROM import_pages
			WHERE stream = $1 AND seq = $2
			FOR UPDATE`, p.Ref.Stream, p.Ref.Seq).Query(func(rows pgx.Rows) (err error) {
			page, err = one[pageRow](rows, "page")
			return err
		})
		first, err := m.begin(&ask, batches)
		if err != nil {
			return err
		}
		err = tx.SendBatch(ctx, &ask).Close()
		if errors.Is(err, fault.NotFound) || err == nil && page.Fence != p.Fence && protect.PageFence {
			return fault.ErrLost
		}
		if err != nil {
			return err
		}
		if result = page.result(); result != nil {
			return nil
		}
		m.run = page.Run
		if err := first(ctx); err != nil {
			return err
		}
		records := len(p.Rejects) + p.Deleted
		for i, b := range batches {
			if b.Shape.seen != "" {
				records += len(b.Records)
			}
			if i == 0 {
				continue
			}
			if _, err := m.batch(ctx, b); err != nil {
				return err
			}
		}
		if err := m.derive(ctx); err != nil {
			return err
		}
		ref := page.ref()
		if err := m.keep(ctx, append(m.rejects, p.Rejects...), &ref); err != nil {
			return err
		}
		result, err = m.finish(ctx, p, records)
		return err
	})
	if err != nil {
		return PageResult{}, fmt.Errorf("commit page %d of %s: %w", p.Ref.Seq, p.Ref.Resource, err)
	}
	return *result, nil
}

// begin asks for what is to be known of the first batch, together with what is asked
// for already, and returns what merges it then.
func (m *merge) begin(ask *pgx.Batch, batches []Batch) (func(context.Context) error, error) {
	none := func(context.Context) error { return nil }
	if len(batches) == 0 {
		return none, nil
	}
	items, err := m.admit(batches[0])
	if err != nil || len(items) == 0 {
		return none, err
	}
	known := m.look(ask, batches[0].Shape, items)
	return func(ctx context.Context) error { return m.settle(ctx, batches[0], items, known) }, nil
}

// finish does what was put off and ends the page's transaction: no row, no page.
func (m *merge) finish(ctx context.Context, p PageCommit, records int) (*PageResult, error) {
	var page pageRow
	m.later.Queue(`
		UPDATE import_pages
		SET done_at = now(), imported = @imported, unchanged = @unchanged, rejected = @rejected, records = @records,
			deleted = @deleted, digest = @digest, has_next = @has_next, next_cursor = @next_cursor, source_total = @source_total, total_pages = @total_pages
		WHERE stream = @stream AND seq = @seq AND `+protect.Where(protect.PageFence, `fence = @fence`)+` AND done_at IS NULL
		RETURNING `+pageColumns, pgx.NamedArgs{
		"stream": p.Ref.Stream, "seq": p.Ref.Seq, "fence": p.Fence,
		"imported": m.counts.Imported, "unchanged": m.counts.Unchanged, "rejected": m.counts.Rejected,
		"records": records, "deleted": p.Deleted, "digest": p.Digest, "has_next": p.HasNext, "next_cursor": p.NextCursor,
		"source_total": p.SourceTotal, "total_pages": p.TotalPages,
	}).Query(func(rows pgx.Rows) (err error) {
		page, err = one[pageRow](rows, "page")
		return err
	})
	err := m.flush(ctx)
	if errors.Is(err, fault.NotFound) {
		return nil, fault.ErrLost
	}
	if err != nil {
		return nil, fmt.Errorf("finish the page: %w", err)
	}
	return page.result(), nil
}

// Progress sums up the done pages of a stream.
type Progress struct {
	Pages, Imported, Unchanged, Rejected, Records int
}

// Progress returns the sum over the done pages of a stream.
func (d *DB) Progress(ctx context.Context, stream uuid.UUID) (Progress, error) {
	var sum Progress
	err := d.with(ctx, func(c *pgx.Conn) error {
		// By import_pages_pkey.
		rows, _ := c.Query(ctx, `
			SELECT count(*) AS pages, coalesce(sum(imported), 0) AS imported, coalesce(sum(unchanged), 0) AS unchanged,
				coalesce(sum(rejected), 0) AS rejected, coalesce(sum(records), 0) AS records
			FROM import_pages
			WHERE stream = $1 AND done_at IS NOT NULL`, stream)
		var err error
		sum, err = one[Progress](rows, "stream")
		return err
	})
	return sum, wrap(err, "sum up a stream")
}
