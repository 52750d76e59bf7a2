package imports

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// What a page of orders tells of dates is kept with the page, where a list without
// numbers keeps its next cursor: whoever takes the page after a commit whose
// mirroring was lost goes on from it.
const (
	hintOldest    = "oldest=" // with the day of the page's oldest record
	hintInclusive = "inclusive"
)

// inWindows tells whether a stream may be read in windows of dates.
func inWindows(s store.Stream) bool {
	return s.Resource == tenantdb.Orders && s.SortBy == createdAscending && !s.UntilKnown
}

// writeHint notes on a page what decides of windows: on the first page of the whole
// list its oldest day, on a window's page whether the window's last day belongs to
// it. A record of that day's afternoon proves it, in whichever zone days begin.
func writeHint(w store.PageWork, orders []json.RawMessage, commit *tenantdb.PageCommit) {
	if !inWindows(w.Stream) || commit.NextCursor != "" {
		return
	}
	oldest, newest := placed(orders)
	switch _, to, windowed := strings.Cut(w.DateRange, ".."); {
	case newest.IsZero():
	case windowed && to != "" && newest.Format(time.DateOnly) >= to && newest.Hour() >= 12:
		commit.NextCursor = hintInclusive
	case !windowed && w.Seq == 1:
		commit.NextCursor = hintOldest + oldest.Format(time.DateOnly)
	}
}

// readHint takes from a page what writeHint noted, and decides whether a list is
// long enough for windows.
func (im *Importer) readHint(w store.PageWork, m *store.PageResult) {
	if !inWindows(w.Stream) {
		return
	}
	oldest, told := strings.CutPrefix(m.Next, hintOldest)
	switch {
	case m.Next == hintInclusive:
		m.Inclusive, m.Next = true, ""
	case told:
		m.Next = ""
		if m.Total != nil && *m.Total > int64(im.window()) {
			m.Window, m.Oldest = im.window(), oldest
		}
	}
}

// placed gives when the first and the last order of an ascending page were placed,
// in the zone of the source's dates: zero where none of them says it.
func placed(orders []json.RawMessage) (oldest, newest time.Time) {
	for _, raw := range orders {
		if at := parse(raw).time("date"); at != nil {
			oldest = at.In(riyadh)
			break
		}
	}
	for _, raw := range slices.Backward(orders) {
		if at := parse(raw).time("date"); at != nil {
			newest = at.In(riyadh)
			break
		}
	}
	return oldest, newest
}
