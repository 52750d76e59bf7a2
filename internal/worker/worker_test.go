package worker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// The work of these tests is schema:bootstrap: its row hangs on no other.
const kind = store.KindSchemaBootstrap

func TestWorkIsDone(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })

	h.enqueue(t, h.addRow(t))

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" && r.holder == nil })
}

// A row whose worker died is healed by the sweeper and done by another, and no
// attempt is spent.
func TestDeadHolder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	task := h.addRow(t)
	if _, taken, err := h.db.Take(t.Context(), task, h.intervals.Lease); err != nil || taken != store.TakenOurs {
		t.Fatalf("take: %v, %v", taken, err)
	}
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })

	h.enqueue(t, task)

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" })
	if r := h.row(t); r.attempts != 0 {
		t.Errorf("attempts = %d, want none spent", r.attempts)
	}
}

// A stale worker that wakes after its successor finished changes nothing.
func TestStaleHolder(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	task := h.addRow(t)
	stale, _, err := h.db.Take(t.Context(), task, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	next := task
	dbtest.Eventually(t, 5*time.Second, "the row is healed", func() bool {
		healed, ok, err := h.db.Heal(t.Context(), task, "test")
		next = healed
		return err == nil && ok
	})
	lease, taken, err := h.db.Take(t.Context(), next, time.Minute)
	if err != nil || taken != store.TakenOurs {
		t.Fatalf("take again: %v, %v", taken, err)
	}

	for name, write := range map[string]error{
		"finish":   h.db.Finish(t.Context(), stale),
		"postpone": h.db.Postpone(t.Context(), stale, time.Now(), "x"),
		"retry":    h.db.Retry(t.Context(), stale, time.Second, "x"),
		"give up":  h.db.GiveUp(t.Context(), stale, "x"),
	} {
		if !errors.Is(write, fault.ErrLost) {
			t.Errorf("%s by the stale holder: got %v, want ErrLost", name, write)
		}
	}
	if _, err := h.db.Renew(t.Context(), stale, time.Minute); !errors.Is(err, fault.ErrLost) {
		t.Errorf("renew by the stale holder: got %v, want ErrLost", err)
	}
	if err := h.db.Finish(t.Context(), lease); err != nil {
		t.Errorf("finish by the holder: %v", err)
	}
}

// While one holds a row another taker only postpones.
func TestHeldRowIsPostponed(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	task := h.addRow(t)
	var running, most atomic.Int32
	release := make(chan struct{})
	handler := func(ctx context.Context, _ store.Lease) ([]store.Task, error) {
		most.Store(max(most.Load(), running.Add(1)))
		defer running.Add(-1)
		select {
		case <-release:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	h.start(t, handler)
	h.start(t, handler)

	h.enqueue(t, task)
	dbtest.Eventually(t, 10*time.Second, "it runs", func() bool { return running.Load() == 1 })
	// A second bell for the same row, as after a lost answer of Redis.
	second := tasks.Ref(task)
	payload, err := tasks.New(second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := asynq.NewClientFromRedisClient(h.rdb).Enqueue(payload, asynq.TaskID("twin"), asynq.Queue(task.Lane)); err != nil {
		t.Fatal(err)
	}
	dbtest.Eventually(t, 10*time.Second, "the twin is put off", func() bool {
		info, err := asynq.NewInspectorFromRedisClient(h.rdb).GetTaskInfo(task.Lane, "twin")
		return err == nil && info.State == asynq.TaskStateRetry
	})
	close(release)

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" })
	if most.Load() != 1 {
		t.Errorf("%d ran at once, want 1", most.Load())
	}
}

func TestWaitingSpendsNothing(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var calls atomic.Int32
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) {
		switch calls.Add(1) {
		case 1, 2, 3:
			return nil, fault.WaitUntil(time.Now().Add(50*time.Millisecond), "room")
		case 4:
			return nil, fault.WaitFor("the merchant")
		}
		return nil, nil
	})
	task := h.addRow(t)
	h.enqueue(t, task)
	h.await(t, "it waits for somebody", func(r row) bool { return r.state == "waiting" && r.attempts == 0 })
	if r := h.row(t); !strings.Contains(r.lastError, "the merchant") {
		t.Errorf("the row says %q, want what it waits for", r.lastError)
	}

	woken, err := h.db.Wake(t.Context(), kind, task.ID)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.queue.Wake(t.Context(), tasks.Ref(woken)); err != nil {
		t.Fatal(err)
	}

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" })
}

// Work that fails for good is a dead letter; Asynq's own "run" does it again,
// with no attempts spent.
func TestDeadLetterRunsAgain(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var broken atomic.Bool
	broken.Store(true)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) {
		if broken.Load() {
			return nil, fault.Permanent(errors.New("the template is broken"))
		}
		return nil, nil
	})
	task := h.addRow(t)
	h.enqueue(t, task)
	h.await(t, "the row is a dead letter", func(r row) bool { return r.state == "failed" })
	if r := h.row(t); r.lastError != "the template is broken" {
		t.Errorf("reason = %q", r.lastError)
	}
	inspector := asynq.NewInspectorFromRedisClient(h.rdb)
	dbtest.Eventually(t, 5*time.Second, "the task is archived", func() bool {
		info, err := inspector.GetTaskInfo(task.Lane, tasks.Ref(task).TaskID())
		return err == nil && info.State == asynq.TaskStateArchived
	})

	broken.Store(false)
	if err := inspector.RunTask(task.Lane, tasks.Ref(task).TaskID()); err != nil {
		t.Fatal(err)
	}

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" && r.attempts == 0 })
}

func TestAttemptsAreCountedInTheRow(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var calls atomic.Int32
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) {
		if calls.Add(1) == 1 {
			panic("a mistake of ours")
		}
		return nil, nil
	})

	h.enqueue(t, h.addRow(t))

	h.await(t, "the panic spent an attempt", func(r row) bool {
		return r.attempts == 1 && strings.Contains(r.lastError, "a mistake of ours")
	})
	h.await(t, "the row is done", func(r row) bool { return r.state == "done" })
}

// A lost Redis is told by its sentinel; everything due is queued again.
func TestFlushedRedis(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var done sync.Map
	h.start(t, func(_ context.Context, l store.Lease) ([]store.Task, error) {
		done.Store(l.ID, true)
		return nil, nil
	})
	dbtest.Eventually(t, 10*time.Second, "the sweeper has begun", func() bool {
		ok, err := h.queue.Survived(t.Context())
		return err == nil && ok
	})

	if err := h.rdb.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var ids []uuid.UUID
	for range 20 {
		ids = append(ids, h.addRow(t).ID)
	}

	dbtest.Eventually(t, 20*time.Second, "all lost work is done", func() bool {
		for _, id := range ids {
			if _, ok := done.Load(id); !ok {
				return false
			}
		}
		return true
	})
	lanes, err := h.queue.Lanes(t.Context())
	if err != nil || len(lanes) != len(tasks.Lanes()) {
		t.Errorf("lanes after the loss: %d, %v", len(lanes), err)
	}
}

// A task that only Redis lost comes back with its epoch, and is noted.
func TestForgottenTask(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })

	h.addRow(t) // never enqueued

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" && r.epoch == 1 })
	dbtest.Eventually(t, 10*time.Second, "the healing is noted", func() bool {
		var noted int
		err := h.pool.QueryRow(t.Context(), `SELECT count(*) FROM healings`).Scan(&noted)
		return err == nil && noted > 0
	})
}

// A row whose kind only a newer worker knows is left alone, and holds up nothing.
func TestUnknownKindOfRow(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	newer := uuid.New()
	if _, err := h.pool.Exec(t.Context(), `
		INSERT INTO tenants (id, slug, name, task, state, due_at)
		VALUES ($1, 'newer', 'Newer', 'tenant:deprovision', 'runnable', now())`, newer); err != nil {
		t.Fatal(err)
	}
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })

	h.addRow(t) // never enqueued: only a sweep that gets past the other row finds it

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" })
	var state string
	var epoch int64
	if err := h.pool.QueryRow(t.Context(), `SELECT state, epoch FROM tenants WHERE id = $1`, newer).Scan(&state, &epoch); err != nil {
		t.Fatal(err)
	}
	if state != "runnable" || epoch != 1 {
		t.Errorf("the newer worker's row is %s at epoch %d, want it untouched", state, epoch)
	}
}

// A process that is told to stop gives back what it has in hand, spends nothing,
// and another goes on.
func TestDrainHandsBack(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	begun := make(chan struct{})
	var once sync.Once
	stop := h.start(t, func(ctx context.Context, _ store.Lease) ([]store.Task, error) {
		once.Do(func() { close(begun) })
		for !fault.Draining(ctx) {
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-time.After(time.Millisecond):
			}
		}
		return nil, fault.ErrHandBack
	})
	h.enqueue(t, h.addRow(t))
	<-begun

	stop()

	if r := h.row(t); r.state != "runnable" || r.attempts != 0 || r.holder != nil {
		t.Fatalf("after the stop: %+v, want it runnable, free, nothing spent", r)
	}
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })
	h.await(t, "the row is done", func(r row) bool { return r.state == "done" && r.epoch == 1 })
}

// A kind that this build does not know is left to a newer one.
func TestUnknownKindWaits(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })
	client := asynq.NewClientFromRedisClient(h.rdb)
	if _, err := client.Enqueue(asynq.NewTask("tenant:paint", nil), asynq.TaskID("new"), asynq.Queue(tasks.LaneEvents)); err != nil {
		t.Fatal(err)
	}

	dbtest.Eventually(t, 10*time.Second, "it is put back", func() bool {
		info, err := asynq.NewInspectorFromRedisClient(h.rdb).GetTaskInfo(tasks.LaneEvents, "new")
		return err == nil && info.State == asynq.TaskStateRetry && info.Retried == 0
	})
}

// A worker starts without Redis and works when it comes.
func TestStartsWithoutRedis(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnRedis(t)
	server.Stop()
	rdb, err := tasks.OpenRedis(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	h := newHarnessOn(t, rdb)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })
	h.addRow(t)

	server.Start()

	h.await(t, "the row is done", func(r row) bool { return r.state == "done" })
}

type harness struct {
	pool      *pgxpool.Pool
	db        *store.DB
	rdb       redis.UniversalClient
	queue     *tasks.Enqueuer
	intervals config.Intervals
	last      uuid.UUID
}

func newHarness(t *testing.T) *harness {
	t.Helper()
	rdb, err := tasks.OpenRedis(dbtest.Redis(t))
	if err != nil {
		t.Fatal(err)
	}
	return newHarnessOn(t, rdb)
}

func newHarnessOn(t *testing.T, rdb redis.UniversalClient) *harness {
	t.Helper()
	t.Cleanup(func() { _ = rdb.Close() })
	pool := dbtest.Control(t)
	return &harness{
		pool: pool, db: store.New(pool), rdb: rdb, queue: tasks.NewEnqueuer(rdb),
		intervals: config.Intervals{
			Lease: 1500 * time.Millisecond, LeaseRenew: 500 * time.Millisecond, Sweep: 500 * time.Millisecond,
			Unleased: 3 * time.Second, LeaderLease: time.Second, LeaderRenew: 300 * time.Millisecond,
			Schedule: time.Hour, Prune: time.Hour, Reconcile: time.Hour, Grace: 5 * time.Second,
			TaskCheck: 50 * time.Millisecond, DelayedCheck: 100 * time.Millisecond,
		},
	}
}

// start runs a worker whose schema:bootstrap is run; it is stopped by what it
// returns, or at the end of the test.
func (h *harness) start(t *testing.T, run func(context.Context, store.Lease) ([]store.Task, error)) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &Worker{
		DB: h.db, Redis: h.rdb, Queue: h.queue, Handlers: Handlers{BootstrapSchema: Handler{Run: run}},
		Intervals: h.intervals, Retention: time.Hour, Concurrency: 5, Lanes: tasks.Lanes(),
		Metrics: prometheus.NewRegistry(), Log: dbtest.Log(t),
	}
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("worker: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (h *harness) addRow(t *testing.T) store.Task {
	t.Helper()
	h.last = uuid.New()
	if _, err := h.pool.Exec(t.Context(), `
		INSERT INTO schema_targets (id, server, wanted_version)
		VALUES ($1, $2, 1)`, h.last, fmt.Sprintf("server-%s:5432", h.last)); err != nil {
		t.Fatal(err)
	}
	return store.Task{Kind: kind, ID: h.last, Epoch: 1, Lane: tasks.LaneProvisioning}
}

func (h *harness) enqueue(t *testing.T, task store.Task) {
	t.Helper()
	if err := h.queue.Enqueue(t.Context(), tasks.Ref(task)); err != nil {
		t.Fatal(err)
	}
}

type row struct {
	state     string
	epoch     int64
	attempts  int
	holder    *uuid.UUID
	lastError string
}

func (h *harness) row(t *testing.T) row {
	t.Helper()
	var r row
	if err := h.pool.QueryRow(t.Context(), `
		SELECT state, epoch, attempts, holder, coalesce(last_error, '')
		FROM schema_targets
		WHERE id = $1`, h.last).Scan(&r.state, &r.epoch, &r.attempts, &r.holder, &r.lastError); err != nil {
		t.Fatal(err)
	}
	return r
}

func (h *harness) await(t *testing.T, what string, cond func(row) bool) {
	t.Helper()
	dbtest.Eventually(t, 20*time.Second, what, func() bool { return cond(h.row(t)) })
}
