package imports

import (
	"context"
	"fmt"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// comparison is what a list gives at the source against what came of it.
type comparison struct {
	total *int64 // at the source, now; nil where it does not tell
	equal bool
	// shifted: the list has no order that keeps new records at its end, and grew or
	// shrank while it was read, so that equal numbers prove nothing yet.
	shifted bool
	reason  string
}

// compare compares one list. Equal is source = stored + rejected, where stored are
// the live records but for those that a whole pass did not show, which are about to
// be read; or, where records that were stored before are among the rejected ones
// and so count on both sides, what the run has counted.
func (f *finishing) compare(ctx context.Context, s store.Stream) (comparison, error) {
	total, err := f.total(ctx, s)
	if err != nil {
		return comparison{}, err
	}
	counted := f.counted(s.Resource)
	if total == nil {
		return f.withoutTotal(s), nil
	}
	c := comparison{total: total, equal: *total == counted.all()+s.Deleted}
	found := s.Imported + s.Unchanged + s.Rejected
	c.shifted = s.SortBy == "" && s.TotalBefore != nil && *s.TotalBefore != *total && found > 0 && s.Pass < passes
	if s.FromDate != "" || s.ToDate != "" {
		c.reason = fmt.Sprintf("%s since %s: Salla counts %d, the run counted %d", s.Resource, s.FromDate, *total, counted.all())
		return c, nil
	}
	counts, err := f.db.Counts(ctx, s.Resource, f.run.ID)
	if err != nil {
		return c, err
	}
	unseen := 0
	if whole(s) {
		if unseen, err = f.unseen(ctx, s); err != nil {
			return c, err
		}
	}
	stored, rejected := int64(counts.Live-unseen), int64(counts.Rejected)
	c.equal = *total == stored+rejected+s.Deleted || rejected > 0 && c.equal
	c.reason = fmt.Sprintf("%s: Salla counts %d, here are %d stored and %d rejected", s.Resource, *total, stored, rejected)
	if unseen > 0 {
		c.reason += fmt.Sprintf(", and %d that its list did not show", unseen)
	}
	return c, nil
}

// withoutTotal judges a list that tells no total: it is read again until a pass
// finds nothing new. One that came on a single page has not shifted.
func (f *finishing) withoutTotal(s store.Stream) comparison {
	found := s.Imported + s.Unchanged + s.Rejected
	return comparison{
		equal: s.Pages <= 1 || s.Pass > 1 && found == 0,
		reason: fmt.Sprintf("%s: Salla tells no total, and pass %d still found %d records that none before had shown",
			s.Resource, s.Pass, found),
	}
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

// total asks the source how long the list is: one small call.
func (f *finishing) total(ctx context.Context, s store.Stream) (*int64, error) {
	page, err := call(ctx, f.Importer, f.run.TenantID, f.merchant, classOf(budget.Page, s.Resource),
		func(ctx context.Context, c *salla.Client) (salla.Page, error) {
			return c.Page(ctx, salla.Resource(s.Resource), salla.PageQuery{
				Number: 1, PerPage: 1, From: s.FromDate, To: s.ToDate,
			})
		})
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", s.Resource, err)
	}
	if page.Total == nil {
		return nil, nil //nolint:nilnil // no total is an answer
	}
	total := int64(*page.Total)
	return &total, nil
}

// unseen counts the records that were there before a pass and that it did not show.
func (f *finishing) unseen(ctx context.Context, s store.Stream) (int, error) {
	n := 0
	err := f.eachUnseen(ctx, s, 5000, func(keys []string) error {
		n += len(keys)
		return nil
	})
	return n, err
}

// eachUnseen gives, in batches, the records that a whole pass did not show. What
// an earlier pass of the run has shown a later one must show again: so there the
// instant of the last read tells, and not the run.
func (f *finishing) eachUnseen(ctx context.Context, s store.Stream, batch int, do func(keys []string) error) error {
	run, since := f.run.ID, f.run.StartedAt
	if s.Pass > 1 {
		run, since = uuid.Nil, &s.StartedAt
	}
	if since == nil {
		return nil
	}
	for after := ""; ; {
		keys, err := f.db.Unseen(ctx, s.Resource, run, *since, after, batch)
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := do(keys); err != nil || len(keys) < batch {
			return err
		}
		after = keys[len(keys)-1]
	}
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
