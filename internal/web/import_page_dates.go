package web

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// windowsShown is how many stretches of dates a page names.
const windowsShown = 12

// windowsOf reads the windows of dates of those streams that have some.
func windowsOf(ctx context.Context, db *store.DB, streams []store.Stream) (map[uuid.UUID][]store.Window, error) {
	list := map[uuid.UUID][]store.Window{}
	for _, st := range streams {
		if st.WindowAim == 0 && !st.Again {
			continue
		}
		windows, err := db.Windows(ctx, st.ID)
		if err != nil {
			return nil, err
		}
		list[st.ID] = windows
	}
	return list, nil
}

// stretch is a window of dates as it was last read.
type stretch struct {
	store.Window

	again bool // it was read in an earlier pass, too
	open  bool // the pass that reads it has not ended
}

// stretchesOf gives the windows of the last pass over a whole list, each as it was
// last read.
func stretchesOf(streams []store.Stream, windows map[uuid.UUID][]store.Window) []stretch {
	sorted := slices.Clone(streams)
	slices.SortStableFunc(sorted, func(a, b store.Stream) int { return a.Pass - b.Pass })
	var list []stretch
	at := map[store.DateRange]int{}
	for _, st := range sorted {
		if !st.Again && st.Resource == tenantdb.Orders {
			list = nil
			clear(at)
		}
		for _, w := range windows[st.ID] {
			x := stretch{Window: w, again: st.Again, open: st.FinishedAt == nil}
			if i, ok := at[w.Range()]; ok {
				list[i] = x
			} else {
				at[w.Range()] = len(list)
				list = append(list, x)
			}
		}
	}
	return list
}

// windowsView sums up those stretches of dates that came whole, and names the others;
// nil where orders are not read by date.
func windowsView(list []stretch, open bool) *templates.WindowsView {
	if len(list) == 0 {
		return nil
	}
	var v templates.WindowsView
	var whole, again, others int
	var records int64
	var last string
	for _, x := range list {
		if x.again {
			again++
		}
		if x.Whole() {
			whole++
			records += x.Records
			last = x.To
			continue
		}
		if others++; len(v.Rows) < windowsShown {
			v.Rows = append(v.Rows, x.row(open))
		}
	}
	parts := []string{templates.Plural(len(list), "stretch of dates", "stretches of dates")}
	if open {
		parts[0] += " so far"
	}
	switch {
	case whole == len(list):
		parts = append(parts, "all came whole: "+templates.Plural(records, "order", "orders"))
	case whole > 0:
		parts = append(parts, templates.Count(whole)+" came whole: "+templates.Plural(records, "order", "orders"))
	}
	if whole > 0 && open && last != "" && again == 0 {
		parts = append(parts, "up to "+last)
	}
	if again > 0 {
		parts = append(parts, templates.Count(again)+" read again")
	}
	v.Line = strings.Join(parts, " · ")
	if more := others - len(v.Rows); more > 0 {
		v.More = fmt.Sprintf("and %s more", templates.Count(more))
	}
	return &v
}

// row says how a stretch stands that did not come whole, or not yet.
func (x stretch) row(open bool) templates.WindowRow {
	row := templates.WindowRow{
		Dates: x.From + " to " + x.To, Kind: templates.Wait, Counted: "–",
		Came: templates.Count(x.Records), Pages: templates.Count(x.Pages),
	}
	if x.To == "" {
		row.Dates = "since " + x.From
	}
	if x.Total != nil {
		row.Counted = templates.Count(*x.Total)
	}
	if x.LastPage > 0 {
		row.Pages += " / " + templates.Count(x.LastPage)
	}
	switch {
	case !x.Done() && x.open && open:
		row.Kind, row.Status = templates.Run, "being read"
		if x.again {
			row.Status = "read again"
		}
		return row
	case !x.Done():
		row.Status = "not read to the end"
		return row
	case x.Total == nil:
		row.Status = "Salla tells no count"
	case *x.TotalLow != *x.TotalHigh:
		row.Status = "changed while it was read"
	case x.Records < *x.Total:
		row.Status = templates.Count(*x.Total-x.Records) + " did not come"
	default:
		row.Status = templates.Count(x.Records-*x.Total) + " more came"
	}
	if open {
		row.Status += ": to be read again"
	}
	return row
}
