// Package bulk goes through the items of a bulk act, some at a time. What an act is
// and may be done to is the store's: this is its pace, and what it does where an item
// fails.
package bulk

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// turn is how many items one task does before the next one has its turn.
const turn = 50

// Applier does bulk acts. It is safe for concurrent use.
type Applier struct {
	DB  *store.DB
	Log *slog.Logger
}

// Apply does the next items of the leased bulk act, each in a transaction of its own,
// and hands the act on. It returns the tasks of what goes on now, also with an error:
// what was done is done. Killed between any two statements it has done each item once
// or not at all.
func (a *Applier) Apply(ctx context.Context, l store.Lease) ([]store.Task, error) {
	act, items, err := a.DB.BulkTurn(ctx, l, turn)
	if err != nil {
		return nil, err
	}
	var tasks []store.Task
	for _, n := range items {
		if fault.Draining(ctx) {
			return tasks, fault.ErrHandBack
		}
		next, err := a.DB.ApplyBulkItem(ctx, l, act, n)
		tasks = append(tasks, next...)
		if err != nil && failsAlone(ctx, err) {
			a.Log.WarnContext(ctx, "an item of a bulk act failed", "bulk", act.ID, "item", n, "error", err)
			err = a.DB.FailBulkItem(ctx, l, n, fmt.Sprintf("it could not be done; the log has more under bulk %s item %d", act.ID, n))
		}
		if errors.Is(err, store.ErrBulkStopped) {
			break
		}
		if err != nil {
			return tasks, err
		}
	}
	next, err := a.DB.EndBulkTurn(ctx, l)
	return append(tasks, next...), err
}

// failsAlone tells whether an error is about one item, so that the others go on.
func failsAlone(ctx context.Context, err error) bool {
	return ctx.Err() == nil && !errors.Is(err, store.ErrBulkStopped) && !store.IsOutage(err)
}
