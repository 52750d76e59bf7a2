package worker

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// idle gives a worker that is not running, for its parts to be used by hand.
func (h *harness) idle(t *testing.T, run func(context.Context, store.Lease) ([]store.Task, error)) *Worker {
	t.Helper()
	return &Worker{
		DB: h.db, Redis: h.rdb, Queue: h.queue, Handlers: Handlers{BootstrapSchema: Handler{Run: run}},
		Intervals: h.intervals, Retention: time.Hour, Concurrency: 5, Lanes: tasks.Lanes(),
		Metrics: prometheus.NewRegistry(), Log: dbtest.Log(t),
	}
}

// sweep is one round of the sweeper over rows that it was long not asked about.
func (h *harness) sweep(t *testing.T) {
	t.Helper()
	h.exec(t, `UPDATE schema_targets SET enqueued_at = NULL`)
	if err := (&sweeper{Worker: h.idle(t, nil)}).round(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// remembers makes Redis one that has not lost anything.
func (h *harness) remembers(t *testing.T) {
	t.Helper()
	if err := h.queue.Mark(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (h *harness) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := h.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (h *harness) healings(t *testing.T) int {
	t.Helper()
	var n int
	if err := h.pool.QueryRow(t.Context(), `SELECT coalesce(sum(coalesce(count, 1)), 0) FROM healings`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// known is what Redis knows of a row's task at an epoch.
func (h *harness) known(t *testing.T, task store.Task, epoch int64) tasks.Known {
	t.Helper()
	task.Epoch = epoch
	known, err := h.queue.Look(tasks.Ref(task))
	if err != nil {
		t.Fatal(err)
	}
	return known
}

// abandon leaves a pending task as a worker does that is killed with it in hand:
// Redis takes it for active.
func (h *harness) abandon(t *testing.T, task store.Task) {
	t.Helper()
	prefix := "asynq:{" + task.Lane + "}:"
	id, err := h.rdb.LMove(t.Context(), prefix+"pending", prefix+"active", "RIGHT", "LEFT").Result()
	if err != nil || id != tasks.Ref(task).TaskID() {
		t.Fatalf("took %s from the lane: %v", id, err)
	}
	if err := h.rdb.HSet(t.Context(), prefix+"t:"+id, "state", "active").Err(); err != nil {
		t.Fatal(err)
	}
	if got := h.known(t, task, task.Epoch); got != tasks.Active {
		t.Fatalf("Redis has the task as %v, want it active", got)
	}
}

// A row that is due and that Redis knows nothing of is queued, with its epoch kept.
func TestFaultForgottenRowIsPutBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.remembers(t)
	task := h.addRow(t)

	h.sweep(t)

	if got := h.known(t, task, 1); got != tasks.Queued {
		t.Errorf("Redis has its task as %v, want it queued", got)
	}
	if r := h.row(t); r.epoch != 1 || h.healings(t) != 1 {
		t.Errorf("epoch %d, %d healings noted; want 1 and 1", r.epoch, h.healings(t))
	}
}

// A worker is killed with a row in hand. The row gets another bell though Redis still
// takes the old one for active, no attempt is spent, and others are not touched.
func TestFaultDeadWorkersRowIsHealed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.remembers(t)
	alive := h.addRow(t)
	if _, _, err := h.db.Take(t.Context(), alive, time.Minute); err != nil {
		t.Fatal(err)
	}
	task := h.addRow(t)
	h.enqueue(t, task)
	h.abandon(t, task)
	if _, taken, err := h.db.Take(t.Context(), task, time.Millisecond); err != nil || taken != store.TakenOurs {
		t.Fatalf("take: %v, %v", taken, err)
	}
	dbtest.Eventually(t, 5*time.Second, "its lease is over", func() bool {
		over, err := h.db.LeasesOver(t.Context(), "schema_targets", 10)
		return err == nil && len(over) == 1
	})

	h.sweep(t)

	if r := h.row(t); r.epoch != 2 || r.holder != nil || r.attempts != 0 {
		t.Fatalf("the row is at epoch %d, held by %v, %d attempts; want 2, nobody, none", r.epoch, r.holder, r.attempts)
	}
	if got := h.known(t, task, 2); got != tasks.Queued {
		t.Fatalf("Redis has the new task as %v, want it queued", got)
	}
	if n := h.healings(t); n != 1 {
		t.Errorf("%d healings noted, want 1: the other worker lives", n)
	}
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })
	h.await(t, "another worker does it", func(r row) bool { return r.state == "done" })
}

// Work that is only late is not lost: a backlog, a paused lane, what is postponed.
func TestFaultBacklogIsNoLoss(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.remembers(t)
	if err := h.queue.Pause(t.Context(), tasks.LaneProvisioning, true); err != nil {
		t.Fatal(err)
	}
	var backlog []store.Task
	for range 10 {
		task := h.addRow(t)
		h.enqueue(t, task)
		backlog = append(backlog, task)
	}
	postponed := h.addRow(t)
	ref := tasks.Ref(postponed)
	ref.DueAt = time.Now().Add(time.Hour)
	if err := h.queue.Enqueue(t.Context(), ref); err != nil {
		t.Fatal(err)
	}

	for range 3 {
		h.sweep(t)
	}

	for _, task := range append(backlog, postponed) { // the row of the postponed one is due: its bell rings now
		if got := h.known(t, task, 1); got != tasks.Queued {
			t.Errorf("Redis has a task as %v, want it queued as before", got)
		}
	}
	var raised int
	if err := h.pool.QueryRow(t.Context(), `SELECT count(*) FROM schema_targets WHERE epoch > 1`).Scan(&raised); err != nil {
		t.Fatal(err)
	}
	if raised != 0 || h.healings(t) != 0 {
		t.Errorf("%d rows have a new epoch, %d healings are noted; want none", raised, h.healings(t))
	}
}

// A task that Redis takes for active for long, though nobody holds its row, is lost.
func TestFaultActiveWithoutALease(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.remembers(t)
	task := h.addRow(t)
	h.enqueue(t, task)
	h.abandon(t, task)

	h.sweep(t)
	if r := h.row(t); r.epoch != 1 {
		t.Fatalf("healed at the first look: a worker may be about to take the row")
	}
	h.exec(t, `UPDATE schema_targets SET unleased_since = unleased_since - $1::interval`, h.intervals.Unleased)
	h.sweep(t)

	if r := h.row(t); r.epoch != 2 || h.known(t, task, 2) != tasks.Queued || h.healings(t) != 1 {
		t.Errorf("epoch %d, %d healings; want a new epoch that is queued", r.epoch, h.healings(t))
	}
}

// A row that is to be done, but whose task somebody archived, gets another.
func TestFaultArchivedTaskOfAnUnfinishedRow(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.remembers(t)
	task := h.addRow(t)
	h.enqueue(t, task)
	if err := asynq.NewInspectorFromRedisClient(h.rdb).ArchiveTask(task.Lane, tasks.Ref(task).TaskID()); err != nil {
		t.Fatal(err)
	}

	h.sweep(t)

	if r := h.row(t); r.epoch != 2 || h.known(t, task, 2) != tasks.Queued || h.healings(t) != 1 {
		t.Errorf("epoch %d, %d healings; want a new epoch that is queued", r.epoch, h.healings(t))
	}
}

// A Redis that lost everything is told by its sentinel: one round puts back all that
// is due, however much, and makes the lanes known again.
func TestFaultLostRedisIsRefilledAtOnce(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	const lost = 2*sweepLimit + 1
	h.exec(t, `
		INSERT INTO schema_targets (id, server, wanted_version)
		SELECT gen_random_uuid(), 'server-' || n, 1
		FROM generate_series(1, $1) AS n`, lost)

	h.sweep(t)

	lanes, err := h.rdb.SMembers(t.Context(), "asynq:queues").Result()
	if err != nil {
		t.Fatal(err)
	}
	want := slices.Sorted(slices.Values(tasks.Lanes()))
	if slices.Sort(lanes); !slices.Equal(lanes, want) {
		t.Errorf("Asynq knows the queues %v, want %v", lanes, want)
	}
	if n, err := h.rdb.LLen(t.Context(), "asynq:{"+tasks.LaneProvisioning+"}:pending").Result(); err != nil || n != lost {
		t.Errorf("%d tasks are queued after one round, %v; want %d", n, err, lost)
	}
	if n := h.healings(t); n != lost {
		t.Errorf("%d healings are noted, want %d", n, lost)
	}
	if survived, err := h.queue.Survived(t.Context()); err != nil || !survived {
		t.Errorf("the sentinel is not set again: %v", err)
	}
	h.last = uuid.Nil
}
