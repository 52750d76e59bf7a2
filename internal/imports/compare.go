package imports

import (
	"context"
	"fmt"
	"slices"
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
			with, err := f.db.Meanwhile(ctx, base.Resource, f.run.ID, *w.AskedAt, time.Time{})
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

// countUnseen counts the records that were there before a pass and that it did not
// show, and those of them that the run had shown before.
func (f *finishing) countUnseen(ctx context.Context, base store.Stream, c *comparison) (dropped int, err error) {
	if base.UntilKnown {
		return 0, nil
	}
	err = f.eachUnseen(ctx, base.Resource, func(keys []string, certain bool) error {
		if !certain {
			c.perhaps += len(keys)
			return nil
		}
		c.unseen += len(keys)
		if base.FromDate == "" {
			return nil
		}
		n, err := f.db.ShownBy(ctx, f.run.ID, keys)
		dropped += n
		return err
	})
	return dropped, err
}

// eachUnseen gives, in batches, the records that the passes over a list did not show.
// What an earlier pass of the run has shown a later one must show again: so there the
// instant of the last read tells, and not the run. It is not certain of those of which
// the source's zone decides whether they belong to the list's dates.
func (f *finishing) eachUnseen(ctx context.Context, resource string, do func(keys []string, certain bool) error) error {
	base := f.base(resource)
	if f.run.StartedAt == nil {
		return nil
	}
	since, show := *f.run.StartedAt, f.db.Unseen
	if base.Pass > 1 {
		since, show = base.StartedAt, f.db.UnseenAgain
	}
	var err error
	if base.FromDate != "" {
		err = f.unseenPlaced(ctx, tenantdb.Between{From: riyadhDay(base.FromDate)}, tenantdb.Between{To: since}, do)
	} else {
		err = f.batches(ctx, resource, since, func(keys []string) error { return do(keys, true) },
			func(after string) ([]string, error) { return show(ctx, resource, f.run.ID, since, after, batch) })
	}
	if err != nil || base.WindowAim == 0 {
		return err
	}
	// What the whole pass had shown and a later reading of a window did not.
	all, err := f.windows(ctx, base.Resource)
	if err != nil {
		return err
	}
	stretches := stretchesOf(all)
	for i, w := range all {
		if !w.from.After(base.StartedAt) {
			continue
		}
		if err := f.unseenPlaced(ctx, stretches[i], tenantdb.Between{From: since, To: w.from}, do); err != nil {
			return err
		}
	}
	return nil
}

// unseenPlaced gives the orders that were placed in one stretch of time and last read
// in another. The source may take days in UTC, so that the first three hours of a
// stretch are the end of the one before.
func (f *finishing) unseenPlaced(
	ctx context.Context, placed, read tenantdb.Between, do func(keys []string, certain bool) error,
) error {
	inside := placed.From.Add(3 * time.Hour)
	for _, part := range []struct {
		tenantdb.Between

		certain bool
	}{{tenantdb.Between{From: placed.From, To: inside}, false}, {tenantdb.Between{From: inside, To: placed.To}, true}} {
		err := f.batches(ctx, tenantdb.Orders, read.To, func(keys []string) error { return do(keys, part.certain) },
			func(after string) ([]string, error) {
				return f.db.UnseenPlaced(ctx, f.run.ID, part.Between, read, after, batch)
			})
		if err != nil {
			return err
		}
	}
	return nil
}

// batch is how many records are looked at in one statement.
const batch = 2000

// batches gives what next lists after a key until there is no more, but for what was
// read by itself since: of that it is known whether it exists.
func (f *finishing) batches(
	ctx context.Context, resource string, since time.Time, do func(keys []string) error, next func(after string) ([]string, error),
) error {
	for after := ""; ; {
		keys, err := next(after)
		if err != nil || len(keys) == 0 {
			return err
		}
		n := len(keys)
		after = keys[n-1]
		known, err := f.DB.ReadSince(ctx, f.run.TenantID, resource, keys, since)
		if err != nil {
			return err
		}
		keys = slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(known, key) })
		if len(keys) > 0 {
			if err := do(keys); err != nil {
				return err
			}
		}
		if n < batch {
			return nil
		}
	}
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
