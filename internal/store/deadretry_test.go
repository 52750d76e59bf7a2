package store

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// retried retries batch by batch until none is left.
func retried(t *testing.T, db *DB, f DeadFilter) (n int, tasks []Task) {
	t.Helper()
	for from := (DeadPlace{}); ; {
		b, err := db.RetryDeadBatch(t.Context(), f, DeadAct{By: Actor{Name: "op@example.com", Address: "192.0.2.1"}, Why: "Salla answers again"}, from)
		if err != nil {
			t.Fatal(err)
		}
		n, tasks = n+b.Retried, append(tasks, b.Tasks...)
		if from = b.Next; b.Done {
			return n, tasks
		}
	}
}

func count(t *testing.T, db *DB, sql string, args ...any) int {
	t.Helper()
	var n int
	if err := db.pool.QueryRow(t.Context(), `SELECT count(*) FROM `+sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// However many events of a merchant are retried, only its window is queued; the
// others are held and follow.
func TestRetriedEventsKeepToTheWindow(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	deadEvents(t, db, 3*deadBatch+20, 2, "'Salla answered 500'")

	n, tasks := retried(t, db, DeadFilter{Task: KindEventApply})

	if n != 3*deadBatch+20 || len(tasks) != 2*EventWindow {
		t.Errorf("%d retried, %d tasks, want all and two windows", n, len(tasks))
	}
	if got := count(t, db, `events WHERE state = 'held' AND status = 'received' AND error IS NULL AND attempts = 0`); got != n-2*EventWindow {
		t.Errorf("%d are held, want the rest", got)
	}
	if _, taken, err := db.Take(t.Context(), tasks[0], time.Minute); err != nil || taken != TakenOurs {
		t.Errorf("take a retried event: %v, %v", taken, err)
	}
	if left, err := db.CountDead(t.Context(), DeadFilter{}); err != nil || left != (DeadCount{}) {
		t.Errorf("%+v dead letters are left, %v", left, err)
	}
	if got := count(t, db, `audit WHERE act = 'dead.retry' AND actor = 'op@example.com' AND address = '192.0.2.1'
		AND details->>'reason' = 'Salla answers again' AND details->'filter'->>'task' = 'event:apply'`); got != 4 {
		t.Errorf("%d lines in the audit, want one of each of 4 batches", got)
	}
	if again, _ := retried(t, db, DeadFilter{}); again != 0 {
		t.Errorf("%d were retried twice", again)
	}
}

// Each kind of row goes on as its own single retry does: a tenant with its steps, a
// read within its window, everything else at once.
func TestRetriedWorkOfEachKind(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	made := handMade(t, db, "palm", nil)
	die(t, db, "tenants", made.ID, "Clerk answered 500")
	exec(t, db, `UPDATE tenants SET status = 'failed', attempts = 8 WHERE id = $1`, made.ID)
	exec(t, db, `UPDATE steps SET status = 'failed', finished_at = now() WHERE tenant_id = $1 AND name = 'identity'`, made.ID)
	shop := shopTenant(t, db)
	page := startedRunOf(t, db, opened(t, db, shop, RunManual)[0])[0]
	die(t, db, "pages", page.ID, "Salla answered 500")
	die(t, db, "connections", shop, "Salla answered 500")
	exec(t, db, `
		INSERT INTO entity_reads (id, tenant_id, resource, entity, wanted_at, state, last_error, attempts)
		SELECT gen_random_uuid(), $1, 'products', n::text, now(), 'failed', 'Salla answered 500', 9
		FROM generate_series(1, 20) AS n`, shop)

	n, tasks := retried(t, db, DeadFilter{Reason: "answered"})

	kinds := map[string]int{}
	for _, task := range tasks {
		kinds[task.Kind]++
	}
	if n != 23 || kinds[KindTenantProvision] != 1 || kinds[KindImportPage] != 1 || kinds[KindTokenRefresh] != 1 || kinds[KindEntityRead] != readWindow {
		t.Errorf("%d retried, tasks %v, want 23 and a window of reads", n, kinds)
	}
	if now := tenantNow(t, db, made.ID); now.Status != "provisioning" || now.State != "runnable" || now.Attempts != 0 {
		t.Errorf("the retried tenant is %s, %s, with %d attempts", now.Status, now.State, now.Attempts)
	}
	if got := count(t, db, `steps WHERE tenant_id = $1 AND status = 'failed'`, made.ID); got != 0 {
		t.Errorf("%d of its steps are still failed", got)
	}
	if got := count(t, db, `audit WHERE act = 'tenant.retry' AND tenant_id = $1`, made.ID); got != 1 {
		t.Errorf("%d lines in the tenant's audit, want 1", got)
	}
	if got := count(t, db, `audit WHERE act = 'task.retry' AND tenant_id = $1`, shop); got != 3 {
		t.Errorf("%d lines in the store's audit, want one of each table", got)
	}
}

// What is in somebody's hands is passed over and left; two who retry the same at
// once retry each row once.
func TestRetryingPassesOverWhatOthersHold(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	deadEvents(t, db, 2*deadBatch, 1, "'Salla answered 500'")
	tx, err := db.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM events WHERE id = '01900000-0000-7000-8000-000000000001' FOR UPDATE`); err != nil {
		t.Fatal(err)
	}

	var total [2]int
	var both sync.WaitGroup
	for i := range total {
		both.Go(func() { total[i], _ = retried(t, db, DeadFilter{}) })
	}
	both.Wait()

	if total[0]+total[1] != 2*deadBatch-1 {
		t.Errorf("%d and %d were retried, want %d together", total[0], total[1], 2*deadBatch-1)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, _ := retried(t, db, DeadFilter{}); n != 1 {
		t.Errorf("%d were retried once it was free, want 1", n)
	}
}

// An event that was retried with a few others says so itself.
func TestRetriedEventTellsWhoRetriedIt(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	event := recordEvent(t, db, 7, "order.created", time.Time{}).ID
	die(t, db, "events", event, "Salla answered 500")
	deadEvents(t, db, 3, 1, "'Salla answered 500'")

	if n, _ := retried(t, db, DeadFilter{}); n != 4 {
		t.Fatalf("%d were retried, want 4", n)
	}

	turns, err := db.EventTurns(t.Context(), event)
	if err != nil || len(turns) != 1 || turns[0].Kind != "retried" || turns[0].Actor != "op@example.com" || turns[0].Words != "failed" {
		t.Errorf("turns = %+v, %v, want one retry by op@example.com", turns, err)
	}
}

// Where too many would have to be looked at, the count says that it is a lower
// bound; the retry finds them all.
func TestCountOfManyDeadIsBounded(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	deadEvents(t, db, deadCountedGroups+10, 1, "CASE WHEN n IN (3, 15005) THEN 'a needle' ELSE 'hay' END")
	f := DeadFilter{Merchant: new(int64(1000)), Reason: "needle"}
	if n, err := db.CountDead(t.Context(), f); err != nil || n != (DeadCount{N: 2}) {
		t.Errorf("counted %+v, %v, want 2", n, err)
	}
	letters, err := db.DeadList(t.Context(), f)
	if err != nil || len(letters.Letters) == 0 {
		t.Fatal(letters, err)
	}
	f.Reason = letters.Letters[0].Group
	if n, err := db.CountDead(t.Context(), f); err != nil || n != (DeadCount{N: 2, AtLeast: true}) {
		t.Errorf("of a group counted %+v, %v, want at least 2", n, err)
	}
	if n, _ := retried(t, db, f); n != 2 {
		t.Errorf("%d were retried, want 2", n)
	}
}

func TestDeadLetterOf(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	event := recordEvent(t, db, 7, "order.created", time.Time{}).ID

	if _, err := db.DeadLetterOf(t.Context(), KindEventApply, event); !errors.Is(err, fault.Conflict) {
		t.Errorf("one that is not failed: %v, want Conflict", err)
	}
	if _, err := db.DeadLetterOf(t.Context(), KindEventApply, uuid.New()); !errors.Is(err, fault.NotFound) {
		t.Errorf("one that is not there: %v, want NotFound", err)
	}
	if _, err := db.DeadLetterOf(t.Context(), "no:such", event); !errors.Is(err, fault.NotFound) {
		t.Errorf("a kind that is none: %v, want NotFound", err)
	}
}
