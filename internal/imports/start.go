package imports

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// createdAscending keeps what comes in at the end of a list.
const createdAscending = "created_at-asc"

// Start opens a run: a stream for each of its lists, with its first page. It makes
// no call. A run whose tenant is suspended, or has no grant, waits.
func (im *Importer) Start(ctx context.Context, l store.Lease) ([]store.Task, error) {
	run, err := im.DB.Run(ctx, l.ID)
	if err != nil {
		return nil, err
	}
	t, err := im.DB.Tenant(ctx, run.TenantID)
	if err != nil {
		return nil, err
	}
	if gone(t.Status) {
		return nil, im.DB.CancelLeasedRun(ctx, run.ID, "the tenant is "+t.Status)
	}
	parked, _, err := im.DB.ParkWork(ctx, l, run.TenantID, "a ready tenant with a grant")
	if err != nil || parked {
		return nil, err
	}
	streams, err := im.firstStreams(ctx, run)
	if err != nil {
		return nil, err
	}
	return im.DB.StartRun(ctx, l, streams)
}

// trusted is how long a whole pass over a list is good for whose newest part tells
// what is new. All stores share one limit on customers, so that not all can be read
// every day.
func trusted(resource string) time.Duration {
	if resource == tenantdb.Orders {
		return 30 * 24 * time.Hour
	}
	return 7 * 24 * time.Hour
}

// firstStreams gives how each list of a run is read. Orders are read in the order
// they were placed, so that new ones do not shift the pages; where a whole pass has
// proved them lately, by their last update, newest first, until a page has nothing
// new. So it is with customers, whose list is newest first. A run by hand reads
// everything.
func (im *Importer) firstStreams(ctx context.Context, run store.Run) ([]store.NewStream, error) {
	var streams []store.NewStream
	for _, resource := range lists() {
		if !slices.Contains(run.Resources, resource) {
			continue
		}
		s := im.wholePass(resource, 1)
		switch {
		case resource == tenantdb.Orders && run.Since != nil:
			s.FromDate = run.Since.In(salla.Riyadh()).Format(time.DateOnly)
		case run.Kind != store.RunManual && (resource == tenantdb.Orders || resource == tenantdb.Customers):
			at, err := im.DB.WholePassAt(ctx, run.TenantID, resource)
			if err != nil {
				return nil, err
			}
			s.UntilKnown = at != nil && time.Since(*at) < trusted(resource)
			if s.UntilKnown && resource == tenantdb.Orders {
				s.SortBy = "updated_at-desc"
			}
		}
		streams = append(streams, s)
	}
	return streams, nil
}

// wholePass reads all of a list.
func (im *Importer) wholePass(resource string, pass int) store.NewStream {
	s := store.NewStream{Resource: resource, Pass: pass, PerPage: im.perPage()}
	if resource == tenantdb.Orders {
		s.SortBy = createdAscending
	}
	return s
}

// lists names the resources that have a list, in the order they are opened:
// people first, for orders and carts belong to them.
func lists() []string {
	return []string{tenantdb.Customers, tenantdb.Products, tenantdb.Orders, tenantdb.Carts}
}

// GiveUpRun makes a run's dead letter, and marks the run failed.
func (im *Importer) GiveUpRun(ctx context.Context, l store.Lease, reason string) error {
	if err := im.DB.GiveUpRun(ctx, l, reason); err != nil {
		return fmt.Errorf("give up run: %w", err)
	}
	return nil
}

// GiveUpPage makes a page's dead letter, and marks its stream failed. The run's
// other streams go on.
func (im *Importer) GiveUpPage(ctx context.Context, l store.Lease, reason string) error {
	if err := im.DB.GiveUpPage(ctx, l, reason); err != nil {
		return fmt.Errorf("give up page: %w", err)
	}
	return nil
}
