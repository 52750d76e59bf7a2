package imports

import (
	"context"
	"fmt"
	"strings"

	"github.com/wosool/wosool/internal/store"
)

// told says what a list that came out equal would else leave in doubt: what came
// and went while it was read. It is "" where nothing did.
func (f *finishing) told(resource string, c comparison) string {
	var doubts []string
	if c.proof != proved {
		doubts = append(doubts, "the list changed whenever it was read, but in the end brought nothing that was not known")
	}
	if meanwhile := c.meanwhile(); meanwhile != "" {
		doubts = append(doubts, meanwhile)
	}
	if c.unread > 0 {
		doubts = append(doubts, fmt.Sprintf("%d more that its list did not show are looked for by the next import", c.unread))
	}
	if c.total == nil || len(doubts) == 0 {
		return ""
	}
	return fmt.Sprintf("%s: Salla counts %d, and all of them are here: %s", f.named(resource), *c.total, strings.Join(doubts, "; "))
}

// missing says, for an operator, what a list lacks: which dates of it, how many
// Salla counts, and what became of them here.
func (f *finishing) missing(resource string, c comparison) string {
	if c.total == nil {
		return c.reason
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: Salla counts %d, here are %d stored and %d rejected", f.named(resource), *c.total, c.stored, c.reject)
	if c.unseen > 0 {
		fmt.Fprintf(&b, ", and %d that its list did not show", c.unseen)
	}
	if meanwhile := c.meanwhile(); meanwhile != "" {
		fmt.Fprintf(&b, " (%s)", meanwhile)
	}
	if c.unread > 0 {
		fmt.Fprintf(&b, "; %d that its list did not show are too many to look for one by one", c.unread)
	}
	switch lacking := *c.total - c.stored - c.reject - f.base(resource).Deleted; {
	case lacking > 0:
		fmt.Fprintf(&b, "; %d are missing", lacking)
	case lacking < 0:
		fmt.Fprintf(&b, "; %d more are here than Salla has", -lacking)
	}
	switch {
	case len(c.windows) > 0:
		for _, w := range c.windows[:min(len(c.windows), mostNamed)] {
			b.WriteString("; " + ofWindow(w))
		}
		if more := len(c.windows) - mostNamed; more > 0 {
			fmt.Fprintf(&b, "; and those of %d more stretches of dates", more)
		}
	case len(c.lacking) > 0:
		b.WriteString("; " + strings.Join(c.lacking, "; "))
	case c.proof != proved:
		b.WriteString("; the list changed whenever it was read, so that some of it may have slipped past")
	}
	return b.String()
}

// ofWindow says why a window could not be proved.
func ofWindow(w store.Window) string {
	when := datesOf(w)
	switch {
	case w.Total == nil || !w.Done():
		return fmt.Sprintf("those %s were not read to the end", when)
	case *w.TotalLow != *w.TotalHigh:
		return fmt.Sprintf("those %s changed whenever they were read: Salla counted between %d and %d, %d came",
			when, *w.TotalLow, *w.TotalHigh, w.Records)
	case w.Records < *w.Total:
		return fmt.Sprintf("those %s: Salla counted %d, %d came, %d are missing", when, *w.Total, w.Records, *w.Total-w.Records)
	}
	return fmt.Sprintf("those %s changed after they were read: Salla counted %d, %d came", when, *w.Total, w.Records)
}

// lacking finds, for the words of a run's end, the windows of which fewer orders are
// here than Salla counted.
func (f *finishing) lacking(ctx context.Context, resource string) ([]string, error) {
	all, err := f.windows(ctx, resource)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	here, err := f.db.CountPlaced(ctx, stretchesOf(all))
	if err != nil {
		return nil, err
	}
	var words []string
	for i, w := range all {
		if w.Total == nil || int64(here[i]) >= *w.Total {
			continue
		}
		words = append(words, fmt.Sprintf("of those %s Salla counted %d, %d are here", datesOf(w.Window), *w.Total, here[i]))
		if len(words) == mostNamed {
			break
		}
	}
	return words, nil
}

// mostNamed is how many windows a reason names.
const mostNamed = 10

func datesOf(w store.Window) string {
	if w.To == "" {
		return "since " + w.From
	}
	return "of " + w.From + " to " + w.To
}

// named gives a resource with the dates that the run is about.
func (f *finishing) named(resource string) string {
	if from := f.base(resource).FromDate; from != "" {
		return resource + " since " + from
	}
	return resource
}

// meanwhile says what happened beside the reading of a list.
func (c comparison) meanwhile() string {
	var parts []string
	if c.with.New > 0 {
		parts = append(parts, fmt.Sprintf("%d came meanwhile by events", c.with.New))
	}
	if c.with.Gone > 0 {
		parts = append(parts, fmt.Sprintf("%d are gone meanwhile", c.with.Gone))
	}
	return strings.Join(parts, ", ")
}
