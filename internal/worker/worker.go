// Package worker is the queue's door: it takes rows of work, calls one domain
// act for each, and says to Asynq what became of it. Beside the lanes it runs
// the loops of the leader: the sweeper, the scheduler and the pruner.
package worker

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// Handler is one domain act on one row of work.
type Handler struct {
	// Run does the work and returns what is to be enqueued after its commit.
	Run func(ctx context.Context, l store.Lease) ([]store.Task, error)
	// GiveUp makes the row a dead letter together with what it stands for. Where
	// it is nil only the row fails.
	GiveUp func(ctx context.Context, l store.Lease, reason string) error
}

// Worker executes tasks. All fields but Tend are required.
type Worker struct {
	DB          *store.DB
	Redis       redis.UniversalClient
	Queue       *tasks.Enqueuer
	Handlers    Handlers
	Servers     []string // the servers of tenant databases, for the schema targets
	Model       int      // the newest model version
	Retention   time.Duration
	Intervals   config.Intervals
	Concurrency int
	Lanes       []string
	Metrics     prometheus.Registerer
	Log         *slog.Logger

	// Tend probes, on the leader, what is known to be down while nobody needs it.
	Tend func(ctx context.Context) error
}

// lanes of the two servers, with their weights. The first has workers of its
// own, so that a new merchant never waits behind imports; the second steps aside
// for it (yield), so that it need not share the processors with them either.
func urgentLanes() map[string]int {
	return map[string]int{tasks.LaneProvisioning: 6, tasks.LaneEvents: 4}
}

func bulkLanes() map[string]int {
	return map[string]int{tasks.LaneImports: 6, tasks.LaneCRM: 3, tasks.LaneMaintenance: 1}
}

// Run works until ctx ends, then finishes or hands back what it has in hand,
// within the grace. It starts and goes on without Redis.
func (w *Worker) Run(ctx context.Context) error {
	drain := make(chan struct{})
	base := fault.WithDrain(context.WithoutCancel(ctx), drain)
	jobs := newJobs(w)
	var servers []*asynq.Server
	capacity := 0
	for _, group := range []struct {
		lanes  map[string]int
		fifths int // of the concurrency
	}{{urgentLanes(), 2}, {bulkLanes(), 3}} {
		lanes := w.only(group.lanes)
		if len(lanes) == 0 {
			continue
		}
		concurrency := max(2, w.Concurrency*group.fifths/5)
		servers = append(servers, w.server(base, lanes, concurrency))
		capacity += concurrency
	}
	heart := w.startHeart(ctx, &jobs.busy, capacity)
	defer heart.stop()
	for _, s := range servers {
		if err := s.Start(jobs); err != nil {
			return fmt.Errorf("start the lanes: %w", err)
		}
	}
	w.Log.InfoContext(ctx, "worker started", "lanes", w.Lanes, "concurrency", w.Concurrency)
	var loops sync.WaitGroup
	loops.Go(func() { w.lead(ctx) })
	loops.Go(func() { w.watchRedis(ctx) })

	<-ctx.Done()
	w.Log.InfoContext(ctx, "worker stops: it finishes what it has in hand", "grace", w.Intervals.Grace)
	close(drain)
	heart.drain()
	var stopping sync.WaitGroup
	for _, s := range servers {
		stopping.Go(s.Shutdown)
	}
	stopping.Wait()
	jobs.wait(2 * time.Second)
	loops.Wait()
	return nil
}

// only keeps the lanes that this process works on.
func (w *Worker) only(lanes map[string]int) map[string]int {
	maps.DeleteFunc(lanes, func(lane string, _ int) bool { return !slices.Contains(w.Lanes, lane) })
	return lanes
}

func (w *Worker) server(base context.Context, lanes map[string]int, concurrency int) *asynq.Server {
	return asynq.NewServerFromRedisClient(w.Redis, asynq.Config{
		Concurrency:              concurrency,
		Queues:                   lanes,
		BaseContext:              func() context.Context { return base },
		TaskCheckInterval:        w.Intervals.TaskCheck,
		DelayedTaskCheckInterval: w.Intervals.DelayedCheck,
		ShutdownTimeout:          w.Intervals.Grace,
		IsFailure:                isFailure,
		RetryDelayFunc:           retryDelay,
		Logger:                   asynqLogger{w.Log.With("component", "asynq")},
		LogLevel:                 asynq.WarnLevel,
	})
}

// watchRedis checks Redis's settings once it answers, and tells Asynq of the lanes.
func (w *Worker) watchRedis(ctx context.Context) {
	for {
		err := tasks.CheckRedis(ctx, w.Redis, w.Log)
		if err == nil {
			err = w.Queue.Register(ctx)
		}
		if err == nil || ctx.Err() != nil {
			return
		}
		w.Log.WarnContext(ctx, "redis does not answer; work goes on when it does", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(2 * time.Second):
		}
	}
}

// asynqLogger hands Asynq's own messages to slog.
type asynqLogger struct{ log *slog.Logger }

func (l asynqLogger) Debug(args ...any) { l.write(slog.LevelDebug, args) }
func (l asynqLogger) Info(args ...any)  { l.write(slog.LevelInfo, args) }
func (l asynqLogger) Warn(args ...any)  { l.write(slog.LevelWarn, args) }
func (l asynqLogger) Error(args ...any) { l.write(slog.LevelError, args) }

// Fatal never ends the process: Asynq calls it where it cannot go on with one
// loop, and the others have work in hand.
func (l asynqLogger) Fatal(args ...any) { l.write(slog.LevelError, args) }

func (l asynqLogger) write(level slog.Level, args []any) {
	l.log.Log(context.Background(), level, "asynq", "message", fmt.Sprint(args...))
}
