package systemtest

import (
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tasks"
)

// The api killed between the commit of an event and its task, and between the
// task and the answer. Salla sends again; it is one event, applied once.
func TestFaultKilledAPI(t *testing.T) {
	t.Parallel()
	const merchant, second = 73301, 73302
	s := newSystem(t, options{stores: []sandbox.StoreSpec{shop(merchant, 4), shop(second, 4)}})
	wire := dbtest.NewWire(t, s.redis)
	over := func() {
		s.startAPI("REDIS_URL=" + wire.URL())
		s.awaitAPI()
	}
	rdb, err := tasks.OpenRedis(s.redis)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	queued := func() (n int) {
		pending, err := asynq.NewInspectorFromRedisClient(rdb).ListPendingTasks(tasks.LaneProvisioning)
		if err != nil {
			return 0 // the lane was never used
		}
		for _, task := range pending {
			if task.Type == (tasks.ApplyEvent{}).Kind() {
				n++
			}
		}
		return n
	}
	events := func() (n int) {
		if err := s.pool.QueryRow(t.Context(), `SELECT count(*) FROM events`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	installs := func(m int64) (first chan error) {
		first = make(chan error, 1)
		go func() { first <- s.sandbox.Install(t.Context(), m) }()
		return first
	}

	s.kill("api")
	over()
	wire.HoldRequests()
	first := installs(merchant)
	dbtest.Eventually(t, 20*time.Second, "the event is committed", func() bool { return events() == 1 })
	s.kill("api")
	if n := queued(); n != 0 {
		t.Errorf("%d tasks are queued, want none yet", n)
	}
	if err := <-first; err != nil { // both were tried, and are sent again
		t.Fatal(err)
	}
	wire.Pass()
	over()
	dbtest.Eventually(t, 30*time.Second, "Salla has sent both again", func() bool { return events() == 2 })
	before := queued()

	enqueued := wire.CatchReply("event:apply:")
	first = installs(second)
	dbtest.Eventually(t, 20*time.Second, "the task is queued", func() bool { return enqueued.Caught() && queued() > before })
	s.kill("api")
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	wire.Pass()
	over()
	dbtest.Eventually(t, 30*time.Second, "Salla has sent all again", func() bool {
		return s.sandbox.Stats().Deliveries[sandbox.DeliveryDelivered] == 4
	})
	if n := events(); n != 4 {
		t.Errorf("%d events of 4 deliveries, some of them sent twice", n)
	}

	s.startWorker("worker-1")
	s.awaitEqual(t, 90*time.Second, merchant, second)
	s.invariants(t, 60*time.Second)
	s.awaitCount(t, time.Second, "each event is applied once", 4, `SELECT count(*) FROM events WHERE event LIKE 'app.%' AND status = 'applied'`)
}
