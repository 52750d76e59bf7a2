package store

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// shopTenant makes a ready tenant with a live grant.
func shopTenant(t *testing.T, db *DB) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	for _, query := range []string{
		`INSERT INTO tenants (id, slug, name, status, installed) VALUES ($1, 'shop-' || right($1::uuid::text, 12), 'Shop', 'ready', true)`,
		`INSERT INTO connections (id, status) VALUES ($1, 'active')`,
	} {
		if _, err := db.pool.Exec(t.Context(), query, id); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

func opened(t *testing.T, db *DB, tenantID uuid.UUID, kind string, resources ...string) []Task {
	t.Helper()
	var tasks []Task
	if err := db.inTx(t.Context(), func(tx pgx.Tx) (err error) {
		tasks, err = openRun(t.Context(), tx, tenantID, kind, resources, nil)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return tasks
}

func leased(t *testing.T, db *DB, task Task) Lease {
	t.Helper()
	l, how, err := db.Take(t.Context(), task, time.Minute)
	if err != nil || how != TakenOurs {
		t.Fatalf("take %s: %v, %v", task.Kind, how, err)
	}
	return l
}

// startedRun opens a run and its streams, and gives the tasks of their first pages.
func startedRun(t *testing.T, db *DB, tenantID uuid.UUID, streams ...NewStream) []Task {
	t.Helper()
	tasks := opened(t, db, tenantID, RunManual)
	pages, err := db.StartRun(t.Context(), leased(t, db, tasks[0]), streams)
	if err != nil {
		t.Fatal(err)
	}
	return pages
}

func numbered(resource string) NewStream { return NewStream{Resource: resource, Pass: 1, PerPage: 60} }

// seqs names the pages of tasks by their place in the stream; f is import:finish.
func seqs(t *testing.T, db *DB, tasks []Task) []int {
	t.Helper()
	var all []int
	for _, task := range tasks {
		if task.Kind == KindImportFinish {
			all = append(all, -1)
			continue
		}
		var seq int
		if err := db.pool.QueryRow(t.Context(), `SELECT seq FROM pages WHERE id = $1`, task.ID).Scan(&seq); err != nil {
			t.Fatal(err)
		}
		all = append(all, seq)
	}
	return all
}

func TestOneRunIsOpenAndOneQueued(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id, other := shopTenant(t, db), shopTenant(t, db)
	started := make(chan int, 40)
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			err := db.inTx(t.Context(), func(tx pgx.Tx) error {
				tasks, err := openRun(t.Context(), tx, id, RunManual, []string{"orders"}, nil)
				started <- len(tasks)
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	close(started)
	n := 0
	for k := range started {
		n += k
	}
	runs, err := db.Runs(t.Context(), id)
	if err != nil || n != 1 || len(runs) != 2 {
		t.Fatalf("%d runs were started of %d, %v; want one of two", n, len(runs), err)
	}

	opened(t, db, id, RunReconcile, "carts")
	runs, _ = db.Runs(t.Context(), id)
	if diff := cmp.Diff([]string{"carts", "orders"}, runs[0].Resources); diff != "" {
		t.Error("the queued run took the new resources wrongly", diff)
	}
	if tasks := opened(t, db, other, RunInitial); len(tasks) != 1 {
		t.Error("another tenant's run waits")
	}
	if tasks := opened(t, db, other, RunInitial); tasks != nil {
		t.Error("a second initial run was opened")
	}
	if runs, _ := db.Runs(t.Context(), other); len(runs) != 1 {
		t.Errorf("the other tenant has %d runs, want one", len(runs))
	}
}

func TestNumberedPagesAreReadAhead(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id := shopTenant(t, db)
	first := startedRun(t, db, id, numbered("products"))
	if diff := cmp.Diff([]int{1}, seqs(t, db, first)); diff != "" {
		t.Fatal(diff)
	}
	done := func(task Task, r PageResult) []Task {
		t.Helper()
		r.Ahead = 3
		next, err := db.PageDone(t.Context(), leased(t, db, task), r)
		if err != nil {
			t.Fatal(err)
		}
		return next
	}
	full := PageResult{Records: 60, Imported: 60, LastPage: 5}
	wide := done(first[0], full)
	if diff := cmp.Diff([]int{2, 3, 4}, seqs(t, db, wide)); diff != "" {
		t.Fatal(diff)
	}
	last := done(wide[2], full)
	if diff := cmp.Diff([]int{5}, seqs(t, db, last)); diff != "" {
		t.Fatal(diff)
	}
	done(last[0], PageResult{Records: 10, Imported: 10, LastPage: 5})
	// While 2 and 3 are read the list grows by a page.
	grown := done(wide[1], PageResult{Records: 60, Imported: 60, LastPage: 6})
	if diff := cmp.Diff([]int{6}, seqs(t, db, grown)); diff != "" {
		t.Fatal(diff)
	}
	done(grown[0], PageResult{Records: 1, Unchanged: 1, LastPage: 6})
	end := done(wide[0], PageResult{Records: 60, Rejected: 60, LastPage: 6})
	if diff := cmp.Diff([]int{-1}, seqs(t, db, end)); diff != "" {
		t.Fatal(diff)
	}
	runs, err := db.Runs(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	s := runs[0].Streams[0]
	if s.Pages != 6 || s.Imported != 190 || s.Unchanged != 1 || s.Rejected != 60 || s.Status != "complete" || s.FinishedAt == nil {
		t.Errorf("the stream came to %+v", s)
	}
}

func TestListsThatOnlyNameTheNextPage(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for _, tt := range []struct {
		name  string
		pages []PageResult
		want  int
	}{
		{"until nothing follows", []PageResult{
			{Records: 60, HasNext: true, Next: "cursor=b", Digest: []byte("1")}, {Records: 3, Digest: []byte("2")},
		}, 2},
		{"until an empty page", []PageResult{
			{Records: 60, HasNext: true, Next: "cursor=b", Digest: []byte("1")}, {HasNext: true, Next: "cursor=c"},
		}, 2},
		{"until it repeats itself", []PageResult{
			{Records: 60, HasNext: true, Next: "page=2", Digest: []byte("1")},
			{Records: 60, HasNext: true, Next: "page=3", Digest: []byte("1")},
		}, 2},
		{"until no more is wanted", []PageResult{
			{Records: 60, LastPage: 900, Stop: true},
		}, 1},
		{"fewer pages than announced", []PageResult{
			{Records: 60, LastPage: 3}, {LastPage: 3},
		}, 2},
		{"an empty list", []PageResult{{LastPage: 1}}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			next := startedRun(t, db, shopTenant(t, db), numbered("carts"))
			read := 0
			for _, r := range tt.pages {
				if len(next) != 1 || next[0].Kind != KindImportPage {
					t.Fatalf("after %d pages: %v", read, next)
				}
				if read > 0 && r.LastPage == 0 {
					w, err := db.PageWork(t.Context(), leased(t, db, next[0]))
					if err != nil || w.PageOrCursor != tt.pages[read-1].Next {
						t.Fatalf("page %d is asked by %q, %v", w.Seq, w.PageOrCursor, err)
					}
					if _, err := db.pool.Exec(t.Context(), `UPDATE pages SET lease_until = now()`); err != nil {
						t.Fatal(err)
					}
				}
				r.Ahead = 1
				var err error
				if next, err = db.PageDone(t.Context(), leased(t, db, next[0]), r); err != nil {
					t.Fatal(err)
				}
				read++
			}
			if read != tt.want || len(next) != 1 || next[0].Kind != KindImportFinish {
				t.Errorf("after %d pages: %v, want the finish after %d", read, next, tt.want)
			}
		})
	}
}

// A page that ends must not read its stream's done ones: in a long stream that
// would be the square of its length.
func TestPageDoneReadsNoDonePages(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	first := startedRun(t, db, shopTenant(t, db), numbered("orders"))[0]
	other := startedRun(t, db, shopTenant(t, db), numbered("orders"))[0] // its pages are not done
	for _, query := range []string{
		`INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, digest, done_at, state, due_at, enqueued_at)
		 SELECT gen_random_uuid(), p.stream_id, p.run_id, p.tenant_id, n, sha256(n::text::bytea), now(), 'done', NULL, NULL
		 FROM pages AS p, generate_series(2, 20000) AS n
		 WHERE p.id = '` + first.ID.String() + `'`,
		`INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, state, due_at, enqueued_at)
		 SELECT gen_random_uuid(), p.stream_id, p.run_id, p.tenant_id, n,
		        CASE WHEN n % 2 = 0 THEN 'held' ELSE 'failed' END, NULL, NULL
		 FROM pages AS p, generate_series(2, 1000) AS n
		 WHERE p.id = '` + other.ID.String() + `'`,
		`UPDATE streams SET next_seq = 20001`,
		`ANALYZE pages`,
	} {
		if _, err := db.pool.Exec(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []PageResult{
		{Records: 60, LastPage: 30000, Ahead: 3, Digest: []byte("numbered")},
		{Records: 60, HasNext: true, Next: "cursor=b", Digest: []byte("by cursor")},
	} {
		rollback := errors.New("only looked")
		err := db.inTx(t.Context(), func(tx pgx.Tx) error {
			run, p, err := lockPage(t.Context(), tx, first.ID)
			if err != nil {
				return err
			}
			if err := advance(t.Context(), tx, run, p, r); err != nil {
				return err
			}
			if err := settleStream(t.Context(), tx, p.StreamID); err != nil {
				return err
			}
			var read int
			if err := tx.QueryRow(t.Context(), `
				SELECT seq_tup_read + coalesce(idx_tup_fetch, 0)
				FROM pg_stat_xact_user_tables
				WHERE relid = 'pages'::regclass`).Scan(&read); err != nil {
				return err
			}
			if read > 50 {
				t.Errorf("%s: %d pages were read", r.Digest, read)
			}
			return rollback
		})
		if !errors.Is(err, rollback) {
			t.Fatal(err)
		}
	}
}

func TestPagesComeInWindows(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id := shopTenant(t, db)
	first := startedRun(t, db, id, numbered("customers"), numbered("products"), numbered("carts"))
	queued := len(first)
	for _, task := range first {
		more, err := db.PageDone(t.Context(), leased(t, db, task), PageResult{Records: 60, LastPage: 50, Ahead: 5})
		if err != nil {
			t.Fatal(err)
		}
		queued += len(more) - 1
	}
	if queued != pageWindow {
		t.Errorf("%d pages of one tenant are queued, want %d", queued, pageWindow)
	}
	if _, err := db.pool.Exec(t.Context(), `UPDATE pages SET state = 'done' WHERE state = 'runnable'`); err != nil {
		t.Fatal(err)
	}
	tasks, err := db.SweepReads(t.Context(), 10)
	if err != nil || len(tasks) != pageWindow {
		t.Errorf("the sweeper released %d, %v, want a window of %d", len(tasks), err, pageWindow)
	}
}

func TestWorkWaitsAndIsWoken(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id, other := shopTenant(t, db), shopTenant(t, db)
	page := leased(t, db, startedRun(t, db, id, numbered("orders"))[0])
	if waits, _, err := db.ParkWork(t.Context(), page, id, "a grant"); err != nil || waits {
		t.Fatalf("parked %v, %v, though there is nothing to wait for", waits, err)
	}
	if _, err := db.pool.Exec(t.Context(), `UPDATE connections SET status = 'needs_reauthorisation' WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}
	reads, err := db.WantReads(t.Context(), id, []Want{{Resource: "orders", Entity: "7"}})
	if err != nil || len(reads) != 1 {
		t.Fatalf("got %v, %v", reads, err)
	}
	for _, l := range []Lease{page, leased(t, db, reads[0])} {
		if waits, _, err := db.ParkWork(t.Context(), l, id, "a grant"); err != nil || !waits {
			t.Fatalf("%s: parked %v, %v", l.Kind, waits, err)
		}
	}
	if err := db.Finish(t.Context(), page); !errors.Is(err, fault.ErrLost) {
		t.Errorf("the door finishes a parked row: %v", err)
	}
	if runs, _ := db.Runs(t.Context(), id); runs[0].Status != "waiting" || runs[0].Reason == nil {
		t.Errorf("the run is %s", runs[0].Status)
	}

	wake := func(tenantID uuid.UUID) (tasks []Task) {
		t.Helper()
		if err := db.inTx(t.Context(), func(tx pgx.Tx) (err error) {
			tasks, err = wakeTenantWork(t.Context(), tx, tenantID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return tasks
	}
	if tasks := wake(other); len(tasks) != 0 {
		t.Errorf("another tenant woke %v", tasks)
	}
	if tasks := wake(id); len(tasks) != 2 || tasks[0].Epoch != 2 || tasks[1].Epoch != 2 {
		t.Errorf("woke %v, want the page and the read with new epochs", tasks)
	}
	if runs, _ := db.Runs(t.Context(), id); runs[0].Status != "running" || runs[0].Reason != nil {
		t.Errorf("the run is %s", runs[0].Status)
	}
}

func TestReconcileDue(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id, parked := shopTenant(t, db), shopTenant(t, db)
	if _, err := db.pool.Exec(t.Context(), `UPDATE connections SET status = 'revoked' WHERE id = $1`, parked); err != nil {
		t.Fatal(err)
	}
	due := func(every time.Duration) []Task {
		t.Helper()
		tasks, err := db.ReconcileDue(t.Context(), every, 10)
		if err != nil {
			t.Fatal(err)
		}
		return tasks
	}
	initial := due(time.Hour)
	if len(initial) != 1 {
		t.Fatalf("got %v, want the initial run of the tenant with a grant", initial)
	}
	if tasks := due(0); len(tasks) != 0 {
		t.Errorf("a second run was opened beside an open one: %v", tasks)
	}
	l := leased(t, db, initial[0])
	if _, err := db.FinishRun(t.Context(), l, RunEnd{Status: "complete"}); err != nil {
		t.Fatal(err)
	}
	if tasks := due(time.Hour); len(tasks) != 0 {
		t.Errorf("reconciled within the hour: %v", tasks)
	}
	if tasks := due(0); len(tasks) != 1 {
		t.Errorf("got %v, want a reconcile", tasks)
	}
	runs, err := db.Runs(t.Context(), id)
	if err != nil || runs[0].Kind != RunReconcile || runs[1].Kind != RunInitial {
		t.Errorf("got %d runs, %v", len(runs), err)
	}
}

func TestWantsOfManyTogether(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	id := shopTenant(t, db)
	wants := []Want{{"orders", "3"}, {"orders", "1"}, {"carts", "9"}, {"orders", "2"}}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 10 {
				if _, err := db.WantReads(context.WithoutCancel(t.Context()), id, wants); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	var n, runnable int
	if err := db.pool.QueryRow(t.Context(), `SELECT count(*), count(*) FILTER (WHERE state = 'runnable') FROM entity_reads`).
		Scan(&n, &runnable); err != nil {
		t.Fatal(err)
	}
	if n != 4 || runnable != 4 {
		t.Errorf("%d reads, %d of them runnable, want one for each of 4 entities", n, runnable)
	}
}
