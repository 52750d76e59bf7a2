package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// pageDone ends a page.
func pageDone(t *testing.T, db *DB, task Task, r PageResult) ([]Task, error) {
	t.Helper()
	return db.PageDone(t.Context(), leased(t, db, task), r)
}

// A list that gives its last page again beyond its end is at its end there, also
// where it tells its total, and in each of its windows of dates.
func TestAPageThatRepeatsEndsItsList(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	total := int64(20)
	windows := numbered("orders")
	windows.Windows = []DateRange{{From: "2026-01-01", To: "2026-02-01"}, {From: "2026-02-01", To: "2026-03-01"}}
	for name, tt := range map[string]struct {
		stream NewStream
		lists  int
	}{"of the list": {numbered("carts"), 1}, "of windows": {windows, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			next := startedRun(t, db, shopTenant(t, db), tt.stream)
			var stream uuid.UUID
			if err := db.pool.QueryRow(t.Context(), `SELECT stream_id FROM pages WHERE id = $1`, next[0].ID).Scan(&stream); err != nil {
				t.Fatal(err)
			}
			for list := range tt.lists {
				for n, digest := range []string{"a", "b", "b"} {
					if len(next) != 1 || next[0].Kind != KindImportPage {
						t.Fatalf("list %d, page %d: %v", list, n+1, next)
					}
					var err error
					// Windows may well have the same pages as another.
					if next, err = pageDone(t, db, next[0], PageResult{
						Records: 10, Total: &total, HasNext: true, Ahead: 1, Digest: []byte(digest),
					}); err != nil {
						t.Fatal(err)
					}
				}
			}
			if len(next) != 1 || next[0].Kind != KindImportFinish {
				t.Errorf("at the end: %v, want the finish", next)
			}
			var wrong int
			if err := db.pool.QueryRow(t.Context(), `
				SELECT count(*)
				FROM stream_windows
				WHERE stream_id = $1 AND records <> total`, stream).Scan(&wrong); err != nil || wrong > 0 {
				t.Errorf("%d windows count the page that repeats, %v", wrong, err)
			}
		})
	}
}

// Whatever a source says of more: a list ends.
func TestAListWithoutEndIsRefused(t *testing.T) {
	t.Parallel()
	total, none := int64(20), int64(0)
	for name, tt := range map[string]struct {
		page Page
		r    PageResult
		want bool
	}{
		"far beyond its total":           {Page{Seq: 120}, PageResult{Records: 1, Total: &total, HasNext: true}, true},
		"short pages within its total":   {Page{Seq: 19}, PageResult{Records: 1, Total: &total, HasNext: true}, false},
		"a total of none, and more":      {Page{Seq: 300}, PageResult{Records: 1, Total: &none, HasNext: true}, false},
		"far beyond, and at its end":     {Page{Seq: 120}, PageResult{Records: 1, Total: &total}, false},
		"far beyond, and empty":          {Page{Seq: 120}, PageResult{Total: &total, HasNext: true}, false},
		"a window far beyond its total":  {Page{Seq: 900, PageOrCursor: "120", DateRange: "a..b"}, PageResult{Records: 1, Total: &total, HasNext: true}, true},
		"a late window":                  {Page{Seq: 900, PageOrCursor: "2", DateRange: "a..b"}, PageResult{Records: 1, Total: &total, HasNext: true}, false},
		"a long list":                    {Page{Seq: 20_000}, PageResult{Records: 1, HasNext: true}, false},
		"more than any list has":         {Page{Seq: mostPages}, PageResult{Records: 1, HasNext: true}, true},
		"always one page more":           {Page{Seq: mostPages}, PageResult{Records: 1, LastPage: mostPages + 1}, true},
		"the last of very many pages":    {Page{Seq: mostPages}, PageResult{Records: 1, LastPage: mostPages}, false},
		"numbered beyond what is wanted": {Page{Seq: mostPages}, PageResult{Records: 1, LastPage: mostPages + 1, Stop: true}, false},
	} {
		err := endless(tt.page, tt.r)
		if (err != nil) != tt.want || tt.want && !errors.Is(err, fault.ErrGaveUp) {
			t.Errorf("%s: got %v, want it refused: %v", name, err, tt.want)
		}
	}
	db := New(dbtest.Control(t))
	next := startedRun(t, db, shopTenant(t, db), numbered("carts"))
	exec(t, db, `UPDATE pages SET seq = $1`, 200)
	if _, err := pageDone(t, db, next[0], PageResult{Records: 10, Total: &total, HasNext: true}); !errors.Is(err, fault.ErrGaveUp) {
		t.Errorf("got %v, want that it is given up", err)
	}
}

// One that fails stops no other, and its error is told.
func TestSweepGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	a, b, c := shopTenant(t, db), shopTenant(t, db), shopTenant(t, db)
	broken := errors.New("broken")

	tasks, err := db.sweepEach(t.Context(), "look", `SELECT id FROM tenants ORDER BY id LIMIT $1`, 10,
		func(_ pgx.Tx, id uuid.UUID) ([]Task, error) {
			switch id {
			case a:
				return []Task{{ID: a}}, broken
			case b:
				return nil, fault.New(fault.NotFound, "it is gone")
			}
			return []Task{{ID: id}}, nil
		})

	if len(tasks) != 1 || tasks[0].ID != c {
		t.Errorf("got tasks %v, want that of the last", tasks)
	}
	if !errors.Is(err, broken) || errors.Is(err, fault.NotFound) || !strings.Contains(fmt.Sprint(err), a.String()) {
		t.Errorf("got %v, want what broke, and where", err)
	}
}

// A sweep that fails stops no later one.
func TestSweepReadsGoesOnAfterAnError(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	queued := opened(t, db, tenant, RunManual)[0]
	exec(t, db, `UPDATE runs SET state = 'held', due_at = NULL, enqueued_at = NULL WHERE id = $1`, queued.ID)
	exec(t, db, `ALTER TABLE entity_reads RENAME COLUMN tenant_id TO tenant`) // breaks the first two

	tasks, err := db.SweepReads(t.Context(), 10)

	if err == nil || len(tasks) != 1 || tasks[0].ID != queued.ID {
		t.Errorf("got %v, %v, want the queued run and an error", tasks, err)
	}
}
