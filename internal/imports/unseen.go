package imports

import (
	"context"
	"slices"
	"time"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

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
	t, err := time.ParseInLocation(time.DateOnly, day, salla.Riyadh())
	if err != nil {
		return time.Time{}
	}
	return t
}
