package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// DateRange is a range of days as the source takes it, yyyy-mm-dd. To is "" where
// it has no end.
type DateRange struct{ From, To string }

// String gives FROM..TO, or "" for no range at all.
func (r DateRange) String() string {
	if r == (DateRange{}) {
		return ""
	}
	return r.From + ".." + r.To
}

// days is how long a range is. One without an end ends today.
func (r DateRange) days(today string) int {
	if r.To == "" {
		r.To = today
	}
	return between(r.From, r.To)
}

// Window is a range of dates in which a stream reads a part of its list.
type Window struct {
	StreamID  uuid.UUID
	Seq       int
	From      string `db:"from_date"`
	To        string `db:"to_date"` // "": without an end
	Total     *int64 // as its first page announced it; nil: not yet, or not told
	TotalLow  *int64 // the least and the most that its pages announced
	TotalHigh *int64
	LastPage  int // as last announced; 0: unknown
	NextPage  int
	Pages     int // that are done
	Records   int64
	AskedAt   *time.Time // when its first page was asked for
}

const windowColumns = `stream_id, seq, from_date, to_date, total, total_low, total_high, last_page, next_page, pages, records, asked_at`

// Range is the window's range of dates.
func (w Window) Range() DateRange { return DateRange{w.From, w.To} }

// Done tells whether all pages of the window are done.
func (w Window) Done() bool { return w.LastPage > 0 && w.Pages >= w.LastPage }

// Whole tells whether the window is done, each of its pages announced the same
// total, and as many records came.
func (w Window) Whole() bool {
	return w.Done() && w.Total != nil && *w.TotalLow == *w.TotalHigh && w.Records == *w.Total
}

// Windows returns a stream's windows, in the order they are read.
func (db *DB) Windows(ctx context.Context, streamID uuid.UUID) ([]Window, error) {
	rows, err := db.pool.Query(ctx, `
		SELECT `+windowColumns+`
		FROM stream_windows
		WHERE stream_id = $1
		ORDER BY seq`, streamID)
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	windows, err := pgx.CollectRows(rows, pgx.RowToStructByName[Window])
	if err != nil {
		return nil, fmt.Errorf("read windows: %w", err)
	}
	return windows, nil
}

// tooFull is how many times its aim a window may announce before it is halved.
const tooFull = 3

// windowed is what goes on with a stream that is read in windows.
type windowed struct {
	nextSeq, ahead, aim int
	again, inclusive    bool
	failed              bool
	open                int // pages that are not done
	today               string
}

// beginWindows makes a stream go on in windows of dates, of which it has read the
// first page of the whole. The first begins with the day before the oldest record,
// whose day the source may take in another zone.
func beginWindows(ctx context.Context, tx pgx.Tx, streamID uuid.UUID, r PageResult) error {
	var since, today string
	if err := tx.QueryRow(ctx, `
		UPDATE streams
		SET window_aim = $2, last_page = 0
		WHERE id = $1
		RETURNING from_date, (now() AT TIME ZONE 'UTC')::date::text`, streamID, r.Window).Scan(&since, &today); err != nil {
		return fmt.Errorf("begin windows: %w", err)
	}
	from := max(later(r.Oldest, -1), since)
	days := between(from, today)
	return openWindow(ctx, tx, streamID, 1, closed(DateRange{From: from}, widen(days, *r.Total, r.Window, days), false, today))
}

// countWindow adds a done page to the window that it is of. A window that holds
// far more than was aimed at is halved, and begins again.
func countWindow(ctx context.Context, tx pgx.Tx, p Page, r PageResult) error {
	number, err := strconv.Atoi(p.PageOrCursor)
	if err != nil {
		return fmt.Errorf("page %q of a window is no number", p.PageOrCursor)
	}
	last := r.LastPage
	if last == 0 && r.HasNext {
		last = number + 1
	}
	if r.Records == 0 || last == 0 { // fewer than announced: it is the end
		last = number
	}
	rows, err := tx.Query(ctx, `
		UPDATE stream_windows
		SET total = CASE WHEN pages = 0 THEN $3 ELSE total END,
		    total_low = CASE WHEN pages = 0 THEN $3 ELSE least(total_low, coalesce($3, -1)) END,
		    total_high = CASE WHEN pages = 0 THEN $3 ELSE greatest(total_high, $3) END,
		    asked_at = CASE WHEN pages = 0 THEN $6 ELSE asked_at END,
		    last_page = $4, pages = pages + 1, records = records + $5
		WHERE stream_id = $1 AND from_date || '..' || to_date = $2
		RETURNING `+windowColumns, p.StreamID, p.DateRange, r.Total, last, r.Records, r.Began)
	if err != nil {
		return fmt.Errorf("count a window: %w", err)
	}
	w, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Window])
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("count a window: %w", err)
	}
	return halve(ctx, tx, w, number, r)
}

func halve(ctx context.Context, tx pgx.Tx, w Window, number int, r PageResult) error {
	var aim int
	var inclusive bool
	var today string
	if err := tx.QueryRow(ctx, `
		SELECT CASE WHEN again THEN 0 ELSE window_aim END, to_inclusive, (now() AT TIME ZONE 'UTC')::date::text
		FROM streams
		WHERE id = $1`, w.StreamID).Scan(&aim, &inclusive, &today); err != nil {
		return fmt.Errorf("read stream: %w", err)
	}
	days := w.Range().days(today)
	if inclusive && w.To != "" {
		days++
	}
	if number != 1 || aim == 0 || r.Total == nil || *r.Total <= int64(tooFull*aim) || days <= 1 {
		return nil
	}
	to := later(w.From, days/2)
	if inclusive {
		to = later(to, -1)
	}
	if _, err := tx.Exec(ctx, `
		UPDATE stream_windows
		SET to_date = $3, total = NULL, total_low = NULL, total_high = NULL, last_page = 0, next_page = 1, pages = 0, records = 0
		WHERE stream_id = $1 AND seq = $2`, w.StreamID, w.Seq, to); err != nil {
		return fmt.Errorf("halve a window: %w", err)
	}
	return nil
}

// morePages creates a stream's next pages, up to its ahead open ones: of the
// windows that are open and, shortly before the last page of these has been created,
// the first page of the next, which tells how many there are: so that the stream never
// has fewer pages open than others have. It notes when nothing is left to create.
func morePages(ctx context.Context, tx pgx.Tx, run lockedRun, streamID uuid.UUID) error {
	var s windowed
	if err := tx.QueryRow(ctx, `
		SELECT next_seq, ahead, window_aim, again, to_inclusive, (now() AT TIME ZONE 'UTC')::date::text,
		       (SELECT count(*) FROM pages AS o WHERE o.stream_id = $1 AND o.state <> 'done' AND o.state IN ('held', 'runnable', 'waiting')),
		       EXISTS (SELECT FROM pages AS o WHERE o.stream_id = $1 AND o.state <> 'done' AND o.state = 'failed')
		FROM streams
		WHERE id = $1`, streamID).Scan(&s.nextSeq, &s.ahead, &s.aim, &s.again, &s.inclusive, &s.today, &s.open, &s.failed); err != nil {
		return fmt.Errorf("read stream: %w", err)
	}
	if s.failed {
		return nil
	}
	for {
		w, found, err := s.unread(ctx, tx, streamID)
		if err != nil {
			return err
		}
		full := s.open >= max(s.ahead, 1)
		if !found || !full && w.LastPage-w.NextPage < s.ahead {
			opened, err := s.openNext(ctx, tx, streamID)
			if err != nil {
				return err
			}
			if opened {
				continue
			}
		}
		if !found || full || w.NextPage > max(w.LastPage, 1) {
			return noteWindows(ctx, tx, streamID, s.nextSeq, !found)
		}
		if err := addPage(ctx, tx, run, newPage{
			stream: streamID, seq: s.nextSeq, pageOrCursor: strconv.Itoa(w.NextPage), dateRange: w.Range().String(),
		}); err != nil {
			return err
		}
		s.nextSeq++
		s.open++
		if _, err := tx.Exec(ctx, `
			UPDATE stream_windows
			SET next_page = next_page + 1
			WHERE stream_id = $1 AND seq = $2`, streamID, w.Seq); err != nil {
			return fmt.Errorf("advance a window: %w", err)
		}
	}
}

// unread gives the window whose page is created next: one that was just opened, else
// the first that has pages to create or, like every window whose first page is not
// back yet, may have them.
func (s windowed) unread(ctx context.Context, tx pgx.Tx, streamID uuid.UUID) (w Window, found bool, err error) {
	rows, err := tx.Query(ctx, `
		SELECT `+windowColumns+`
		FROM stream_windows
		WHERE stream_id = $1 AND (last_page = 0 OR next_page <= last_page)
		ORDER BY next_page = 1 AND NOT $2 DESC, seq
		LIMIT 1`, streamID, s.again)
	if err != nil {
		return w, false, fmt.Errorf("read windows: %w", err)
	}
	w, err = pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Window])
	if errors.Is(err, pgx.ErrNoRows) {
		return w, false, nil
	}
	if err != nil {
		return w, false, fmt.Errorf("read windows: %w", err)
	}
	return w, true, nil
}

func noteWindows(ctx context.Context, tx pgx.Tx, streamID uuid.UUID, nextSeq int, exhausted bool) error {
	if _, err := tx.Exec(ctx, `
		UPDATE streams
		SET next_seq = $2, exhausted = $3
		WHERE id = $1`, streamID, nextSeq, exhausted); err != nil {
		return fmt.Errorf("advance stream: %w", err)
	}
	return nil
}

// openNext opens the window after the last one; false where the first page of that is
// not back yet, where it has no end, or the stream reads given windows only.
func (s windowed) openNext(ctx context.Context, tx pgx.Tx, streamID uuid.UUID) (bool, error) {
	if s.again {
		return false, nil
	}
	rows, err := tx.Query(ctx, `
		SELECT `+windowColumns+`
		FROM stream_windows
		WHERE stream_id = $1
		ORDER BY seq DESC
		LIMIT 1`, streamID)
	if err != nil {
		return false, fmt.Errorf("read windows: %w", err)
	}
	last, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Window])
	if err != nil {
		return false, fmt.Errorf("read windows: %w", err)
	}
	if last.To == "" || last.LastPage == 0 {
		return false, nil
	}
	total := int64(0)
	if last.Total != nil {
		total = *last.Total
	}
	days := last.Range().days(s.today)
	next := DateRange{From: last.To}
	if s.inclusive { // else the two windows share the day, for it may be in none
		next.From = later(last.To, 1)
	}
	next = closed(next, widen(days, total, s.aim, 2*days), s.inclusive, s.today)
	return true, openWindow(ctx, tx, streamID, last.Seq+1, next)
}

// widen gives the days of a window that may hold aim records, by the total of one
// that was that long. After an empty one it is twice as long; it never grows more.
func widen(days int, total int64, aim, most int) int {
	days = max(days, 1)
	if total > 0 {
		most = min(most, int(int64(days)*int64(aim)/total))
	}
	return max(most, 1)
}

// closed gives a window its last day, unless that is nearly today: the last window
// has no end, so that what comes in meanwhile is at its end.
func closed(r DateRange, days int, inclusive bool, today string) DateRange {
	to := later(r.From, days)
	if to >= later(today, -1) {
		return r
	}
	if inclusive {
		to = later(to, -1)
	}
	r.To = to
	return r
}

func openWindow(ctx context.Context, tx pgx.Tx, streamID uuid.UUID, seq int, r DateRange) error {
	if _, err := tx.Exec(ctx, `
		INSERT INTO stream_windows (stream_id, seq, from_date, to_date)
		VALUES ($1, $2, $3, $4)`, streamID, seq, r.From, r.To); err != nil {
		return fmt.Errorf("open a window: %w", err)
	}
	return nil
}

// later gives the day so many days after another one.
func later(day string, days int) string {
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return day
	}
	return t.AddDate(0, 0, days).Format(time.DateOnly)
}

// between gives the days from one day to another, at least 0.
func between(from, to string) int {
	a, errA := time.Parse(time.DateOnly, from)
	b, errB := time.Parse(time.DateOnly, to)
	if errA != nil || errB != nil {
		return 0
	}
	return max(int(b.Sub(a)/(24*time.Hour)), 0)
}
