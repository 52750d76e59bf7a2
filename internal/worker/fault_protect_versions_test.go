package worker

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// newerKind is a kind of task that only the next release knows.
const newerKind = "tenant:paint"

// startNewer runs the lanes of a worker of the next release: it understands the next
// version of payloads, and one more kind of task.
func (h *harness) startNewer(t *testing.T, run func(context.Context, store.Lease) ([]store.Task, error), paint func(id string)) {
	t.Helper()
	w := h.idle(t, run)
	j := newJobs(w)
	j.version = tasks.Version + 1
	ctx := fault.WithDrain(context.WithoutCancel(t.Context()), make(chan struct{}))
	server := w.server(ctx, urgentLanes(), 4)
	if err := server.Start(asynq.HandlerFunc(func(ctx context.Context, task *asynq.Task) error {
		if task.Type() == newerKind {
			paint(task.ResultWriter().TaskID())
			return nil
		}
		return j.ProcessTask(ctx, task)
	})); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
}

// put queues a task as another release would.
func (h *harness) put(t *testing.T, kind, id, payload string) {
	t.Helper()
	task := asynq.NewTask(kind, []byte(payload), asynq.MaxRetry(1<<30), asynq.Timeout(time.Minute))
	_, err := asynq.NewClientFromRedisClient(h.rdb).Enqueue(task, asynq.TaskID(id), asynq.Queue(tasks.LaneProvisioning))
	if err != nil {
		t.Fatal(err)
	}
}

// info is what Asynq has of a task, nil where it has none.
func (h *harness) info(id string) *asynq.TaskInfo {
	info, err := asynq.NewInspectorFromRedisClient(h.rdb).GetTaskInfo(tasks.LaneProvisioning, id)
	if err != nil {
		return nil
	}
	return info
}

func (h *harness) stateOf(t *testing.T, id uuid.UUID) (state string, epoch int64, attempts int) {
	t.Helper()
	if err := h.pool.QueryRow(t.Context(), `
		SELECT state, epoch, attempts FROM schema_targets WHERE id = $1`, id).Scan(&state, &epoch, &attempts); err != nil {
		t.Fatal(err)
	}
	return state, epoch, attempts
}

// Two releases share a queue. The older one does what it understands, also where it
// is told more than it knows, and puts the rest back: nothing is archived, no
// attempt is spent, and the newer one does it.
func TestFaultTwoVersionsInOneQueue(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var mu sync.Mutex
	doneBy := map[uuid.UUID]string{}
	by := func(who string) func(context.Context, store.Lease) ([]store.Task, error) {
		return func(_ context.Context, l store.Lease) ([]store.Task, error) {
			mu.Lock()
			defer mu.Unlock()
			doneBy[l.ID] += who
			return nil, nil
		}
	}
	stop := h.start(t, by("older"))
	first, extended, newer := h.addRow(t), h.addRow(t), h.addRow(t)
	h.put(t, kind, tasks.Ref(first).TaskID(), fmt.Sprintf(`{"id":%q,"epoch":1}`, first.ID))
	h.put(t, kind, tasks.Ref(extended).TaskID(), fmt.Sprintf(`{"v":%d,"id":%q,"epoch":1,"colour":{"of":"the next release"}}`, tasks.Version, extended.ID))
	h.put(t, kind, tasks.Ref(newer).TaskID(), fmt.Sprintf(`{"v":%d,"id":%q,"epoch":1}`, tasks.Version+1, newer.ID))
	h.put(t, newerKind, "paint", `{"v":7,"wall":"north"}`)

	for _, id := range []uuid.UUID{first.ID, extended.ID} {
		dbtest.Eventually(t, 10*time.Second, "the older release does what it understands", func() bool {
			state, _, _ := h.stateOf(t, id)
			return state == "done"
		})
	}
	for _, id := range []string{tasks.Ref(newer).TaskID(), "paint"} {
		var left *asynq.TaskInfo
		dbtest.Eventually(t, 10*time.Second, "the older release has met what is newer than it", func() bool {
			left = h.info(id)
			return left == nil || left.LastErr != ""
		})
		if left == nil || left.State == asynq.TaskStateArchived || left.Retried != 0 || !strings.Contains(left.LastErr, "newer worker") {
			t.Fatalf("%s: %+v, want it put back for a newer worker", id, left)
		}
	}
	if state, epoch, attempts := h.stateOf(t, newer.ID); state != "runnable" || epoch != 1 || attempts != 0 {
		t.Errorf("the row of the newer payload is %s at epoch %d with %d attempts, want it untouched", state, epoch, attempts)
	}

	stop()
	for _, id := range []string{tasks.Ref(newer).TaskID(), "paint"} { // their pause is over
		left := h.info(id)
		if left == nil {
			t.Fatalf("%s is lost", id)
		}
		if left.State == asynq.TaskStatePending {
			continue // the sweeper has just rung for it
		}
		if err := asynq.NewInspectorFromRedisClient(h.rdb).RunTask(tasks.LaneProvisioning, id); err != nil {
			t.Fatal(err)
		}
	}
	painted := make(chan string, 10)
	h.startNewer(t, by("newer"), func(id string) { painted <- id })

	dbtest.Eventually(t, 10*time.Second, "the newer release does the rest", func() bool {
		state, _, attempts := h.stateOf(t, newer.ID)
		return state == "done" && attempts == 0 && len(painted) == 1
	})
	mu.Lock()
	defer mu.Unlock()
	if doneBy[first.ID] != "older" || doneBy[extended.ID] != "older" || doneBy[newer.ID] != "newer" {
		t.Errorf("done by %v, want each once by who understands it", doneBy)
	}
}

// During a rolling deploy both releases work on one queue, and then the older one
// stops: every row is done once, and none spent an attempt.
func TestFaultRollingDeploy(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	var mu sync.Mutex
	done := map[uuid.UUID]int{}
	run := func(_ context.Context, l store.Lease) ([]store.Task, error) {
		mu.Lock()
		defer mu.Unlock()
		done[l.ID]++
		return nil, nil
	}
	stop := h.start(t, run)
	h.startNewer(t, run, func(string) {})
	var rows []uuid.UUID
	for i := range 30 {
		task := h.addRow(t)
		rows = append(rows, task.ID)
		h.put(t, kind, tasks.Ref(task).TaskID(), fmt.Sprintf(`{"v":%d,"id":%q,"epoch":1}`, tasks.Version+i%2, task.ID))
		if i == 20 {
			stop()
		}
	}
	// The older release leads no more; whoever does rings for what it put back.
	w := h.idle(t, run)
	ctx, cancel := context.WithCancel(t.Context())
	var loops sync.WaitGroup
	loops.Go(func() { w.lead(ctx) })
	defer loops.Wait()
	defer cancel()

	dbtest.Eventually(t, 20*time.Second, "every row is done", func() bool {
		var left int
		if err := h.pool.QueryRow(t.Context(), `SELECT count(*) FROM schema_targets WHERE state <> 'done'`).Scan(&left); err != nil {
			t.Fatal(err)
		}
		return left == 0
	})
	mu.Lock()
	defer mu.Unlock()
	for _, id := range rows {
		if _, _, attempts := h.stateOf(t, id); done[id] != 1 || attempts != 0 {
			t.Errorf("a row was done %d times with %d attempts, want once with none", done[id], attempts)
		}
	}
}

// A payload that nobody can read is archived with its reason, and its row, which is
// the truth, gets another bell.
func TestFaultMalformedPayload(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, nil })
	malformed := map[string]store.Task{}
	for _, payload := range []string{`{"id":`, `{"v":"x","id":7}`, `{"epoch":1}`, `null`, ``} {
		malformed[payload] = h.addRow(t)
		h.put(t, kind, tasks.Ref(malformed[payload]).TaskID(), payload)
	}
	for payload, task := range malformed {
		dbtest.Eventually(t, 15*time.Second, "the row of "+payload+" is done by a new task", func() bool {
			state, epoch, attempts := h.stateOf(t, task.ID)
			return state == "done" && epoch == 2 && attempts == 0
		})
		info := h.info(tasks.Ref(task).TaskID())
		if info == nil || info.State != asynq.TaskStateArchived || !strings.Contains(info.LastErr, "payload") {
			t.Errorf("%s: %+v, want it archived with its reason", payload, info)
		}
	}
}
