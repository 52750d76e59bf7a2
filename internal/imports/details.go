package imports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// together is how many orders of a page are read at the same time.
const together = 6

// patience is how many attempts at a page an order may spoil before it is
// rejected, so that one order never stops the others.
const patience = 2

// readDetails reads the orders that come after the page's key and whose detail is
// due: never read, or for an older document of the list. Each takes two calls. Where
// the budget ends, the process stops or a call fails, the page ends with what it
// has read and the next one goes on from there; a page that has read nothing
// passes the wait or the failure on.
func (im *Importer) readDetails(
	ctx context.Context, db *tenantdb.DB, w store.PageWork, opened tenantdb.OpenedPage, attempts int,
) (tenantdb.PageCommit, error) {
	commit := tenantdb.PageCommit{Ref: opened.Ref, Fence: opened.Fence}
	due, err := db.DetailsDue(ctx, opened.Ref.PageOrCursor, opened.Ref.PerPage)
	if err != nil {
		return tenantdb.PageCommit{}, err
	}
	if w.Seq == 1 {
		counts, err := db.Counts(ctx, tenantdb.Orders, w.Stream.RunID)
		if err != nil {
			return tenantdb.PageCommit{}, err
		}
		commit.SourceTotal = &counts.Live
	}
	commit.HasNext, commit.NextCursor = len(due) == opened.Ref.PerPage, opened.Ref.PageOrCursor
	details := tenantdb.Batch{Shape: tenantdb.OrderDetail()}
	items := tenantdb.Batch{Shape: tenantdb.OrderItems()}
	for progress := false; len(due) > 0; {
		some := due[:min(together, len(due))]
		due = due[len(some):]
		read, failed := im.readOrders(ctx, db, w, some, attempts)
		var stop error
		for i, r := range read {
			switch {
			case failed[i] != nil:
				stop = cmp.Or(stop, failed[i])
				continue
			case r.deleted:
				order := tenantdb.TombstoneOrder{ReadAt: w.Now, FromRead: true}
				if _, err := db.Tombstone(ctx, tenantdb.Orders, some[i].OrderID, order); err != nil {
					return tenantdb.PageCommit{}, err
				}
			case r.reject != nil && stop != nil:
				continue // it stays due, and so is no progress while what is before it fails
			case r.reject != nil:
				r.reject.Resource = tenantdb.OrderDetails
				commit.Rejects = append(commit.Rejects, *r.reject)
			default:
				details.Records = append(details.Records, r.record)
				if r.items != nil {
					items.Records = append(items.Records, *r.items)
				}
			}
			progress = true
			if stop == nil { // what comes after a failure is stored, and so no longer due
				commit.NextCursor = some[i].OrderID
			}
		}
		if stop == nil && len(due) > 0 && fault.Draining(ctx) {
			stop = fault.ErrHandBack
		}
		if stop != nil && !progress {
			return tenantdb.PageCommit{}, stop
		}
		if stop != nil {
			commit.HasNext = true
			break
		}
	}
	commit.Batches = []tenantdb.Batch{details, items}
	return commit, nil
}

// readOrders reads a few orders at the same time.
func (im *Importer) readOrders(
	ctx context.Context, db *tenantdb.DB, w store.PageWork, due []tenantdb.OrderRef, attempts int,
) (read []fetched, failed []error) {
	read, failed = make([]fetched, len(due)), make([]error, len(due))
	var group sync.WaitGroup
	for i, order := range due {
		group.Go(func() { read[i], failed[i] = im.readOrder(ctx, db, w, order.OrderID, attempts) })
	}
	group.Wait()
	return read, failed
}

func (im *Importer) readOrder(ctx context.Context, db *tenantdb.DB, w store.PageWork, id string, attempts int) (fetched, error) {
	t := asked{TenantID: w.Stream.TenantID, Merchant: *w.Merchant, Class: budget.Detail, Began: w.Now}
	r, err := im.fetch(ctx, db, t, tenantdb.Orders, id)
	switch {
	case errors.Is(err, fault.NotFound):
		return fetched{deleted: true}, nil
	case err != nil && spoilt(err) && attempts >= patience:
		return fetched{reject: &tenantdb.Reject{
			SourceID: id, Record: []byte("null"), Reason: "the order cannot be read: " + err.Error(),
		}}, nil
	case err != nil:
		return fetched{}, fmt.Errorf("read an order: %w", err)
	}
	return r, nil
}

// spoilt tells whether err is about this one order: the source's answer could not
// be understood, or it refuses the question. Outages, limits and grants are not.
func spoilt(err error) bool {
	_, waits := errors.AsType[*fault.Wait](err)
	return !waits && !errors.Is(err, fault.Unavailable) && !errors.Is(err, fault.Forbidden) &&
		!errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded)
}
