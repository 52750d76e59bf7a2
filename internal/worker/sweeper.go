package worker

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// sweepLimit bounds the rows of one table that a round asks Redis about.
const sweepLimit = 500

// sweeper compares the rows with Redis and puts back what Redis lost. It never
// raises the epoch of a task that is pending, scheduled or in retry: a backlog
// or a paused lane is not a loss.
type sweeper struct {
	*Worker
}

func (s *sweeper) round(ctx context.Context) error {
	survived, err := s.Queue.Survived(ctx)
	if err != nil {
		return err
	}
	if protect.LanesKnown {
		if err := s.Queue.Register(ctx); err != nil {
			return err
		}
	}
	var problems []error
	if !survived && protect.Sentinel {
		problems = append(problems, s.refill(ctx))
	}
	for _, table := range s.DB.WorkTables() {
		problems = append(problems, s.takeBack(ctx, table), s.sweep(ctx, table))
	}
	for _, release := range []func(context.Context, int) ([]store.Task, error){
		s.DB.SweepEvents, s.DB.SweepReads, s.DB.SweepTenants,
	} {
		released, err := release(ctx, sweepLimit)
		problems = append(problems, err, s.ring(ctx, released))
	}
	return errors.Join(problems...)
}

// known tells whether this build knows a kind of task. Rows of others are a newer
// worker's, and its sweeper's when it leads.
func known(t store.Task) bool {
	_, err := tasks.PolicyOf(t.Kind)
	return err == nil
}

// takeBack gives the work of those who stopped without a word to others.
func (s *sweeper) takeBack(ctx context.Context, table string) error {
	abandoned, err := s.DB.LeasesOver(ctx, table, sweepLimit)
	if err != nil {
		return err
	}
	for _, t := range abandoned {
		if !known(t) || !protect.LeaseOver {
			continue
		}
		if err := s.heal(ctx, t, "its worker stopped without a word: the lease ran out"); err != nil {
			return err
		}
	}
	return nil
}

// refill enqueues every due row again after Redis lost everything. A Redis that
// is new has no mark either; what it has already is not counted as lost.
func (s *sweeper) refill(ctx context.Context) error {
	begun := time.Now()
	total := 0
	for _, table := range s.DB.WorkTables() {
		for {
			// What this refill has enqueued was asked about after it began.
			rows, err := s.DB.SweepBatch(ctx, table, time.Since(begun), sweepLimit)
			if err != nil {
				return err
			}
			if len(rows) == 0 {
				break
			}
			ids := make([]uuid.UUID, len(rows))
			for i, row := range rows {
				ids[i] = row.ID
				if !known(row.Task) {
					continue
				}
				added, err := s.Queue.Restore(ctx, tasks.Ref(row.Task))
				if err != nil {
					return err
				}
				if added {
					total++
				}
			}
			if err := s.DB.Asked(ctx, table, ids); err != nil {
				return err
			}
		}
	}
	if total > 0 {
		s.Log.WarnContext(ctx, "redis had lost its tasks; they are queued again", "tasks", total)
		if err := s.DB.NoteHealings(ctx, total, "Redis had lost everything: due work was queued again"); err != nil {
			return err
		}
	}
	return s.Queue.Mark(ctx)
}

// sweep asks Redis about the due rows of one table that it was longest not asked about.
func (s *sweeper) sweep(ctx context.Context, table string) error {
	rows, err := s.DB.SweepBatch(ctx, table, s.Intervals.Sweep, sweepLimit)
	if err != nil || len(rows) == 0 {
		return err
	}
	ids := make([]uuid.UUID, len(rows))
	for i, row := range rows {
		ids[i] = row.ID
		if !known(row.Task) {
			continue
		}
		if err := s.row(ctx, row); err != nil {
			return err
		}
	}
	return s.DB.Asked(ctx, table, ids)
}

func (s *sweeper) row(ctx context.Context, row store.SweepRow) error {
	state, err := s.Queue.Look(tasks.Ref(row.Task))
	if err != nil {
		return err
	}
	if state != tasks.Active && row.UnleasedSince != nil {
		if err := s.DB.NoteUnleased(ctx, row.Task, false); err != nil {
			return err
		}
	}
	switch state {
	case tasks.Unknown:
		if !protect.Forgotten {
			return nil
		}
		if err := s.Queue.Enqueue(ctx, tasks.Ref(row.Task)); err != nil {
			return err
		}
		return s.DB.NoteHealing(ctx, row.Task, "Redis did not know its task: queued again")
	case tasks.Later:
		return s.Queue.Wake(ctx, tasks.Ref(row.Task))
	case tasks.Active:
		if protect.Unleased && row.UnleasedSince != nil && time.Since(*row.UnleasedSince) > s.Intervals.Unleased {
			return s.heal(ctx, row.Task, "its task was active for long though no worker held the row")
		}
		return s.DB.NoteUnleased(ctx, row.Task, true)
	case tasks.Archived:
		if !protect.ArchivedRow {
			return nil
		}
		return s.heal(ctx, row.Task, "its task was archived though the row is unfinished")
	case tasks.Over:
		return s.heal(ctx, row.Task, "its task was completed though the row is unfinished")
	case tasks.Queued:
		if !protect.Backlog {
			return s.heal(ctx, row.Task, "its task is pending")
		}
	}
	return nil
}

// heal gives the row a new epoch and enqueues that.
func (s *sweeper) heal(ctx context.Context, t store.Task, why string) error {
	next, ok, err := s.DB.Heal(ctx, t, why)
	if err != nil || !ok {
		return err
	}
	s.Log.WarnContext(ctx, "healed", "task", t.Kind, "row", t.ID, "epoch", next.Epoch, "reason", why)
	return s.Queue.Enqueue(ctx, tasks.Ref(next))
}
