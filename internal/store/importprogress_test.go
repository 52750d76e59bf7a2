package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// runOf makes a run with one stream of orders that began some time ago.
func runOf(t *testing.T, db *DB, tenant uuid.UUID, status, state string, ago time.Duration) (run, stream uuid.UUID) {
	t.Helper()
	run, stream = uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	exec(t, db, `
		INSERT INTO runs (id, tenant_id, kind, status, state, resources, created_at, started_at, finished_at)
		VALUES ($1, $2, 'manual', $3, $4, '{orders}', now() - $5::interval, now() - $5::interval,
		        CASE WHEN $3 IN ('complete', 'failed', 'cancelled') THEN now() - $5::interval + interval '30 minutes' END)`,
		run, tenant, status, state, ago)
	exec(t, db, `
		INSERT INTO streams (id, run_id, tenant_id, resource, per_page, ahead, pages, imported, total_before, started_at)
		VALUES ($1, $2, $3, 'orders', 60, 3, 4, 240, 1000, now() - $4::interval)`, stream, run, tenant, ago)
	return run, stream
}

// donePages makes pages of a stream that were done some time ago, a minute apart.
func donePages(t *testing.T, db *DB, run, stream, tenant uuid.UUID, n int, ago time.Duration) {
	t.Helper()
	exec(t, db, `
		INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, records, imported, done_at, created_at, state, due_at)
		SELECT (lpad(to_hex((extract(epoch FROM now() - $5::interval) * 1000)::bigint), 12, '0')
		        || '7' || right(replace(gen_random_uuid()::text, '-', ''), 19))::uuid,
		       $1, $2, $3, i + 1, 60, 60, now() - $5::interval + i * interval '1 minute', now() - $5::interval, 'done', NULL
		FROM generate_series(0, $4 - 1) AS i`, stream, run, tenant, n, ago)
}

func TestRunPacesMeasureTheLastMinutes(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	run, stream := runOf(t, db, tenant, "running", "done", time.Hour)
	for i, ago := range []string{"10 s", "100 s", "170 s", "200 s", "50 minutes"} {
		exec(t, db, `
			INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, records, done_at, state, due_at)
			VALUES ($1, $2, $3, $4, $5, 60, now() - $6::interval, 'done', NULL)`, uuid.New(), stream, run, tenant, i+1, ago)
	}
	exec(t, db, `
		INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, state, due_at, last_error)
		VALUES ($1, $2, $3, $4, 6, 'runnable', now() + interval '40 s', 'waits for room'), ($5, $2, $3, $4, 7, 'failed', NULL, 'broken')`,
		uuid.New(), stream, run, tenant, uuid.New())

	paces, err := db.RunPaces(t.Context(), []uuid.UUID{run})
	if err != nil {
		t.Fatal(err)
	}
	p := paces[run]["orders"]
	if p.Records != 180 || p.Calls != 3 || p.Seconds != 180 || !p.Open || p.Found != 240 || p.Pages != 4 || p.Dead != 1 ||
		p.Waits == nil || *p.Waits != "waits for room" || p.DueAt == nil {
		t.Errorf("the pace is %+v", p)
	}
	works, err := db.RunWorks(t.Context(), []uuid.UUID{run})
	if err != nil {
		t.Fatal(err)
	}
	if w := works[run]; w.Dead != 1 || w.Queued || w.Connection == nil || *w.Connection != "active" || w.DueAt == nil {
		t.Errorf("its work is %+v", w)
	}
}

func TestCurveSpan(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 1, 31, 10, 0, 5, 0, time.UTC)
	for _, tt := range []struct {
		name  string
		after time.Duration
		open  bool
		from  string
		step  time.Duration
		parts int
	}{
		{"just begun", 0, true, "10:00:00", 10 * time.Second, 1},
		{"some minutes", 5 * time.Minute, true, "10:00:00", 10 * time.Second, 31},
		{"half an hour", 30 * time.Minute, true, "10:00:00", time.Minute, 31},
		{"the last hour", 5 * time.Hour, true, "14:01:00", time.Minute, 60},
		{"half an hour, ended", 30 * time.Minute, false, "10:00:00", time.Minute, 31},
		{"ten hours, ended", 10 * time.Hour, false, "10:00:05", 10*time.Minute + time.Second, 60},
	} {
		from, step := curveSpan(began, began.Add(tt.after), tt.open)
		parts := int(began.Add(tt.after).Sub(from)/step) + 1
		if from.Format("15:04:05") != tt.from || step != tt.step || parts != tt.parts {
			t.Errorf("%s: from %s in steps of %v: %d parts; want %s, %v, %d", tt.name, from.Format("15:04:05"), step, parts, tt.from, tt.step, tt.parts)
		}
	}
}

func TestRunCurve(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	open, stream := runOf(t, db, tenant, "running", "done", 20*time.Minute)
	donePages(t, db, open, stream, tenant, 10, 15*time.Minute)
	curve := func(id uuid.UUID) Curve {
		run, err := db.Run(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		c, err := db.RunCurve(t.Context(), run)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}

	c := curve(open)

	var sum float64
	for _, p := range c.Points {
		sum += p
	}
	if len(c.Points) < 20 || len(c.Points) > 22 || sum != 600 || c.Gone {
		t.Errorf("the curve of 20 minutes is %+v, want 600 records in 21 parts", c)
	}
	other := shopTenant(t, db)
	old, stream := runOf(t, db, other, "complete", "done", 40*24*time.Hour)
	donePages(t, db, old, stream, other, 3, 40*24*time.Hour)
	if c := curve(old); !c.Gone || c.Points != nil {
		t.Errorf("the curve of an old run is %+v, want none", c)
	}
}

func TestPruneImportsForgetsPagesOfOldRuns(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	const month = 30 * 24 * time.Hour
	old, oldStream := runOf(t, db, tenant, "complete", "done", month+24*time.Hour)
	donePages(t, db, old, oldStream, tenant, 20, month+24*time.Hour)
	exec(t, db, `UPDATE pages SET state = 'failed' WHERE run_id = $1 AND seq = 7`, old)
	fresh, freshStream := runOf(t, db, tenant, "complete", "done", month-24*time.Hour)
	donePages(t, db, fresh, freshStream, tenant, 5, month-24*time.Hour)
	long, longStream := runOf(t, db, tenant, "paused", "waiting", month+48*time.Hour) // of before, and not ended
	donePages(t, db, long, longStream, tenant, 5, month+48*time.Hour)

	for range 2 {
		if err := db.PruneImports(t.Context()); err != nil {
			t.Fatal(err)
		}
	}

	for name, tt := range map[string]struct {
		run  uuid.UUID
		want int
	}{"old": {old, 1}, "fresh": {fresh, 5}, "open": {long, 5}} {
		var pages, streams int
		if err := db.pool.QueryRow(t.Context(), `
			SELECT (SELECT count(*) FROM pages WHERE run_id = $1), (SELECT count(*) FROM streams WHERE run_id = $1)`, tt.run).Scan(&pages, &streams); err != nil {
			t.Fatal(err)
		}
		if pages != tt.want || streams != 1 {
			t.Errorf("the %s run has %d pages and %d streams, want %d and 1", name, pages, streams, tt.want)
		}
	}
	run, err := db.RunWhole(t.Context(), old)
	if err != nil || run.Streams[0].Imported != 240 {
		t.Errorf("the old run has %+v, %v: want its figures", run.Streams, err)
	}
}

// Every act names the run that it is about, and who did it; one that the status does
// not allow names the status.
func TestActsOnRuns(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	by := Actor{Name: "noura@wosool.example"}
	refused := func(what string, err error, kind error, words string) {
		t.Helper()
		if !errors.Is(err, kind) || !strings.Contains(fmt.Sprint(err), words) {
			t.Errorf("%s: %v, want %q", what, err, words)
		}
	}
	_, _, err := db.PauseImport(t.Context(), tenant, uuid.Nil, by)
	refused("no import at all", err, fault.Conflict, "there is no import that can be paused")
	_, _, err = db.PauseImport(t.Context(), uuid.New(), uuid.Nil, by)
	refused("no such tenant", err, fault.NotFound, "")
	for range 2 {
		if _, _, err := db.ImportTenant(t.Context(), tenant, nil, nil, by); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := db.Runs(t.Context(), tenant)
	if err != nil || len(runs) != 2 {
		t.Fatalf("%d runs, %v: want one open and one queued", len(runs), err)
	}
	queued, open := runs[0].ID, runs[1].ID

	_, _, err = db.PauseImport(t.Context(), tenant, queued, by)
	refused("pausing the queued one", err, fault.Conflict, "queued behind another cannot be paused")
	_, _, err = db.ResumeImport(t.Context(), tenant, open, by)
	refused("resuming what is not paused", err, fault.Conflict, "the pending import cannot be resumed")
	_, _, err = db.PauseImport(t.Context(), tenant, uuid.New(), by)
	refused("another's run", err, fault.NotFound, "no such import")
	if _, _, err = db.PauseImport(t.Context(), tenant, open, by); err != nil {
		t.Fatal(err)
	}
	works, err := db.RunWorks(t.Context(), []uuid.UUID{open, queued})
	if err != nil || works[open].PausedBy == nil || *works[open].PausedBy != by.Name || works[open].PausedAt == nil || !works[queued].Queued {
		t.Errorf("the paused run's work is %+v, %v", works, err)
	}
	if _, _, err := db.CancelImport(t.Context(), tenant, queued, by); err != nil {
		t.Fatal(err)
	}
	if _, _, err = db.ResumeImport(t.Context(), tenant, uuid.Nil, by); err != nil {
		t.Fatal(err)
	}
	_, _, err = db.CancelImport(t.Context(), tenant, queued, by)
	refused("cancelling twice", err, fault.Conflict, "the cancelled import cannot be cancelled")
	_, _, err = db.RetryImport(t.Context(), tenant, queued, by)
	refused("retrying what was cancelled", err, fault.Conflict, "the cancelled import cannot be retried")

	run, err := db.Run(t.Context(), open)
	if err != nil {
		t.Fatal(err)
	}
	acts, err := db.RunActs(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, a := range acts {
		got = append(got, a.Act+" by "+a.Actor)
	}
	want := []string{"tenant.import by " + by.Name, "import.pause by " + by.Name, "import.resume by " + by.Name}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("acts on the open run (-want +got):\n%s", diff)
	}
}

func TestRetryImportTakesUpWhatWasGivenUp(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	by := Actor{Name: "noura@wosool.example"}
	run, stream := runOf(t, db, tenant, "failed", "done", time.Hour)
	page := uuid.Must(uuid.NewV7())
	exec(t, db, `
		INSERT INTO pages (id, stream_id, run_id, tenant_id, seq, state, attempts, last_error)
		VALUES ($1, $2, $3, $4, 5, 'failed', 8, 'Salla answered 500')`, page, stream, run, tenant)
	exec(t, db, `UPDATE streams SET status = 'failed' WHERE id = $1`, stream)

	_, tasks, err := db.RetryImport(t.Context(), tenant, run, by)

	if err != nil || len(tasks) != 1 || tasks[0].ID != page || tasks[0].Kind != KindImportPage {
		t.Fatalf("retried %+v, %v, want the page", tasks, err)
	}
	if _, _, err := db.RetryImport(t.Context(), tenant, run, by); !errors.Is(err, fault.Conflict) {
		t.Errorf("retried again: %v, want that nothing is given up", err)
	}
	exec(t, db, `UPDATE pages SET state = 'failed' WHERE id = $1`, page)
	if _, _, err := db.ImportTenant(t.Context(), tenant, nil, nil, by); err != nil {
		t.Fatal(err)
	}
	if _, _, err := db.RetryImport(t.Context(), tenant, run, by); !errors.Is(err, fault.Conflict) || !strings.Contains(err.Error(), "another import") {
		t.Errorf("retried beside an open import: %v", err)
	}
}
