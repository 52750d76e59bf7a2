package store

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

// places names the pages of tasks by their window and their number in it.
func places(t *testing.T, db *DB, tasks []Task) []string {
	t.Helper()
	var all []string
	for _, task := range tasks {
		if task.Kind == KindImportFinish {
			all = append(all, "finish")
			continue
		}
		var place string
		if err := db.pool.QueryRow(t.Context(), `SELECT date_range || ' ' || page_or_cursor FROM pages WHERE id = $1`, task.ID).
			Scan(&place); err != nil {
			t.Fatal(err)
		}
		all = append(all, place)
	}
	return all
}

func orders() NewStream {
	return NewStream{Resource: "orders", Pass: 1, PerPage: 10, SortBy: "created_at-asc"}
}

// answered ends a page that announced a total, of pages with ten records each.
func answered(t *testing.T, db *DB, task Task, total int64, inclusive bool) []Task {
	t.Helper()
	var number int
	if err := db.pool.QueryRow(t.Context(), `
		SELECT CASE WHEN date_range = '' THEN seq ELSE page_or_cursor::integer END FROM pages WHERE id = $1`, task.ID).
		Scan(&number); err != nil {
		t.Fatal(err)
	}
	r := PageResult{
		Records: int(min(10, total-int64(number-1)*10)), Total: &total, LastPage: int(max((total+9)/10, 1)),
		Ahead: 3, Inclusive: inclusive, Began: time.Now(),
	}
	r.Imported = r.Records
	if number == 1 {
		r.Window, r.Oldest = 100, "2020-01-11"
	}
	next, err := db.PageDone(t.Context(), leased(t, db, task), r)
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func wantPlaces(t *testing.T, db *DB, tasks []Task, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, places(t, db, tasks)); diff != "" {
		t.Fatalf("the next pages (-want +got):\n%s", diff)
	}
}

func TestWindowsFollowEachOtherWithoutABarrier(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id := shopTenant(t, db)
	days := between("2020-01-10", time.Now().UTC().Format(time.DateOnly))
	total := int64(days) * 10 // ten a day: ten days a window
	first := answered(t, db, startedRun(t, db, id, orders())[0], total, false)
	wantPlaces(t, db, first, "2020-01-10..2020-01-20 1")

	// The window held 40 in ten days; the next is no more than twice as long. It
	// shares a day with it, for that day's orders may be in none. Its first page is asked
	// for while there are others left, which keep the stream busy until it is back.
	open := answered(t, db, first[0], 40, false)
	wantPlaces(t, db, open, "2020-01-20..2020-02-09 1", "2020-01-10..2020-01-20 2", "2020-01-10..2020-01-20 3")
	last := answered(t, db, open[1], 40, false)
	wantPlaces(t, db, last, "2020-01-10..2020-01-20 4")
	wantPlaces(t, db, answered(t, db, open[2], 40, false))
	wantPlaces(t, db, answered(t, db, last[0], 40, false))

	// Nothing in a stretch: the next is twice as long.
	wide := answered(t, db, open[0], 0, false)
	wantPlaces(t, db, wide, "2020-02-09..2020-03-20 1")

	// Far more than was aimed at: it is halved. The last day is proved to belong to
	// a window, so that the next begins a day later.
	half := answered(t, db, wide[0], 900, false)
	wantPlaces(t, db, half, "2020-02-09..2020-02-29 1")
	dense := answered(t, db, half[0], 10, true)
	wantPlaces(t, db, dense, "2020-03-01..2020-04-09 1")
}

func TestGivenWindowsAreAllThatIsRead(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	s := orders()
	s.Windows = []DateRange{{"2020-01-01", "2020-01-05"}, {"2020-03-01", ""}}
	first := startedRun(t, db, shopTenant(t, db), s)
	wantPlaces(t, db, first, "2020-01-01..2020-01-05 1")
	second := answered(t, db, first[0], 10, false)
	wantPlaces(t, db, second, "2020-03-01.. 1")
	third := answered(t, db, second[0], 5000, false) // it is not halved
	wantPlaces(t, db, third, "2020-03-01.. 2", "2020-03-01.. 3", "2020-03-01.. 4")
	var total int64
	if err := db.pool.QueryRow(t.Context(), `SELECT total_before FROM streams`).Scan(&total); err != nil || total != 5010 {
		t.Errorf("the stream counts %d, %v; want 5010", total, err)
	}
}

func TestWindowThatGrowsIsReadToItsEnd(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	s := orders()
	s.Windows = []DateRange{{"2020-01-01", ""}}
	next := startedRun(t, db, shopTenant(t, db), s)
	next = answered(t, db, next[0], 20, false)
	wantPlaces(t, db, next, "2020-01-01.. 2")
	next = answered(t, db, next[0], 23, false)
	wantPlaces(t, db, next, "2020-01-01.. 3")
	next = answered(t, db, next[0], 23, false)
	wantPlaces(t, db, next, "finish")
	var id uuid.UUID
	if err := db.pool.QueryRow(t.Context(), `SELECT id FROM streams`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	windows, err := db.Windows(t.Context(), id)
	if err != nil || len(windows) != 1 || windows[0].Records != 23 || windows[0].Whole() || !windows[0].Done() {
		t.Errorf("got %+v, %v; want it done, with 23 records, and not whole", windows, err)
	}
}

// endRun ends a tenant's newest run as if it had begun so long ago.
func endRun(t *testing.T, db *DB, tenantID uuid.UUID, status string, ago time.Duration) {
	t.Helper()
	if _, err := db.pool.Exec(t.Context(), `
		UPDATE runs
		SET status = $2, state = 'done', started_at = now() - $3::interval, finished_at = now()
		WHERE id = (SELECT id FROM runs WHERE tenant_id = $1 ORDER BY id DESC LIMIT 1)`, tenantID, status, ago); err != nil {
		t.Fatal(err)
	}
}

func TestTenantWithoutACompleteRunGetsAnInitialOne(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for _, tt := range []struct {
		kind, status string
		resources    []string
		want         string
	}{
		{RunInitial, "failed", nil, RunInitial},
		{RunInitial, "incomplete", nil, RunInitial},
		{RunInitial, "cancelled", nil, RunInitial},
		{RunInitial, "complete", nil, RunReconcile},
		{RunManual, "complete", nil, RunReconcile},
		{RunManual, "complete", []string{"orders"}, RunInitial},
		{RunManual, "incomplete", nil, RunInitial},
	} {
		id := shopTenant(t, db)
		opened(t, db, id, tt.kind, tt.resources...)
		endRun(t, db, id, tt.status, 3*24*time.Hour)
		if tasks, err := db.ReconcileDue(t.Context(), 24*time.Hour, 10); err != nil || len(tasks) != 1 {
			t.Fatalf("%+v: got %v, %v, want a run", tt, tasks, err)
		}
		runs, err := db.Runs(t.Context(), id)
		if err != nil || runs[0].Kind != tt.want {
			t.Errorf("%+v: got a run of kind %s, %v", tt, runs[0].Kind, err)
		}
		endRun(t, db, id, "complete", time.Minute) // and is not due
	}
}

func TestRunsAreSpreadOverTheDay(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	const day = 24 * time.Hour
	var ids []uuid.UUID
	for i := range 16 {
		id := shopTenant(t, db)
		// The last digits of an id are its place in the day.
		place, err := uuid.Parse(id.String()[:28] + fmt.Sprintf("%08x", i<<28))
		if err != nil {
			t.Fatal(err)
		}
		for _, query := range []string{
			`DELETE FROM connections WHERE id = $1 AND $2::uuid IS NOT NULL`, `UPDATE tenants SET id = $2 WHERE id = $1`,
			`INSERT INTO connections (id, status) SELECT $2, 'active' WHERE $1::uuid IS NOT NULL`,
		} {
			if _, err := db.pool.Exec(t.Context(), query, id, place); err != nil {
				t.Fatal(err)
			}
		}
		opened(t, db, place, RunInitial)
		endRun(t, db, place, "complete", 18*time.Hour)
		ids = append(ids, place)
	}
	tasks, err := db.ReconcileDue(t.Context(), day, 100)
	if err != nil {
		t.Fatal(err)
	}
	// Of 24 slots in a day 18 have come round since.
	if len(tasks) < 11 || len(tasks) > 13 {
		t.Errorf("%d of %d tenants are due 18 hours after their last run, want about 12", len(tasks), len(ids))
	}
	for _, id := range ids {
		runs, err := db.Runs(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		place, now := strings.IndexByte("0123456789abcdef", id.String()[28]), time.Now().Unix()
		slot := int64(place) * int64(day/time.Second) / 16
		due := (now-slot)%int64(day/time.Second) < int64(18*time.Hour/time.Second)
		if got := len(runs) == 2; got != due {
			t.Errorf("place %d: opened %v, want %v", place, got, due)
		}
	}
	if tasks, err := db.ReconcileDue(t.Context(), day, 100); err != nil || len(tasks) != 0 {
		t.Errorf("again: %v, %v", tasks, err)
	}
	for _, id := range ids {
		endRun(t, db, id, "complete", 11*time.Hour) // less than half a day ago
	}
	if tasks, err := db.ReconcileDue(t.Context(), day, 100); err != nil || len(tasks) != 0 {
		t.Errorf("eleven hours after the last: %v, %v", tasks, err)
	}
}
