package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/fault"
)

// deadline bounds one enqueue: a Redis that is down must not hold a webhook's
// answer. The row is committed; the sweeper rings again.
const deadline = 1500 * time.Millisecond

// Enqueuer is the one place that puts tasks on queues. It is safe for concurrent use.
type Enqueuer struct {
	client    *asynq.Client
	inspector *asynq.Inspector
	rdb       redis.UniversalClient
}

// NewEnqueuer returns an enqueuer on rdb, which the caller closes.
func NewEnqueuer(rdb redis.UniversalClient) *Enqueuer {
	return &Enqueuer{
		client:    asynq.NewClientFromRedisClient(rdb),
		inspector: asynq.NewInspectorFromRedisClient(rdb),
		rdb:       rdb,
	}
}

// Enqueue rings for each ref. A task that is there already is as good. The first
// failure of Redis ends it: the rows are the truth and the sweeper goes on.
func (e *Enqueuer) Enqueue(ctx context.Context, refs ...Ref) error {
	for _, r := range refs {
		if err := e.enqueue(ctx, r); err != nil && !errors.Is(err, asynq.ErrTaskIDConflict) {
			return err
		}
	}
	return nil
}

// Restore enqueues r and tells whether Redis did not have it.
func (e *Enqueuer) Restore(ctx context.Context, r Ref) (added bool, err error) {
	err = e.enqueue(ctx, r)
	if errors.Is(err, asynq.ErrTaskIDConflict) {
		return false, nil
	}
	return err == nil, err
}

func (e *Enqueuer) enqueue(ctx context.Context, r Ref) error {
	task, err := New(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if _, err := e.client.EnqueueContext(ctx, task); err != nil {
		return fmt.Errorf("enqueue %s: %w", r.TaskID(), err)
	}
	return nil
}

// Wake makes work that was postponed, archived or forgotten run now: its task is
// enqueued or, if it is scheduled, in retry or archived, run. The caller has set
// the row due before.
func (e *Enqueuer) Wake(ctx context.Context, refs ...Ref) error {
	for _, r := range refs {
		err := e.enqueue(ctx, r)
		if errors.Is(err, asynq.ErrTaskIDConflict) {
			err = e.run(r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// run moves a scheduled, retrying or archived task to the pending ones. A task
// that is pending or active already needs nothing.
func (e *Enqueuer) run(r Ref) error {
	info, err := e.inspector.GetTaskInfo(r.Lane, r.TaskID())
	switch {
	case errors.Is(err, asynq.ErrTaskNotFound), errors.Is(err, asynq.ErrQueueNotFound):
		return nil // it ended between the two looks: the sweeper decides
	case err != nil:
		return fmt.Errorf("look up %s: %w", r.TaskID(), err)
	case info.State == asynq.TaskStatePending, info.State == asynq.TaskStateActive:
		return nil
	}
	if err := e.inspector.RunTask(r.Lane, r.TaskID()); err != nil && !errors.Is(err, asynq.ErrTaskNotFound) {
		return fmt.Errorf("run %s: %w", r.TaskID(), err)
	}
	return nil
}

// Known is what Redis knows of a task.
type Known int

// The states of a task that the sweeper tells apart.
const (
	Unknown  Known = iota // Redis does not know it
	Queued                // pending
	Later                 // scheduled or in retry
	Active                // a worker has it
	Archived              // given up, or put there by hand
	Over                  // completed and kept
)

// Look says what Redis knows of r's task.
func (e *Enqueuer) Look(r Ref) (Known, error) {
	info, err := e.inspector.GetTaskInfo(r.Lane, r.TaskID())
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return Unknown, nil
	}
	if err != nil {
		return Unknown, fmt.Errorf("look up %s: %w", r.TaskID(), err)
	}
	switch info.State {
	case asynq.TaskStatePending, asynq.TaskStateAggregating:
		return Queued, nil
	case asynq.TaskStateScheduled, asynq.TaskStateRetry:
		return Later, nil
	case asynq.TaskStateActive:
		return Active, nil
	case asynq.TaskStateArchived:
		return Archived, nil
	case asynq.TaskStateCompleted:
		return Over, nil
	}
	return Unknown, nil
}

// sentinel is a key that only a lost Redis forgets.
const sentinel = "wosool:sentinel"

// Survived tells whether Redis still holds what was there at the last Mark.
func (e *Enqueuer) Survived(ctx context.Context) (bool, error) {
	n, err := e.rdb.Exists(ctx, sentinel).Result()
	if err != nil {
		return false, fmt.Errorf("look for the sentinel: %w", err)
	}
	return n == 1, nil
}

// Mark sets the sentinel: everything that is due has been enqueued since.
func (e *Enqueuer) Mark(ctx context.Context) error {
	if err := e.rdb.Set(ctx, sentinel, "1", 0).Err(); err != nil {
		return fmt.Errorf("set the sentinel: %w", err)
	}
	return nil
}

// Register tells Asynq of every lane. Clients remember having done so and never
// do it again, so that a FLUSHALL hides the queues from every inspector.
func (e *Enqueuer) Register(ctx context.Context) error {
	names := make([]any, 0, len(Lanes()))
	for _, lane := range Lanes() {
		names = append(names, lane)
	}
	if err := e.rdb.SAdd(ctx, "asynq:queues", names...).Err(); err != nil {
		return fmt.Errorf("register the lanes: %w", err)
	}
	return nil
}

// LaneStat is how a lane stands.
type LaneStat struct {
	Lane                             string
	Pending, Active, Retry, Archived int
	Oldest                           time.Duration // age of the oldest pending task
	Paused                           bool
}

// Lanes returns how every lane stands. A lane that was never used is all zeros.
func (e *Enqueuer) Lanes(ctx context.Context) ([]LaneStat, error) {
	if err := e.Register(ctx); err != nil {
		return nil, err
	}
	stats := make([]LaneStat, 0, len(Lanes()))
	for _, lane := range Lanes() {
		info, err := e.inspector.GetQueueInfo(lane)
		if err != nil {
			return nil, fmt.Errorf("read lane %s: %w", lane, err)
		}
		stats = append(stats, LaneStat{
			Lane: lane, Pending: info.Pending, Active: info.Active, Retry: info.Retry + info.Scheduled,
			Archived: info.Archived, Oldest: info.Latency, Paused: info.Paused,
		})
	}
	return stats, nil
}

// Pause keeps workers from taking further tasks of a lane, or lets them again.
// What they have in hand they finish. Doing it twice is as good as once. A lane
// that is not one of Lanes is fault.NotFound.
func (e *Enqueuer) Pause(ctx context.Context, lane string, paused bool) error {
	if !slices.Contains(Lanes(), lane) {
		return fault.New(fault.NotFound, "there is no lane called %q", lane)
	}
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	if err := e.Register(ctx); err != nil { // the inspector takes no context, and knows no lane that was never used
		return err
	}
	info, err := e.inspector.GetQueueInfo(lane)
	switch {
	case err != nil:
		return fmt.Errorf("read lane %s: %w", lane, err)
	case info.Paused == paused:
		return nil
	case paused:
		err = e.inspector.PauseQueue(lane)
	default:
		err = e.inspector.UnpauseQueue(lane)
	}
	if err != nil {
		return fmt.Errorf("pause lane %s: %w", lane, err)
	}
	return nil
}
