package worker

import (
	"context"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// leaderName is the leader's lease in PostgreSQL. The loops are no tasks: what
// heals Redis may not live in it.
const leaderName = "worker"

// lead runs the loops while this process holds the leader's lease.
func (w *Worker) lead(ctx context.Context) {
	holder := uuid.New()
	var stop func()     // ends the loops; nil while another process leads
	ended := time.Now() // when the lease is over by our own clock
	quit := func() {
		if stop != nil {
			stop()
			stop = nil
		}
	}
	defer quit()
	for {
		asked := time.Now()
		call, cancel := context.WithTimeout(ctx, w.Intervals.LeaderRenew)
		mine, err := w.DB.Lead(call, leaderName, holder, w.Intervals.LeaderLease)
		cancel()
		switch {
		case err == nil && mine:
			ended = asked.Add(w.Intervals.LeaderLease)
			if stop == nil {
				w.Log.InfoContext(ctx, "this worker leads")
				stop = w.startLoops(ctx)
			}
		case err == nil, time.Now().After(ended.Add(-w.Intervals.LeaderRenew)):
			quit()
		}
		select {
		case <-ctx.Done():
			quit()
			call, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			if err := w.DB.Resign(call, leaderName, holder); err != nil {
				w.Log.WarnContext(ctx, "could not give back the leader's lease", "error", err)
			}
			return
		case <-time.After(w.Intervals.LeaderRenew):
		}
	}
}

// startLoops starts the leader's loops; stop ends them and waits for that.
func (w *Worker) startLoops(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	var loops sync.WaitGroup
	s := &sweeper{Worker: w}
	loops.Go(func() { w.every(ctx, "sweep", w.Intervals.Sweep, s.round) })
	loops.Go(func() { w.every(ctx, "schedule", w.Intervals.Schedule, w.schedule) })
	loops.Go(func() { w.every(ctx, "prune", w.Intervals.Prune, w.prune) })
	loops.Go(func() { w.every(ctx, "figures", figuresEvery, w.rollFigures) })
	if w.Tend != nil {
		loops.Go(func() { w.every(ctx, "circuits", w.Intervals.Schedule, w.Tend) })
	}
	return func() {
		cancel()
		loops.Wait()
	}
}

// every runs round at once and then again and again; what fails is told and
// tried again next time.
func (w *Worker) every(ctx context.Context, name string, pause time.Duration, round func(context.Context) error) {
	for {
		if err := round(ctx); err != nil && ctx.Err() == nil {
			w.Log.WarnContext(ctx, "leader's round failed", "loop", name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// scheduleLimit bounds what one round of a loop makes due.
const scheduleLimit = 500

// schedule makes due what time alone makes due: schema targets, token refreshes,
// reconciles, and the first import of a tenant that has none.
func (w *Worker) schedule(ctx context.Context) error {
	targets, err := w.DB.EnsureTargets(ctx, w.Servers, w.Model)
	if err != nil {
		return err
	}
	refreshes, err := w.DB.RefreshDue(ctx, scheduleLimit)
	if err != nil {
		return err
	}
	runs, err := w.DB.ReconcileDue(ctx, w.Intervals.Reconcile, scheduleLimit)
	if err != nil {
		return err
	}
	return w.ring(ctx, targets, refreshes, runs)
}

// prune keeps partitions ahead of time and drops what retention is over for.
func (w *Worker) prune(ctx context.Context) error {
	if err := w.DB.EnsurePartitions(ctx, time.Now()); err != nil {
		return err
	}
	if err := w.DB.PruneInstalls(ctx); err != nil {
		return err
	}
	if err := w.DB.PruneCircuits(ctx); err != nil {
		return err
	}
	if err := w.DB.PruneImports(ctx); err != nil {
		return err
	}
	if err := w.DB.PruneTries(ctx); err != nil {
		return err
	}
	return w.DB.DropExpired(ctx, w.Retention)
}

// figuresEvery is how often the console's figures are rolled up.
const figuresEvery = 10 * time.Second

// rollFigures keeps the figures that the console draws.
func (w *Worker) rollFigures(ctx context.Context) error {
	_, err := w.DB.RollFigures(ctx)
	return err
}

func (w *Worker) ring(ctx context.Context, batches ...[]store.Task) error {
	for _, batch := range batches {
		for _, t := range batch {
			if err := w.Queue.Wake(ctx, tasks.Ref(t)); err != nil {
				return err
			}
		}
	}
	return nil
}
