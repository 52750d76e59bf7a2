package imports

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// What a page of orders tells of dates is kept with the page, where a list without
// numbers keeps its next cursor: whoever takes the page after a commit whose
// mirroring was lost goes on from it.
const (
	hintOldest    = "oldest=" // with the day of the page's oldest record
	hintInclusive = "inclusive"
	hintSettled   = "settled" // see noteSettled
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

// skew is how far the source's clock and ours may be apart.
const skew = 30 * time.Second

// noteSettled notes on a page of orders, newest update first, that none of them was
// updated, or read by itself, since a reading that proved the whole list: so what
// lies behind them is known. What only webhooks or a run that did not come to its end
// made known says nothing of what lies behind. The page's own merge is still to come.
func (im *Importer) noteSettled(ctx context.Context, db *tenantdb.DB, w store.PageWork, commit *tenantdb.PageCommit) error {
	if !w.Stream.UntilKnown || w.Stream.Resource != tenantdb.Orders || commit.NextCursor != "" {
		return nil
	}
	proof, err := im.DB.NewestProof(ctx, w.Stream.TenantID, w.Stream.Resource)
	if err != nil || proof == nil {
		return err
	}
	var orders []string
	for _, b := range commit.Batches {
		for _, r := range b.Records {
			orders = append(orders, r.Key)
		}
	}
	unsettled, err := db.Unsettled(ctx, orders, tenantdb.Settled{
		Run: proof.RunID, By: proof.FinishedAt, DetailsBy: proof.RunEndedAt, UpdatedBy: proof.AskedAt.Add(-skew),
	})
	if err == nil && unsettled == 0 {
		commit.NextCursor = hintSettled
	}
	return err
}

// placed gives when the first and the last order of an ascending page were placed,
// in the zone of the source's dates: zero where none of them says it.
func placed(orders []json.RawMessage) (oldest, newest time.Time) {
	for _, raw := range orders {
		if at := parse(raw).time("date"); at != nil {
			oldest = at.In(salla.Riyadh())
			break
		}
	}
	for _, raw := range slices.Backward(orders) {
		if at := parse(raw).time("date"); at != nil {
			newest = at.In(salla.Riyadh())
			break
		}
	}
	return oldest, newest
}
