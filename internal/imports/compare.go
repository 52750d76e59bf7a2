package imports

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

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
	unseen int
	equal  bool
	proof  proof
	with   tenantdb.Meanwhile
	// windows could not be proved: they are read again, and nothing else.
	windows []store.Window
	// lacking says of which windows fewer are here than Salla counts.
	lacking []string
	reason  string // why a list that tells no total is not known to be whole
}

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
	total, err := f.total(ctx, s.Resource, store.DateRange{From: s.FromDate, To: s.ToDate})
	if err != nil || total == nil {
		return f.withoutTotal(s), err
	}
	c := comparison{total: total}
	base := f.base(s.Resource)
	if c.with, err = f.db.Meanwhile(ctx, s.Resource, f.run.ID, askedAt(base)); err != nil {
		return c, err
	}
	counts, err := f.db.Counts(ctx, s.Resource, f.run.ID)
	if err != nil {
		return c, err
	}
	if whole(base) {
		if c.unseen, err = f.unseen(ctx, s.Resource); err != nil {
			return c, err
		}
	}
	c.stored, c.reject = int64(counts.Live-c.unseen), int64(counts.Rejected)
	switch counted := f.counted(s.Resource).all(); {
	case base.FromDate != "" || base.ToDate != "":
		c.stored = int64(c.with.Seen + c.with.New)
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
	c.proof, err = f.prove(ctx, base, &c)
	return c, err
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

// prove tells whether a pass showed all that was there. A list on one page cannot
// shift. Reading forward misses nothing that comes in; what goes lets the records
// after it slip past the reader. So nothing may have gone: the list has grown by
// exactly what is known to have come.
func (f *finishing) prove(ctx context.Context, base store.Stream, c *comparison) (proof, error) {
	switch {
	case base.UntilKnown:
		return proved, nil
	case base.WindowAim > 0:
		return f.proveWindows(ctx, base, c)
	case base.Pages <= 1 || base.TotalBefore == nil || base.AskedAt == nil:
		return proved, nil
	}
	least, most := c.with.New, c.with.New
	if inWindows(base) { // in the order they were placed: new ones are shown, or stored since
		least, most = c.with.Placed, c.with.Placed+c.with.Perhaps
	}
	return judge(*base.TotalBefore, *base.TotalLow, *base.TotalHigh, *c.total, c.with.Gone-int(base.Deleted), least, most), nil
}

// judge compares a list's totals, as first announced, least, most and now, with
// what is known to have gone and to have come meanwhile.
func judge(first, low, high, now int64, gone, least, most int) proof {
	grown := now - first
	switch {
	case low < first, high > max(first, now), gone > 0, grown < int64(least):
		return shifted
	case grown > int64(most):
		return late
	}
	return proved
}

// proveWindows proves a list window by window, each by its newest reading. The one
// without an end is judged as a list is.
func (f *finishing) proveWindows(ctx context.Context, base store.Stream, c *comparison) (proof, error) {
	all, err := f.windows(ctx, base.Resource)
	if err != nil {
		return shifted, err
	}
	result := proved
	for _, w := range all {
		p := shifted
		switch {
		case w.Whole() && w.To != "":
			continue
		case w.To == "" && w.Done() && w.Total != nil:
			now, err := f.total(ctx, base.Resource, w.Range())
			if err != nil {
				return shifted, err
			}
			with, err := f.db.Meanwhile(ctx, base.Resource, f.run.ID, *w.AskedAt)
			if err != nil {
				return shifted, err
			}
			if now != nil {
				p = judge(*w.Total, *w.TotalLow, *w.TotalHigh, *now, with.Gone, with.Placed, with.Placed+with.Perhaps)
			}
		}
		if p != proved {
			result = max(result, p)
			c.windows = append(c.windows, w.Window)
		}
	}
	return result, nil
}

// reading is the newest reading of a window.
type reading struct {
	store.Window

	from time.Time // when the pass began
}

// windows gives every window of a resource's last whole pass, as it was last read.
func (f *finishing) windows(ctx context.Context, resource string) ([]reading, error) {
	if f.readings[resource] != nil {
		return f.readings[resource], nil
	}
	var all []reading
	at := map[store.DateRange]int{}
	base := f.base(resource)
	for _, s := range f.streams {
		if s.Resource != resource || s.Pass < base.Pass {
			continue
		}
		windows, err := f.DB.Windows(ctx, s.ID)
		if err != nil {
			return nil, err
		}
		for _, w := range windows {
			if i, known := at[w.Range()]; known {
				all[i] = reading{w, s.StartedAt}
				continue
			}
			at[w.Range()] = len(all)
			all = append(all, reading{w, s.StartedAt})
		}
	}
	if f.readings == nil {
		f.readings = map[string][]reading{}
	}
	f.readings[resource] = all
	return all, nil
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

// unseen counts the records that were there before a pass and that it did not show.
func (f *finishing) unseen(ctx context.Context, resource string) (int, error) {
	n := 0
	err := f.eachUnseen(ctx, resource, 5000, func(keys []string) error {
		n += len(keys)
		return nil
	})
	return n, err
}

// eachUnseen gives, in batches, the records that the passes over a whole list did
// not show. What an earlier pass of the run has shown a later one must show again:
// so there the instant of the last read tells, and not the run.
func (f *finishing) eachUnseen(ctx context.Context, resource string, batch int, do func(keys []string) error) error {
	base := f.base(resource)
	run, since := f.run.ID, f.run.StartedAt
	if base.Pass > 1 {
		run, since = uuid.Nil, &base.StartedAt
	}
	if since == nil {
		return nil
	}
	if err := batches(batch, do, func(after string) ([]string, error) {
		return f.db.Unseen(ctx, resource, run, *since, after, batch)
	}); err != nil || base.WindowAim == 0 {
		return err
	}
	return f.unseenInWindows(ctx, base, *since, batch, do)
}

// unseenInWindows gives what the whole pass had shown and a later reading of a
// window did not.
func (f *finishing) unseenInWindows(
	ctx context.Context, base store.Stream, since time.Time, batch int, do func(keys []string) error,
) error {
	all, err := f.windows(ctx, base.Resource)
	if err != nil {
		return err
	}
	stretches := stretchesOf(all)
	for i, w := range all {
		if !w.from.After(base.StartedAt) {
			continue
		}
		err := batches(batch, do, func(after string) ([]string, error) {
			return f.db.UnseenPlaced(ctx, stretches[i], tenantdb.Between{From: since, To: w.from}, after, batch)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// stretchesOf gives the time that each window covers up to the next one.
func stretchesOf(windows []reading) []tenantdb.Between {
	all := make([]tenantdb.Between, len(windows))
	for i, w := range windows {
		all[i].From = riyadhDay(w.From)
		if i+1 < len(windows) {
			all[i].To = riyadhDay(windows[i+1].From)
		}
	}
	return all
}

// batches gives what next lists after a key until there is no more.
func batches(size int, do func(keys []string) error, next func(after string) ([]string, error)) error {
	for after := ""; ; {
		keys, err := next(after)
		if err != nil || len(keys) == 0 {
			return err
		}
		if err := do(keys); err != nil || len(keys) < size {
			return err
		}
		after = keys[len(keys)-1]
	}
}

// riyadhDay gives the first instant of a day; zero for none.
func riyadhDay(day string) time.Time {
	t, err := time.ParseInLocation(time.DateOnly, day, riyadh)
	if err != nil {
		return time.Time{}
	}
	return t
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
