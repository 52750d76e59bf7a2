package imports

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// riyadh is the zone that the source's dates are taken in.
var riyadh = time.FixedZone("Asia/Riyadh", 3*60*60)

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
	return im.DB.StartRun(ctx, l, im.firstStreams(run))
}

// firstStreams gives how each list of a run is read. Orders are read in the order
// they were placed, so that new ones do not shift the pages; a reconcile reads
// them by their last update, newest first, until a page has nothing new.
func (im *Importer) firstStreams(run store.Run) []store.NewStream {
	var streams []store.NewStream
	for _, resource := range lists() {
		if !slices.Contains(run.Resources, resource) {
			continue
		}
		s := im.wholePass(resource, 1)
		if resource == tenantdb.Orders {
			switch {
			case run.Since != nil:
				s.FromDate = run.Since.In(riyadh).Format(time.DateOnly)
			case run.Kind == store.RunReconcile:
				s.SortBy, s.UntilKnown = "updated_at-desc", true
			}
		}
		streams = append(streams, s)
	}
	return streams
}

// wholePass reads all of a list.
func (im *Importer) wholePass(resource string, pass int) store.NewStream {
	s := store.NewStream{Resource: resource, Pass: pass, PerPage: im.perPage()}
	if resource == tenantdb.Orders {
		s.SortBy = "created_at-asc"
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
