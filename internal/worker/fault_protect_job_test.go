package worker

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// A lease that cannot be renewed, here for a lock on the row, ends its handler while
// it is still the worker's: nothing is called or written without one.
func TestFaultHandlerEndsBeforeItsLease(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	begun, release := make(chan struct{}), make(chan struct{})
	ended := make(chan error, 1)
	var once sync.Once
	h.start(t, func(ctx context.Context, _ store.Lease) ([]store.Task, error) {
		first := false
		once.Do(func() { first = true })
		if !first {
			return nil, nil
		}
		close(begun)
		select {
		case <-ctx.Done():
			ended <- context.Cause(ctx)
		case <-release:
		}
		return nil, ctx.Err()
	})
	h.enqueue(t, h.addRow(t))
	<-begun
	lock, err := h.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.Exec(t.Context(), `SELECT FROM schema_targets WHERE id = $1 FOR UPDATE`, h.last); err != nil {
		t.Fatal(err)
	}

	select {
	case cause := <-ended:
		var left bool
		if err := h.pool.QueryRow(t.Context(), `
			SELECT lease_until > clock_timestamp() FROM schema_targets WHERE id = $1`, h.last).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if !left || !errors.Is(cause, fault.ErrLost) {
			t.Errorf("the handler ended for %v, its lease still running: %v", cause, left)
		}
	case <-time.After(3 * h.intervals.Lease):
		t.Error("the handler goes on without a lease")
	}

	close(release)
	if err := lock.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if t.Failed() {
		return
	}
	h.await(t, "the row is done by the next who takes it", func(r row) bool { return r.state == "done" && r.attempts == 0 })
}

// Work that waits, be it a hundred times, is never given up.
func TestFaultWaitingSpendsNoAttempt(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	j := newJobs(h.idle(t, nil))
	task := h.addRow(t)
	most := j.kinds[kind].policy.Attempts

	for range most + 10 {
		lease, taken, err := h.db.Take(t.Context(), task, time.Minute)
		if err != nil || taken != store.TakenOurs {
			t.Fatalf("take: %v, %v", taken, err)
		}
		if outcome, _ := j.settle(t.Context(), j.kinds[kind], lease, fault.WaitUntil(time.Now(), "room")); outcome != "waiting" {
			t.Fatalf("outcome = %s, want waiting", outcome)
		}
	}
	lease, _, err := h.db.Take(t.Context(), task, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := j.settle(t.Context(), j.kinds[kind], lease, fault.WaitFor("a merchant")); err != nil {
		t.Errorf("a wait without a time ends the task: %v", err)
	}

	if r := h.row(t); r.state != "waiting" || r.attempts != 0 || r.holder != nil {
		t.Errorf("after %d waits: %+v, want it waiting, free, nothing spent", most+11, r)
	}
}

// Asynq, too, counts no attempt of what is only postponed.
func TestFaultPostponementIsNoFailure(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) {
		return nil, fault.WaitUntil(time.Now().Add(time.Hour), "room")
	})
	task := h.addRow(t)
	h.enqueue(t, task)

	var info *asynq.TaskInfo
	dbtest.Eventually(t, 10*time.Second, "it is postponed", func() bool {
		var err error
		info, err = asynq.NewInspectorFromRedisClient(h.rdb).GetTaskInfo(task.Lane, tasks.Ref(task).TaskID())
		return err == nil && info.State == asynq.TaskStateRetry
	})

	if info.Retried != 0 || time.Until(info.NextProcessAt) < 50*time.Minute {
		t.Errorf("Asynq counted %d failures and tries again at %v; want none, in an hour", info.Retried, info.NextProcessAt)
	}
	if r := h.row(t); r.state != "runnable" || r.attempts != 0 {
		t.Errorf("the row: %+v, want it runnable with no attempt spent", r)
	}
}
