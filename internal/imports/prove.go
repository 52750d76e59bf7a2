package imports

import (
	"context"
	"time"

	"github.com/wosool/wosool/internal/store"
)

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
