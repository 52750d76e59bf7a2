package imports

import (
	"context"
	"fmt"
	"time"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// comparison is what a list gives at the source against what came of it.
type comparison struct {
	total  *int64 // at the source, now; nil where it does not tell
	stored int64  // here: what is live, but for what the list did not show
	reject int64
	live   int
	unseen int // were here when a pass began that did not show them
	// perhaps as many more, by the zone in which the source takes days
	perhaps int
	unread  int // of them, that are not read one by one
	equal   bool
	proof   proof
	with    tenantdb.Meanwhile
	// windows could not be proved: they are read again, and nothing else.
	windows []store.Window
	// lacking says of which windows fewer are here than Salla counts.
	lacking []string
	reason  string // why a list that tells no total is not known to be whole
	// steady: no pass could be proved, but the last of several brought nothing that was
	// not known, and showed all that was.
	steady bool
}

// complete tells whether all that the source counts is here.
func (c comparison) complete() bool { return c.equal && (c.proof == proved || c.steady) }

// proof says whether a pass is known to have shown every record that was there.
type proof int

const (
	proved  proof = iota
	late          // more came than is known of: events may yet tell
	shifted       // records went while it was read, so that others may have slipped past
)

// compare compares one list. Equal is source = stored + rejected, where stored are
// the live records but for those that a whole pass did not show, which are about to
// be read; or, where records that were stored before are among the rejected ones
// and so count on both sides, what the run has counted.
func (f *finishing) compare(ctx context.Context, s store.Stream) (comparison, error) {
	total, err := f.totalOf(ctx, s)
	if err != nil {
		return comparison{}, err
	}
	base := f.base(s.Resource)
	counts, err := f.db.Counts(ctx, s.Resource, f.run.ID)
	if err != nil {
		return comparison{}, err
	}
	c := comparison{total: total, live: counts.Live}
	dropped, err := f.countUnseen(ctx, base, &c)
	if err != nil {
		return c, err
	}
	if total == nil {
		f.withoutTotal(s, &c)
		return c, nil
	}
	if c.with, err = f.db.Meanwhile(ctx, s.Resource, f.run.ID, askedAt(base), riyadhDay(base.FromDate)); err != nil {
		return c, err
	}
	c.stored, c.reject = int64(counts.Live-c.unseen), int64(counts.Rejected)
	switch counted := f.counted(s.Resource).all(); {
	case base.FromDate != "":
		c.stored = int64(c.with.Seen + c.with.New - dropped)
		c.equal = *total == c.stored+c.reject+base.Deleted
	case base.UntilKnown:
		open, err := f.db.OpenRejects(ctx, s.Resource)
		if err != nil {
			return c, err
		}
		c.reject = max(c.reject, int64(open))
		c.equal = *total == c.stored+c.reject+base.Deleted
	default:
		c.equal = *total == c.stored+c.reject+base.Deleted || c.reject > 0 && *total == counted+base.Deleted
	}
	if f.lastJudgement() && s.Status == "complete" && whole(base) && s.TotalAfter != nil && *total == *s.TotalAfter {
		// It was proved to have shown all of the list: what exists beside that is not on it.
		c.equal = c.equal || *total == c.stored-int64(c.with.Unlisted)+c.reject+base.Deleted
	}
	if f.lastJudgement() && s.Status == "complete" {
		return c, nil // it was proved before what no list showed was read
	}
	if c.proof, err = f.prove(ctx, base, &c); err != nil || !c.equal || c.proof == proved || s.Pass == 1 || c.unseen > 0 {
		return c, err
	}
	with, err := f.db.Meanwhile(ctx, s.Resource, f.run.ID, s.StartedAt, time.Time{})
	c.steady = with.Brought == 0
	return c, err
}

// fresh is how old a total may be that a list of one page announced.
const fresh = time.Minute

// totalOf gives how long a pass's list is at the source: as its only page has just
// announced it, else asked for.
func (f *finishing) totalOf(ctx context.Context, s store.Stream) (*int64, error) {
	if s.Pages == 1 && !s.Again && s.TotalBefore != nil && f.run.Checks == 0 && time.Since(askedAt(s)) < fresh {
		return s.TotalBefore, nil
	}
	return f.total(ctx, s.Resource, store.DateRange{From: s.FromDate, To: s.ToDate})
}

// withoutTotal judges a list that tells no total: it is read again until a pass
// finds nothing new. One that came on a single page has not shifted.
func (f *finishing) withoutTotal(s store.Stream, c *comparison) {
	found := s.Imported + s.Unchanged + s.Rejected
	c.equal = s.Pages <= 1 || s.Pass > 1 && found == 0
	c.reason = fmt.Sprintf("%s: Salla tells no total, and pass %d still found %d records that none before had shown",
		s.Resource, s.Pass, found)
}

// changed gives the windows that count other than when they were read: one small
// call each.
func (f *finishing) changed(ctx context.Context, resource string) ([]store.Window, error) {
	all, err := f.windows(ctx, resource)
	if err != nil {
		return nil, err
	}
	var changed []store.Window
	for _, w := range all {
		now, err := f.total(ctx, resource, w.Range())
		if err != nil {
			return nil, err
		}
		if now == nil || w.Total == nil || *now != *w.Total {
			changed = append(changed, w.Window)
		}
	}
	return changed, nil
}

// tally is what a run's passes have counted of a resource, each record once.
type tally struct{ imported, unchanged, rejected int64 }

func (t tally) all() int64 { return t.imported + t.unchanged + t.rejected }

func (f *finishing) counted(resource string) tally {
	var t tally
	for _, s := range f.streams {
		if s.Resource == resource {
			t.imported, t.unchanged, t.rejected = t.imported+s.Imported, t.unchanged+s.Unchanged, t.rejected+s.Rejected
		}
	}
	return t
}

// total asks the source how long a list, or a window of it, is: one small call.
func (f *finishing) total(ctx context.Context, resource string, r store.DateRange) (*int64, error) {
	page, err := call(ctx, f.Importer, f.run.TenantID, f.merchant, classOf(budget.Page, resource),
		func(ctx context.Context, c *salla.Client) (salla.Page, error) {
			return c.Page(ctx, salla.Resource(resource), salla.PageQuery{Number: 1, PerPage: 1, From: r.From, To: r.To})
		})
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", resource, err)
	}
	if page.Total == nil {
		return nil, nil //nolint:nilnil // no total is an answer
	}
	total := int64(*page.Total)
	return &total, nil
}

// base gives the newest pass over a resource that was not only over some windows.
func (f *finishing) base(resource string) store.Stream {
	var base store.Stream
	for _, s := range f.streams {
		if s.Resource == resource && !s.Again {
			base = s
		}
	}
	return base
}

// askedAt is the instant from which a pass has to account for what happened.
func askedAt(s store.Stream) time.Time {
	if s.AskedAt != nil {
		return *s.AskedAt
	}
	return s.StartedAt
}

// compareDetails tells whether any order's detail is still due that was not
// rejected. Orders that came after the pass have their details read for themselves.
func (f *finishing) compareDetails(ctx context.Context, s store.Stream) (store.StreamEnd, error) {
	end := store.StreamEnd{ID: s.ID, Status: "complete"}
	counts, err := f.db.Counts(ctx, tenantdb.OrderDetails, f.run.ID)
	if err != nil {
		return end, err
	}
	orders, err := f.db.Counts(ctx, tenantdb.Orders, f.run.ID)
	if err != nil {
		return end, err
	}
	total := int64(orders.Live)
	end.TotalAfter = &total
	due, err := f.db.DetailsDue(ctx, "", counts.Rejected+1)
	if err != nil {
		return end, err
	}
	if len(due) > counts.Rejected {
		end.Status = "incomplete"
		end.Reason = fmt.Sprintf("order_details: of %d orders %d have their details, and %d were rejected",
			orders.Live, counts.Live, counts.Rejected)
	}
	return end, nil
}
