package imports

import (
	"context"
	"errors"
	"fmt"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Page reads one page of a stream. Its records, rejects and progress are committed
// together in the tenant's database, behind a fence; the control database mirrors
// what that says, also where an earlier taker got no further than there.
func (im *Importer) Page(ctx context.Context, l store.Lease) ([]store.Task, error) {
	w, err := im.DB.PageWork(ctx, l)
	if err != nil {
		return nil, err
	}
	switch {
	case w.DoneAt != nil:
		return nil, nil
	case gone(w.TenantStatus):
		return nil, im.DB.CancelLeasedRun(ctx, w.Stream.RunID, "the tenant is "+w.TenantStatus)
	case w.RunStatus == "failed": // its dead letter was run again
		if err := im.DB.ReopenRun(ctx, w.Stream.RunID); err != nil {
			return nil, err
		}
	case w.RunStatus == "paused": // likewise: it is read once the run goes on
		return nil, fault.WaitFor("the import to be resumed")
	case w.RunStatus != "running" && w.RunStatus != "waiting":
		return nil, nil
	}
	tasks, err := im.page(ctx, l, w)
	return tasks, im.outcome(ctx, l, w.Stream.TenantID, err)
}

func (im *Importer) page(ctx context.Context, l store.Lease, w store.PageWork) ([]store.Task, error) {
	if err := ready(w.TenantStatus, w.Merchant); err != nil {
		return nil, err
	}
	db, err := im.Open(ctx, w.Stream.TenantID)
	if err != nil {
		return nil, err
	}
	opened, err := db.OpenPage(ctx, tenantdb.PageRef{
		Stream: w.StreamID, Run: w.Stream.RunID, Seq: w.Seq, Resource: w.Stream.Resource, Pass: w.Stream.Pass,
		DateRange: dateRange(w.Stream), PageOrCursor: w.PageOrCursor, PerPage: w.Stream.PerPage,
	})
	if err != nil {
		return nil, err
	}
	result := opened.Done
	if result == nil {
		commit, err := im.readPage(ctx, db, w, opened, l.Attempts)
		if err != nil {
			return nil, err
		}
		done, err := db.CommitPage(ctx, commit)
		if err != nil {
			return nil, err
		}
		result = &done
	}
	return im.DB.PageDone(ctx, l, im.mirror(w, *result))
}

func dateRange(s store.Stream) string {
	if s.FromDate == "" && s.ToDate == "" {
		return ""
	}
	return s.FromDate + ".." + s.ToDate
}

// mirror turns what the tenant's database says of a page into what the control
// database keeps of it.
func (im *Importer) mirror(w store.PageWork, r tenantdb.PageResult) store.PageResult {
	m := store.PageResult{
		Records: r.Records, Imported: r.Imported, Unchanged: r.Unchanged, Rejected: r.Rejected,
		Deleted: r.Deleted, HasNext: r.HasNext, Next: r.NextCursor, Ahead: im.ahead(), Digest: r.Digest,
		Stop: w.Stream.UntilKnown && r.Imported == 0,
	}
	if w.Stream.UntilKnown {
		m.Ahead = 1
	}
	if r.SourceTotal != nil {
		total := int64(*r.SourceTotal)
		m.Total = &total
	}
	if r.TotalPages != nil {
		m.LastPage = *r.TotalPages
	}
	if w.Stream.Resource == tenantdb.OrderDetails && r.HasNext {
		m.Records = max(m.Records, 1) // a page of tombstones is not the end
	}
	return m
}

// readPage asks for a page and makes of the answer what is to be committed.
func (im *Importer) readPage(
	ctx context.Context, db *tenantdb.DB, w store.PageWork, opened tenantdb.OpenedPage, attempts int,
) (tenantdb.PageCommit, error) {
	if w.Stream.Resource == tenantdb.OrderDetails {
		return im.readDetails(ctx, db, w, opened, attempts)
	}
	page, err := im.list(ctx, w, salla.PageQuery{
		Number: w.Seq, Cursor: opened.Ref.PageOrCursor, PerPage: opened.Ref.PerPage,
		SortBy: w.Stream.SortBy, From: w.Stream.FromDate, To: w.Stream.ToDate,
	})
	if err != nil {
		return tenantdb.PageCommit{}, err
	}
	commit := tenantdb.PageCommit{
		Ref: opened.Ref, Fence: opened.Fence, HasNext: page.HasNext || silent(page, opened.Ref.PerPage),
		NextCursor: page.NextCursor, SourceTotal: page.Total, TotalPages: page.TotalPages,
	}
	err = im.mapPage(ctx, db, w, page, &commit)
	return commit, err
}

// list makes the page's one call. A page that the source does not find is one
// beyond the end.
func (im *Importer) list(ctx context.Context, w store.PageWork, q salla.PageQuery) (salla.Page, error) {
	resource := w.Stream.Resource
	page, err := call(ctx, im, w.Stream.TenantID, *w.Merchant, classOf(budget.Page, resource),
		func(ctx context.Context, c *salla.Client) (salla.Page, error) {
			return c.Page(ctx, salla.Resource(resource), q)
		})
	if errors.Is(err, fault.NotFound) && w.Seq > 1 {
		return salla.Page{}, nil
	}
	if err != nil {
		return page, fmt.Errorf("read page %d of %s: %w", w.Seq, resource, err)
	}
	return page, nil
}

// unasked is how many records a page has whose size was not asked for.
const unasked = 15

// silent tells whether a full page says nothing of what follows it: the source may
// have given its own size of page instead of ours. The page after it then tells.
func silent(p salla.Page, perPage int) bool {
	return p.Total == nil && p.TotalPages == nil && p.NextCursor == "" && len(p.Records) == unasked && perPage > unasked
}
