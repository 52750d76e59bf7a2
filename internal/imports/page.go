package imports

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

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
		DateRange: rangeOf(w).String(), PageOrCursor: w.PageOrCursor, PerPage: w.Stream.PerPage,
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
		done, err := im.land(ctx, db, w.Stream.TenantID, commit)
		if err != nil {
			return nil, err
		}
		result = &done
	}
	m := im.mirror(w, *result)
	if opened.Ref.DateRange != rangeOf(w).String() {
		// It was read as a page of the whole list: what it tells is not its window's.
		m.Total, m.LastPage, m.HasNext = nil, 0, true
	}
	return im.DB.PageDone(ctx, l, m)
}

// land commits a page as soon as there is a place for it.
func (im *Importer) land(ctx context.Context, db *tenantdb.DB, tenantID uuid.UUID, commit tenantdb.PageCommit) (tenantdb.PageResult, error) {
	if im.Landing != nil {
		release, err := im.Landing(ctx, tenantID)
		if err != nil {
			return tenantdb.PageResult{}, err
		}
		defer release()
	}
	return db.CommitPage(ctx, commit)
}

// rangeOf gives the dates that a page is asked for: its window's, else its stream's.
func rangeOf(w store.PageWork) store.DateRange {
	if from, to, ok := strings.Cut(w.DateRange, ".."); ok {
		return store.DateRange{From: from, To: to}
	}
	return store.DateRange{From: w.Stream.FromDate, To: w.Stream.ToDate}
}

// mirror turns what the tenant's database says of a page into what the control
// database keeps of it.
func (im *Importer) mirror(w store.PageWork, r tenantdb.PageResult) store.PageResult {
	m := store.PageResult{
		Records: r.Records, Imported: r.Imported, Unchanged: r.Unchanged, Rejected: r.Rejected,
		Deleted: r.Deleted, HasNext: r.HasNext, Next: r.NextCursor, Ahead: im.ahead(), Digest: r.Digest, Began: w.Now,
	}
	if w.Stream.UntilKnown {
		settled := m.Next == hintSettled
		if settled {
			m.Next = ""
		}
		m.Ahead = 1
		m.Stop = r.Unchanged > 0 && r.Imported == 0 && r.Deleted == 0 && (settled || w.Stream.Resource != tenantdb.Orders)
	}
	if r.SourceTotal != nil {
		total := int64(*r.SourceTotal)
		m.Total = &total
	}
	if r.TotalPages != nil {
		m.LastPage = *r.TotalPages
	}
	im.readHint(w, &m)
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
	q := salla.PageQuery{
		Number: w.Seq, Cursor: opened.Ref.PageOrCursor, PerPage: opened.Ref.PerPage, SortBy: w.Stream.SortBy,
		From: rangeOf(w).From, To: rangeOf(w).To,
	}
	if w.DateRange != "" {
		number, err := strconv.Atoi(w.PageOrCursor)
		if err != nil {
			return tenantdb.PageCommit{}, fault.New(fault.Invalid, "page %q of a window of dates is no number", w.PageOrCursor)
		}
		q.Number, q.Cursor = number, ""
	}
	page, err := im.list(ctx, w, q)
	if err != nil {
		return tenantdb.PageCommit{}, err
	}
	commit, err := im.mapPage(ctx, db, opened, page, w.Now)
	if err != nil {
		return commit, err
	}
	writeHint(w, page.Records, &commit)
	return commit, im.noteSettled(ctx, db, w, &commit)
}

// list makes the page's one call. A page that the source does not find is one
// beyond the end.
func (im *Importer) list(ctx context.Context, w store.PageWork, q salla.PageQuery) (salla.Page, error) {
	resource := w.Stream.Resource
	page, err := call(ctx, im, w.Stream.TenantID, *w.Merchant, classOf(budget.Page, resource),
		func(ctx context.Context, c *salla.Client) (salla.Page, error) {
			return c.Page(ctx, salla.Resource(resource), q)
		})
	if errors.Is(err, fault.NotFound) && q.Number > 1 {
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
