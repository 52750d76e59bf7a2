package systemtest

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tasks"
)

// A leader that is killed is followed by another within its lease, 15 s in
// production.
func TestFaultKilledLeader(t *testing.T) {
	t.Parallel()
	s := newSystem(t, options{workers: 2, env: []string{"LOG_LEVEL=info"}})
	holder := func() (id string) {
		if err := s.pool.QueryRow(t.Context(), `SELECT coalesce(max(holder::text), '') FROM leaders WHERE lease_until > now()`).Scan(&id); err != nil {
			t.Fatal(err)
		}
		return id
	}
	leads := func(name string) bool { return strings.Contains(s.logs[name].String(), "this worker leads") }
	dbtest.Eventually(t, 10*time.Second, "somebody leads", func() bool { return leads("worker-1") || leads("worker-2") })
	first, other := "worker-1", "worker-2"
	if leads(other) {
		first, other = other, first
	}
	was := holder()
	s.kill(first)
	killed := time.Now()
	// A tenth of 15 s, and as much again for a busy machine.
	dbtest.Eventually(t, 3*time.Second, "another worker leads", func() bool { now := holder(); return now != "" && now != was })
	t.Logf("a new leader %v after the kill", time.Since(killed).Round(time.Millisecond))
	dbtest.Eventually(t, 5*time.Second, "it says so", func() bool { return leads(other) })
}

// A worker that is told to stop finishes what is nearly done and hands the rest
// back: no attempt is spent and nothing is healed by a lease that ran out. A task
// of a kind that nobody knows yet does no harm and is still there for a newer
// worker.
func TestFaultStoppedWorker(t *testing.T) {
	t.Parallel()
	const importing, provisioning, held = 73601, 73602, 73603
	s := newSystem(t, options{
		// With leases as in production nothing goes on soon but what was handed back.
		workers: 1, env: []string{"SHUTDOWN_GRACE=3s", "LEASE_DURATION=15s"},
		stores: []sandbox.StoreSpec{shop(importing, 70), shop(provisioning, 4), shop(held, 4)},
	})
	future := s.enqueueUnknown(t)
	s.slowly(150 * time.Millisecond)
	s.install(importing)
	s.awaitStatus(importing, "ready")
	s.awaitCalls(3)
	s.install(provisioning)
	hold := s.atCall(sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/organizations$"})(held)
	s.install(held)
	dbtest.Eventually(t, 20*time.Second, "work is in hand", hold.held)
	s.startWorker("worker-2")
	s.signal("worker-1", syscall.SIGTERM)
	s.sandbox.ClearFaults()
	for _, table := range workTables() {
		s.awaitCount(t, 0, "no attempt is spent in "+table, 0, `SELECT coalesce(sum(attempts), 0) FROM `+table)
	}

	s.awaitEqual(t, 90*time.Second, importing, provisioning, held)
	s.invariants(t, 20*time.Second)
	var healed, spent int
	if err := s.pool.QueryRow(t.Context(), `
		SELECT (SELECT count(*) FROM healings WHERE reason LIKE '%lease%'),
		       (SELECT count(*) FROM steps WHERE status <> 'done' AND name <> 'workspace')`).Scan(&healed, &spent); err != nil {
		t.Fatal(err)
	}
	if healed != 0 || spent != 0 {
		t.Errorf("%d rows healed after their lease, %d steps not done; want none", healed, spent)
	}
	for _, name := range []string{"worker-1", "worker-2"} {
		for line := range strings.Lines(s.logs[name].String()) {
			if strings.Contains(line, `"task attempted"`) && !strings.Contains(line, `"attempt":1,`) {
				t.Errorf("an attempt was spent: %s", line)
			}
		}
	}
	if log := s.logs["worker-1"].String(); !strings.Contains(log, `"outcome":"handed back"`) {
		t.Error("nothing was handed back")
	}
	s.stillThere(t, future)
}

// enqueueUnknown puts a task of no known kind on the events lane.
func (s *system) enqueueUnknown(t *testing.T) *asynq.TaskInfo {
	t.Helper()
	rdb, err := tasks.OpenRedis(s.redis)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	info, err := asynq.NewClientFromRedisClient(rdb).EnqueueContext(t.Context(),
		asynq.NewTask("store:paint", []byte(`{"id":"01a20046-446c-77ad-9d3b-5f2c64b0ab11","epoch":1,"colour":"green"}`)),
		asynq.Queue(tasks.LaneEvents), asynq.MaxRetry(1<<30), asynq.TaskID("store:paint:01a20046-446c-77ad-9d3b-5f2c64b0ab11:1"))
	if err != nil {
		t.Fatal(err)
	}
	return info
}

// stillThere fails unless the task waits, as it was, for somebody who knows it.
func (s *system) stillThere(t *testing.T, task *asynq.TaskInfo) {
	t.Helper()
	rdb, err := tasks.OpenRedis(s.redis)
	if err != nil {
		t.Fatal(err)
	}
	defer rdb.Close()
	now, err := asynq.NewInspectorFromRedisClient(rdb).GetTaskInfo(task.Queue, task.ID)
	if err != nil {
		t.Fatalf("the task of an unknown kind: %v", err)
	}
	if string(now.Payload) != string(task.Payload) || now.Retried != 0 ||
		(now.State != asynq.TaskStateRetry && now.State != asynq.TaskStateScheduled && now.State != asynq.TaskStatePending) {
		t.Errorf("the task of an unknown kind is %v, tried %d times: %s", now.State, now.Retried, now.Payload)
	}
}
