package web

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wosool/wosool/internal/store"
)

// failedWorkFor is how long the summary of failed work is shown to whoever asks
// next: grouping thousands of reasons costs PostgreSQL most of a second.
const failedWorkFor = 12 * time.Second

// failedWork keeps the last summary of failed work, so that any number of readers
// cost no more than one. Its zero value is ready for use.
type failedWork struct {
	once    sync.Once
	turn    chan struct{} // holds one token: who has it may look
	at      time.Time     // when kept was looked at; zero: never
	kept    store.DeadSummary
	changed atomic.Bool // kept is known not to be so any more
}

// get returns the summary, made by look where there is none that is new enough.
func (w *failedWork) get(ctx context.Context, look func(context.Context) (store.DeadSummary, error)) (store.DeadSummary, error) {
	w.once.Do(func() { w.turn = make(chan struct{}, 1) })
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return store.DeadSummary{}, ctx.Err()
	}
	if changed := w.changed.Swap(false); !changed && !w.at.IsZero() && time.Since(w.at) < failedWorkFor {
		return w.kept, nil
	}
	w.at = time.Time{}
	next, err := look(ctx)
	if err != nil {
		return store.DeadSummary{}, err
	}
	w.kept, w.at = next, time.Now()
	return next, nil
}

// forget makes the next reader look anew: an operator sees what their act did.
func (w *failedWork) forget() { w.changed.Store(true) }
