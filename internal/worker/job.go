package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/hibiken/asynq"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
)

// later is what a handler answers to Asynq where its task shall come again: at a
// time, as a failure or as a mere postponement. The row has been written before.
type later struct {
	delay   time.Duration
	failure bool
	why     string
}

func (l *later) Error() string { return l.why }

// isFailure tells Asynq not to count postponements.
func isFailure(err error) bool {
	l, ok := errors.AsType[*later](err)
	return !ok || l.failure || !protect.Postponement
}

// retryDelay is the row's own delay. A task that Asynq itself took back from a
// dead worker comes again at once: the row decides whether there is work in it.
func retryDelay(_ int, err error, _ *asynq.Task) time.Duration {
	if l, ok := errors.AsType[*later](err); ok {
		return max(l.delay, 0)
	}
	if errors.Is(err, asynq.ErrLeaseExpired) {
		return 0
	}
	return time.Second
}

// decode reads a payload of one kind.
func decode[P tasks.Payload](raw []byte) (tasks.Row, error) {
	var p P
	if err := json.Unmarshal(raw, &p); err != nil {
		return tasks.Row{}, fmt.Errorf("read the payload: %w", err)
	}
	if row := p.RowRef(); row.ID != uuid.Nil {
		return row, nil
	}
	return tasks.Row{}, errors.New("read the payload: it names no row")
}

// jobs turns Asynq's tasks into leases of rows. It is an asynq.Handler.
type jobs struct {
	*Worker
	kinds    map[string]registered
	version  int // the newest version of payloads that is understood
	duration *prometheus.HistogramVec
	running  sync.WaitGroup
	busy     busy
	yield    *yield
}

func newJobs(w *Worker) *jobs {
	j := &jobs{
		Worker:  w,
		kinds:   w.Handlers.byKind(),
		version: tasks.Version,
		yield:   newYield(w),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "wosool_task_duration_seconds",
			Help:    "Attempts at tasks, by kind and outcome.",
			Buckets: []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, []string{"task", "outcome"}),
	}
	w.Metrics.MustRegister(j.duration)
	return j
}

// wait lets handlers that were cut off write what became of them.
func (j *jobs) wait(most time.Duration) {
	done := make(chan struct{})
	go func() {
		j.running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(most):
	}
}

// ProcessTask implements asynq.Handler.
func (j *jobs) ProcessTask(ctx context.Context, t *asynq.Task) error {
	j.running.Add(1)
	defer j.running.Done()
	kind, ok := j.kinds[t.Type()]
	if !ok {
		if !protect.UnknownKind {
			return fmt.Errorf("there is no handler for %s: %w", t.Type(), asynq.SkipRetry)
		}
		j.Log.WarnContext(ctx, "unknown kind of task is left to a newer worker", "task", t.Type())
		return &later{delay: 15 * time.Second, why: "no handler here for " + t.Type() + ": left to a newer worker"}
	}
	if v := tasks.VersionOf(t.Payload()); v > j.version && protect.NewerPayload {
		j.Log.WarnContext(ctx, "newer payload is left to a newer worker", "task", t.Type(), "version", v)
		return &later{delay: 15 * time.Second, why: "its payload is newer than this worker: left to a newer worker"}
	}
	row, err := kind.decode(t.Payload())
	if err != nil {
		return fmt.Errorf("%s: %w: %w", t.Type(), err, asynq.SkipRetry)
	}
	ref := store.Task{Kind: t.Type(), ID: row.ID, Epoch: row.Epoch}
	ctx = telemetry.With(ctx, slog.String("task", ref.Kind), slog.String("task_id", tasks.Ref(ref).TaskID()))

	ctx, over, ok := j.turn(ctx, ref)
	if !ok {
		return &later{why: "handed back: its worker stopped"}
	}
	defer over()
	begun := time.Now()
	lease, taken, err := j.DB.Take(ctx, ref, j.Intervals.Lease)
	if err != nil {
		j.Log.WarnContext(ctx, "task waits: its row cannot be taken", "error", err)
		return &later{delay: 2 * time.Second, why: "its row cannot be taken: PostgreSQL does not answer"}
	}
	switch taken {
	case store.TakenGone:
		return nil
	case store.TakenHeld:
		return &later{delay: time.Until(lease.Until), why: "held by another worker"}
	case store.TakenOurs:
	}
	defer j.busy.begin(lease)()
	if lease.Tenant != nil {
		ctx = telemetry.With(ctx, slog.String("tenant_id", lease.Tenant.String()))
	}
	next, err := j.leased(ctx, begun, lease, kind.Run)
	outcome, answer := j.settle(ctx, kind, lease, err)
	Ring(ctx, j.Queue, j.Log, next)
	j.duration.WithLabelValues(ref.Kind, outcome).Observe(time.Since(begun).Seconds())
	level := slog.LevelInfo
	if outcome == "failed" || outcome == "dead" {
		level = slog.LevelWarn
	}
	attrs := []slog.Attr{
		slog.Int("attempt", lease.Attempts+1), slog.String("outcome", outcome), slog.Duration("duration", time.Since(begun)),
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", reason(err)))
	}
	j.Log.LogAttrs(ctx, level, "task attempted", attrs...)
	return answer
}

// turn gives a task its turn: bulk work first steps aside for merchants that are
// being set up. What it returns is the task's context, and over, which the caller calls
// when the task is. ok is false where the process was told to stop meanwhile.
func (j *jobs) turn(ctx context.Context, ref store.Task) (inside context.Context, over func(), ok bool) {
	lane, _ := asynq.GetQueueName(ctx)
	if setsUp(lane, ref.Kind) {
		return ctx, j.yield.setup(tasks.Ref(ref).TaskID()), true
	}
	if _, bulk := bulkLanes()[lane]; bulk {
		inside, ok = j.yield.enter(ctx)
		return inside, func() {}, ok
	}
	return ctx, func() {}, true
}

// leased runs the handler while its lease is renewed. The handler's context ends
// before the lease does, so that nothing is written or called without it.
func (j *jobs) leased(
	ctx context.Context, taken time.Time, l store.Lease, run func(context.Context, store.Lease) ([]store.Task, error),
) ([]store.Task, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	var keeper sync.WaitGroup
	keeper.Go(func() { j.keep(ctx, cancel, done, taken, l) })
	next, err := recovered(ctx, l, run)
	close(done)
	keeper.Wait()
	if lost := context.Cause(ctx); err != nil && errors.Is(lost, fault.ErrLost) {
		return next, fault.ErrLost
	}
	return next, err
}

// recovered runs the handler and makes a panic an error like any other, so that
// it spends an attempt instead of being healed for ever.
func recovered(
	ctx context.Context, l store.Lease, run func(context.Context, store.Lease) ([]store.Task, error),
) (next []store.Task, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v at %s", p, debug.Stack())
		}
	}()
	return run(ctx, l)
}

// keep renews the lease until done. taken is the instant before the row was
// taken, by this process's own clock, which runs as fast as the database's.
func (j *jobs) keep(ctx context.Context, cancel context.CancelCauseFunc, done <-chan struct{}, taken time.Time, l store.Lease) {
	margin := j.Intervals.Lease / 10
	ends := taken.Add(j.Intervals.Lease - margin)
	end := time.NewTimer(time.Until(ends))
	defer end.Stop()
	renew := time.NewTicker(j.Intervals.LeaseRenew)
	defer renew.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-end.C:
			if !protect.HandlerEnds {
				continue
			}
			j.Log.WarnContext(ctx, "lease ends: it could not be renewed in time")
			cancel(fault.ErrLost)
			return
		case <-renew.C:
			asked := time.Now()
			// A renewal that hangs must not hold up the end.
			call, stop := context.WithTimeout(ctx, min(j.Intervals.LeaseRenew, time.Until(ends)))
			_, err := j.DB.Renew(call, l, j.Intervals.Lease)
			stop()
			switch {
			case errors.Is(err, fault.ErrLost):
				cancel(fault.ErrLost)
				return
			case err == nil:
				ends = asked.Add(j.Intervals.Lease - margin)
				end.Reset(time.Until(ends))
			}
		}
	}
}

// settle writes to the row what became of the attempt and gives Asynq's answer.
// It writes also where the handler's context is over.
func (j *jobs) settle(ctx context.Context, kind registered, l store.Lease, err error) (outcome string, answer error) {
	cut := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	wait, waits := errors.AsType[*fault.Wait](err)
	waits = waits && protect.Waiting
	switch {
	case err == nil:
		return "done", j.write(ctx, j.DB.Finish(ctx, l), nil)
	case errors.Is(err, fault.ErrLost):
		return "lost", nil
	case protect.HandBack && (errors.Is(err, fault.ErrHandBack) || cut && fault.Draining(ctx)):
		return "handed back", j.write(ctx, j.DB.HandBack(ctx, l), &later{why: "handed back: its worker stopped"})
	case waits && wait.Until.IsZero():
		return "waiting", j.write(ctx, j.DB.Postpone(ctx, l, time.Time{}, wait.Error()), nil)
	case waits:
		answer := &later{delay: time.Until(wait.Until), why: wait.Error()}
		return "waiting", j.write(ctx, j.DB.Postpone(ctx, l, wait.Until, wait.Error()), answer)
	case protect.OutageSpared && !permanent(err) && outage(err) && l.Attempts+spared >= kind.policy.Attempts:
		if circuit.OfProvider(err) && l.Failing >= hopeless {
			err = fmt.Errorf("it has failed for %d hours without one success: %w", int(l.Failing.Hours()), err)
			return j.dead(ctx, kind, l, err)
		}
		delay := kind.policy.Max + rand.N(kind.policy.Max/4)
		return "waiting", j.write(ctx, j.DB.Spare(ctx, l, delay, reason(err)), &later{delay: delay, why: reason(err)})
	case permanent(err) || l.Attempts+1 >= kind.policy.Attempts:
		return j.dead(ctx, kind, l, err)
	}
	delay := kind.policy.Delay(l.Attempts + 1)
	return "failed", j.write(ctx, j.DB.Retry(ctx, l, delay, reason(err)), &later{delay: delay, failure: true, why: reason(err)})
}

// dead makes the row a dead letter.
func (j *jobs) dead(ctx context.Context, kind registered, l store.Lease, err error) (outcome string, answer error) {
	giveUp := kind.GiveUp
	if giveUp == nil {
		giveUp = j.DB.GiveUp
	}
	return "dead", j.write(ctx, giveUp(ctx, l, reason(err)), fmt.Errorf("%s: %w", reason(err), asynq.SkipRetry))
}

// write turns the fate of the row's last write into the answer: a row that went
// on without us needs nothing more; one that could not be written is left to its
// lease's end and the sweeper.
func (j *jobs) write(ctx context.Context, err, answer error) error {
	switch {
	case errors.Is(err, fault.ErrLost):
		return nil
	case err != nil:
		j.Log.WarnContext(ctx, "outcome could not be written; the sweeper takes it up", "error", err)
		return &later{delay: j.Intervals.Lease, why: "its outcome could not be written"}
	}
	return answer
}

// Ring hands the tasks of what was committed to the queue, also where ctx is
// over. A failure is only told: the sweeper rings for every row that is due.
func Ring(ctx context.Context, queue *tasks.Enqueuer, log *slog.Logger, next []store.Task) {
	for _, t := range next {
		if err := queue.Wake(context.WithoutCancel(ctx), tasks.Ref(t)); err != nil {
			log.WarnContext(ctx, "could not enqueue; the sweeper will", "error", err)
			return
		}
	}
}

// spared is how many attempts an outage leaves to a row: they are for failures that
// are the work's own.
const spared = 3

// hopeless is for how long a provider may fail one piece of work, attempt by attempt
// and while it answers others so that its circuit is closed, before that is the work's
// own matter: a page, say, that it answers with 500 for ever. What was waited for, an
// open circuit above all, does not count. Our own servers have no such end: what they
// fail is mended by bringing them back.
const hopeless = 24 * time.Hour

// outage tells whether err is about the other side, and not about the work: that
// alone makes no dead letter, not while its circuit is closed either, until it is
// hopeless.
func outage(err error) bool { return circuit.Is(err) || store.IsOutage(err) }

// permanent tells whether another attempt cannot mend err.
func permanent(err error) bool {
	for _, kind := range []error{fault.ErrGaveUp, fault.Invalid, fault.NotFound, fault.Conflict, fault.Forbidden} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// reason is err in one bounded line, for rows, operators and Asynqmon.
func reason(err error) string {
	const most = 600
	text := strings.Join(strings.Fields(strings.TrimPrefix(err.Error(), fault.ErrGaveUp.Error()+": ")), " ")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
