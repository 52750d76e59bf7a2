package store

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

func TestDeadLettersByReason(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for i := range 5 {
		id := recordEvent(t, db, 7, "order.created", time.Time{}).ID
		die(t, db, "events", id, fmt.Sprintf("Salla answered %d at https://api.salla.dev/%d for %s", 500+i%2, i, uuid.New()))
	}
	other := recordEvent(t, db, 7, "order.created", time.Time{}).ID
	die(t, db, "events", other, "its document cannot be read")
	tenant := handMade(t, db, "palm", nil)
	die(t, db, "tenants", tenant.ID, "its document cannot be read")

	dead, err := db.DeadLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if dead.Total != 7 || len(dead.Groups) != 3 {
		t.Fatalf("dead letters = %+v, want 7 in 3 groups", dead)
	}
	large := dead.Groups[0]
	if large.Count != 5 || large.Task != KindEventApply || large.Reason != "Salla answered … at … for …" {
		t.Errorf("largest group = %+v, want the five of Salla", large)
	}
	page, err := db.DeadList(t.Context(), DeadFilter{Task: large.Task, Reason: large.Key, Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	var seen []uuid.UUID
	var fourth DeadCursor
	for _, l := range page.Letters {
		seen = append(seen, l.ID)
	}
	for page.More {
		page, err = db.DeadList(t.Context(), DeadFilter{Task: large.Task, Reason: large.Key, Limit: 2, Cursor: page.Bottom})
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range page.Letters {
			seen = append(seen, l.ID)
			if len(seen) == 4 {
				fourth = l.cursor()
			}
		}
	}
	if len(seen) != 5 {
		t.Errorf("the group's pages have %d letters, want 5", len(seen))
	}
	back, err := db.DeadList(t.Context(), DeadFilter{Task: large.Task, Reason: large.Key, Limit: 2, Cursor: fourth, Newer: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(back.Letters) != 2 || back.Letters[0].ID != seen[1] || back.Letters[1].ID != seen[2] || !back.More {
		t.Errorf("just newer than the fourth: %+v, want the second and the third", back)
	}
	if _, err := db.DeadList(t.Context(), DeadFilter{Task: "no:such"}); !errors.Is(err, fault.Invalid) {
		t.Errorf("a kind that is none: %v, want Invalid", err)
	}
}

// A summary is of those that failed last; a group's list has all of them.
func TestDeadSummaryIsOfTheNewest(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	oldest := recordEvent(t, db, 7, "order.created", time.Time{}).ID
	die(t, db, "events", oldest, "its document cannot be read")
	exec(t, db, `UPDATE events SET due_at = now() - interval '1 day' WHERE id = $1`, oldest)
	deadEvents(t, db, deadSample, 1, "CASE WHEN n % 250 = 0 THEN 'its document cannot be read' ELSE 'Salla answered 500' END")

	dead, err := db.DeadLetters(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	if dead.Total != deadSample+1 || len(dead.Groups) != 2 || dead.Groups[1].Count != 2 {
		t.Fatalf("dead letters = %+v, want all counted, the newest in 2 groups", dead)
	}
	page, err := db.DeadList(t.Context(), DeadFilter{Reason: dead.Groups[1].Key})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Letters) != 3 || page.Letters[2].ID != oldest {
		t.Errorf("the group has %d letters, want 3, the oldest last", len(page.Letters))
	}
}

func TestRetryDead(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	by := Actor{Name: "op@example.com"}
	event := recordEvent(t, db, 7, "order.created", time.Time{}).ID
	die(t, db, "events", event, "Salla answered 500")
	exec(t, db, `UPDATE events SET status = 'failed', error = last_error, attempts = 12 WHERE id = $1`, event)

	task, err := db.RetryDead(t.Context(), KindEventApply, event, by)
	if err != nil {
		t.Fatal(err)
	}

	e, err := db.Event(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	if e.Status != EventReceived || e.State != "runnable" || e.Attempts != 0 || task.Epoch != 1 || task.Kind != KindEventApply {
		t.Errorf("retried event = %+v, task %+v", e, task)
	}
	if _, taken, err := db.Take(t.Context(), task, time.Minute); err != nil || taken != TakenOurs {
		t.Errorf("take the retried event: %v, %v", taken, err)
	}
	turns, err := db.EventTurns(t.Context(), event)
	if err != nil {
		t.Fatal(err)
	}
	if len(turns) != 1 || turns[0].Kind != "retried" || turns[0].Actor != by.Name || turns[0].Words != "failed" {
		t.Errorf("turns = %+v, want one retry by %s", turns, by.Name)
	}
	if _, err := db.RetryDead(t.Context(), KindEventApply, event, by); !errors.Is(err, fault.Conflict) {
		t.Errorf("a second retry: %v, want Conflict", err)
	}

	tenant := handMade(t, db, "palm", nil)
	die(t, db, "tenants", tenant.ID, "x")
	exec(t, db, `UPDATE tenants SET status = 'failed' WHERE id = $1`, tenant.ID)
	if _, err := db.RetryDead(t.Context(), KindTenantProvision, tenant.ID, by); err != nil {
		t.Fatal(err)
	}
	if now := tenantNow(t, db, tenant.ID); now.Status != "provisioning" || now.State != "runnable" {
		t.Errorf("retried tenant: %s, %s", now.Status, now.State)
	}
}

func TestLaneWorks(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	for range EventWindow + 2 {
		recordEvent(t, db, 7, "order.created", time.Time{})
	}
	dead := recordEvent(t, db, 8, "order.created", time.Time{}).ID
	die(t, db, "events", dead, "x")
	later := recordEvent(t, db, 9, "order.created", time.Time{}).ID
	exec(t, db, `UPDATE events SET due_at = now() + interval '1 hour' WHERE id = $1`, later)

	works, err := db.LaneWorks(t.Context())
	if err != nil {
		t.Fatal(err)
	}

	got := works["events"]
	if got.Due != EventWindow || got.Held != 2 || got.Failed != 1 || got.Later != 1 || got.Oldest == nil {
		t.Errorf("lane events = %+v", got)
	}
}

func TestOwnerOf(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	tenant := shopTenant(t, db)
	start := opened(t, db, tenant, RunManual)[0]
	pages := startedRunOf(t, db, start)

	owner, err := db.OwnerOf(t.Context(), KindImportPage, pages[0].ID)
	if err != nil {
		t.Fatal(err)
	}

	if owner.TenantID == nil || *owner.TenantID != tenant {
		t.Errorf("owner of a page = %+v, want tenant %s", owner, tenant)
	}
	if _, err := db.OwnerOf(t.Context(), KindEventApply, uuid.New()); !errors.Is(err, fault.NotFound) {
		t.Errorf("owner of nothing: %v, want NotFound", err)
	}
}

// startedRunOf opens a stream of a run and returns its first page's task.
func startedRunOf(t *testing.T, db *DB, start Task) []Task {
	t.Helper()
	tasks, err := db.StartRun(t.Context(), leased(t, db, start), []NewStream{numbered("customers")})
	if err != nil {
		t.Fatal(err)
	}
	return tasks
}

// die makes a row a dead letter.
func die(t *testing.T, db *DB, table string, id uuid.UUID, reason string) {
	t.Helper()
	exec(t, db, `UPDATE `+table+` SET state = 'failed', last_error = $2 WHERE id = $1`, id, reason)
}

// deadEvents writes n failed events of that many merchants, the first of which
// failed last; reason is SQL that may name n.
func deadEvents(t testing.TB, db *DB, n, merchants int, reason string) {
	t.Helper()
	if _, err := db.pool.Exec(t.Context(), `
		INSERT INTO events (id, source, event, merchant, lane, status, state, error, last_error, attempts, due_at)
		SELECT ('01900000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 'salla', 'order.created', 1000 + n % $2::bigint, 'events',
		       'failed', 'failed', 'x', `+reason+`, 12, now() - n * interval '1 ms'
		FROM generate_series(1, $1::integer) AS n`, n, merchants); err != nil {
		t.Fatal(err)
	}
}
