package main

import (
	"context"
	"runtime"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/worker"
)

// polite is access for imports. Once a call is answered, what it brought is landed:
// that is what keeps the processors and PostgreSQL busy, so before it a merchant who
// is being set up goes first.
type polite struct{ *access.Access }

// Do implements imports.Access.
func (p polite) Do(
	ctx context.Context, tenantID uuid.UUID, merchant int64, class budget.Class,
	fn func(ctx context.Context, c *salla.Client) error,
) error {
	err := p.Access.Do(ctx, tenantID, merchant, class, fn)
	if err == nil {
		worker.StepAside(ctx)
	}
	return err
}

// landings are the places of a process to land pages in: what they keep busy are the
// processors, so more than there are only stand in each other's way, and in the way
// of a merchant who is being set up.
type landings chan struct{}

const (
	landingLook = 20 * time.Millisecond // between two looks at who goes first
	// landingLong is after what a landing no longer keeps a processor busy but waits: for
	// a database that is locked, or does not answer. It is one merchant's, and must not
	// hold up everybody's pages.
	landingLong = time.Second
)

func newLandings() landings { return make(landings, runtime.GOMAXPROCS(0)) }

// take waits for a place, which release gives back, or landingLong. It steps aside
// before it has one, never in it: whoever holds a place would make the pages behind it
// wait, one after the other.
func (l landings) take(ctx context.Context) (release func(), err error) {
	for {
		worker.StepAside(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		select {
		case l <- struct{}{}:
			leave := sync.OnceFunc(func() { <-l })
			long := time.AfterFunc(landingLong, leave)
			return func() { long.Stop(); leave() }, nil
		case <-ctx.Done():
		case <-time.After(landingLook):
		}
	}
}
