package worker

import (
	"context"
	"time"

	"github.com/google/uuid"

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
	if err := s.Queue.Register(ctx); err != nil {
		return err
	}
	if !survived {
		if err := s.refill(ctx); err != nil {
			return err
		}
	}
	for _, table := range s.DB.WorkTables() {
		if err := s.sweep(ctx, table); err != nil {
			return err
		}
	}
	events, err := s.DB.SweepEvents(ctx, sweepLimit)
	if err != nil {
		return err
	}
	reads, err := s.DB.SweepReads(ctx, sweepLimit)
	if err != nil {
		return err
	}
	tenants, err := s.DB.SweepTenants(ctx, sweepLimit)
	if err != nil {
		return err
	}
	return s.ring(ctx, events, reads, tenants)
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
				if row.LeaseOver {
					continue // the sweep that follows heals it with a new epoch
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
		if err := s.row(ctx, row); err != nil {
			return err
		}
	}
	return s.DB.Asked(ctx, table, ids)
}

func (s *sweeper) row(ctx context.Context, row store.SweepRow) error {
	if row.LeaseOver {
		return s.heal(ctx, row.Task, "its worker stopped without a word: the lease ran out")
	}
	known, err := s.Queue.Look(tasks.Ref(row.Task))
	if err != nil {
		return err
	}
	if known != tasks.Active && row.UnleasedSince != nil {
		if err := s.DB.NoteUnleased(ctx, row.Task, false); err != nil {
			return err
		}
	}
	switch known {
	case tasks.Unknown:
		if err := s.Queue.Enqueue(ctx, tasks.Ref(row.Task)); err != nil {
			return err
		}
		return s.DB.NoteHealing(ctx, row.Task, "Redis did not know its task: queued again")
	case tasks.Later:
		return s.Queue.Wake(ctx, tasks.Ref(row.Task))
	case tasks.Active:
		if row.UnleasedSince != nil && time.Since(*row.UnleasedSince) > s.Intervals.Unleased {
			return s.heal(ctx, row.Task, "its task was active for long though no worker held the row")
		}
		return s.DB.NoteUnleased(ctx, row.Task, true)
	case tasks.Archived:
		return s.heal(ctx, row.Task, "its task was archived though the row is unfinished")
	case tasks.Over:
		return s.heal(ctx, row.Task, "its task was completed though the row is unfinished")
	case tasks.Queued:
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
