package tasks

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
)

// trips counts the round trips of pipelines. While gate is not nil, each waits for
// its turn there, or for the end of its context.
type trips struct {
	begun atomic.Int64
	gate  chan struct{}
}

func (*trips) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (*trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		h.begun.Add(1)
		if h.gate != nil {
			select {
			case <-h.gate:
			case <-ctx.Done():
			}
		}
		return next(ctx, cmds)
	}
}

// watched gives an enqueuer on a Redis, its convoy and the trips it makes.
func watched(t *testing.T, address string, gate chan struct{}) (*Enqueuer, *convoy, *trips) {
	t.Helper()
	rdb, err := OpenRedis(address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	c := &convoy{UniversalClient: rdb}
	e := &Enqueuer{client: asynq.NewClientFromRedisClient(c), rdb: rdb}
	if err := e.Enqueue(t.Context(), newRef()); err != nil { // Redis knows the script from now on, and Asynq the lane
		t.Fatal(err)
	}
	h := &trips{gate: gate}
	rdb.AddHook(h)
	return e, c, h
}

func newRef() Ref {
	return Ref{Kind: ApplyEvent{}.Kind(), ID: uuid.New(), Epoch: 1, Lane: LaneEvents}
}

func (c *convoy) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		return 0
	}
	return c.next.calls.Len()
}

func (c *convoy) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.driving && c.next == nil
}

func TestCallsThatComeMeanwhileShareTheNextTrip(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	e, c, h := watched(t, dbtest.Redis(t), gate)
	const others = 60
	same := newRef()
	var fresh atomic.Int64
	var group sync.WaitGroup
	restore := func(r Ref) {
		added, err := e.Restore(t.Context(), r)
		if err != nil {
			t.Errorf("restore: %v", err)
		}
		if added {
			fresh.Add(1)
		}
	}
	group.Go(func() { restore(newRef()) })
	dbtest.Eventually(t, 5*time.Second, "the first trip", func() bool { return h.begun.Load() == 1 })
	for i := range others {
		group.Go(func() {
			if i < others/2 {
				restore(same)
			} else {
				restore(newRef())
			}
		})
	}
	dbtest.Eventually(t, 5*time.Second, "everybody waiting", func() bool { return c.waiting() == others })
	close(gate)
	group.Wait()

	if got := h.begun.Load(); got != 2 {
		t.Errorf("%d trips, want one for the first and one for the others", got)
	}
	if got := fresh.Load(); got != 1+1+others/2 {
		t.Errorf("%d were told that their task is new, want %d: each its own answer", got, 1+1+others/2)
	}
	dbtest.Eventually(t, 5*time.Second, "nobody driving", c.idle)
}

func TestCallerThatCannotWaitLeavesTheOthersTheirAnswers(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	e, c, h := watched(t, dbtest.Redis(t), gate)
	stays := make(chan error, 1)
	go func() { stays <- e.Enqueue(t.Context(), newRef()) }()
	dbtest.Eventually(t, 5*time.Second, "the trip", func() bool { return h.begun.Load() == 1 })
	ctx, cancel := context.WithCancel(t.Context())
	leaves := make(chan error, 1)
	go func() { leaves <- e.Enqueue(ctx, newRef()) }()
	dbtest.Eventually(t, 5*time.Second, "a second caller", func() bool { return c.waiting() == 1 })

	cancel()
	if err := <-leaves; err == nil {
		t.Error("who left was told that its task is queued")
	}
	close(gate)
	if err := <-stays; err != nil {
		t.Errorf("who stayed: %v", err)
	}
}

func TestTripIsBounded(t *testing.T) {
	t.Parallel()
	e, c, _ := watched(t, dbtest.Redis(t), make(chan struct{})) // which never opens
	begun := time.Now()

	if err := e.Enqueue(t.Context(), newRef()); err == nil {
		t.Error("no error")
	}

	if took := time.Since(begun); took > 2*deadline {
		t.Errorf("the answer took %s", took)
	}
	dbtest.Eventually(t, 2*deadline, "nobody driving", c.idle)
}

func TestScriptThatRedisForgotIsSentAgain(t *testing.T) {
	t.Parallel()
	e, c, _ := watched(t, dbtest.OwnRedis(t).URL(), nil)
	if err := c.ScriptFlush(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 50 {
		group.Go(func() {
			if added, err := e.Restore(t.Context(), newRef()); err != nil || !added {
				t.Errorf("restore: %t %v, want it added", added, err)
			}
		})
	}
	group.Wait()
}

func TestFaultRedisKilledAmongSharedCalls(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnRedis(t)
	rdb, err := OpenRedis(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	h := &trips{}
	rdb.AddHook(h)
	e := NewEnqueuer(rdb)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var answered, failed atomic.Int64
	var group sync.WaitGroup
	for range 32 {
		group.Go(func() {
			for ctx.Err() == nil {
				begun := time.Now()
				err := e.Enqueue(context.WithoutCancel(ctx), newRef())
				if took := time.Since(begun); took > 2*deadline {
					t.Errorf("an answer took %s", took)
				}
				answered.Add(1)
				if err != nil {
					failed.Add(1)
				}
			}
		})
	}
	dbtest.Eventually(t, 5*time.Second, "calls under way", func() bool { return answered.Load() > 200 })
	server.Kill()
	dbtest.Eventually(t, 5*time.Second, "calls that fail", func() bool { return failed.Load() > 32 })
	server.Start()
	dbtest.Eventually(t, 10*time.Second, "a call that succeeds", func() bool {
		return e.Enqueue(t.Context(), newRef()) == nil
	})
	stop()
	group.Wait() // everybody was answered

	if n, trips := answered.Load(), h.begun.Load(); trips >= n {
		t.Errorf("%d calls took %d trips, want them shared", n, trips)
	}
}

func TestEnqueueWhileRedisIsDownIsAnError(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnRedis(t)
	e, _, _ := watched(t, server.URL(), nil)
	server.Stop()
	begun := time.Now()

	err := e.Enqueue(t.Context(), newRef())

	if err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want Redis's error", err)
	}
	if took := time.Since(begun); took > 2*deadline {
		t.Errorf("the answer took %s", took)
	}
}
