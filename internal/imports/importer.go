// Package imports fills a tenant's database from Salla and keeps it fresh: runs
// over whole lists, single reads, and what events bring. It turns documents into
// records; how those are ordered and merged is tenantdb's.
//
//	import:start   opens the streams of a run
//	import:page    one page: open (fence), one call, map, commit, mirror
//	import:finish  compares with the source: another pass, the details, or the end
//	entity:read    one record again
package imports

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Access makes one call to Salla as a tenant, within its budget: fn makes exactly
// one call with the client. Where the call has to wait it returns a *fault.Wait.
type Access interface {
	Do(ctx context.Context, tenantID uuid.UUID, merchant int64, class budget.Class,
		fn func(ctx context.Context, c *salla.Client) error) error
}

// Importer does the work of imports. DB, Access, Open and Log are required.
type Importer struct {
	DB     *store.DB
	Access Access
	// Open opens a tenant's database as the tenant's own role.
	Open func(ctx context.Context, tenantID uuid.UUID) (*tenantdb.DB, error)
	Log  *slog.Logger

	// Landing is called before a page of a tenant is landed and gives what is called after
	// it: a place among the few that a process lands at a time. nil: any number.
	Landing func(ctx context.Context, tenantID uuid.UUID) (release func(), err error)

	PerPage int // records of a page; 0: as many as Salla gives
	Ahead   int // pages of a numbered list that are read at once; 0: 3
	Details int // orders of a page of details, two calls each; 0: 20
	Window  int // orders of a window of dates; 0: 1500
}

func (im *Importer) perPage() int { return or(im.PerPage, salla.MaxPerPage) }
func (im *Importer) ahead() int   { return or(im.Ahead, 3) }
func (im *Importer) details() int { return or(im.Details, 20) }
func (im *Importer) window() int  { return or(im.Window, 1500) }

func or(n, preset int) int {
	if n > 0 {
		return n
	}
	return preset
}

// recheck is how long work waits that was told to wait for what has already come.
const recheck = 2 * time.Second

// ready refuses work whose tenant cannot be asked now. The wait it returns is
// ended by whoever makes the tenant ready again.
func ready(status string, merchant *int64) error {
	switch {
	case status == string(tenant.Suspended):
		return fault.WaitFor("the tenant to be resumed")
	case status != string(tenant.Ready):
		return fault.WaitFor("the tenant to be ready")
	case merchant == nil:
		return fault.WaitFor("a store to grant access")
	}
	return nil
}

// gone tells whether a tenant's work has no purpose any more.
func gone(status string) bool {
	return status == string(tenant.Deprovisioning) || status == string(tenant.Deleted)
}

// outcome is the last step of every handler. A wait without a time is written so
// that whoever ends it finds it; and what failed for good because the tenant was
// suspended meanwhile (its role may not sign in, its token is gone) waits too.
func (im *Importer) outcome(ctx context.Context, l store.Lease, tenantID uuid.UUID, err error) error {
	wait, waits := errors.AsType[*fault.Wait](err)
	switch {
	case err == nil, waits && !wait.Until.IsZero(), !waits && !refused(err):
		return err
	}
	why := "the tenant to be resumed, or its grant renewed"
	if waits {
		why = wait.For
	}
	parked, _, parking := im.DB.ParkWork(ctx, l, tenantID, why)
	switch {
	case parking != nil:
		return parking
	case parked:
		return nil
	case waits:
		return fault.WaitUntil(time.Now().Add(recheck), "%s", wait.For)
	}
	return err
}

// refused tells whether err may come from a tenant that is not in use.
func refused(err error) bool {
	return errors.Is(err, fault.Forbidden) || errors.Is(err, fault.Conflict) || errors.Is(err, fault.NotFound)
}

// call makes one call to Salla that gives a T.
func call[T any](ctx context.Context, im *Importer, tenantID uuid.UUID, merchant int64, class budget.Class,
	fn func(ctx context.Context, c *salla.Client) (T, error),
) (T, error) {
	var v T
	err := im.Access.Do(ctx, tenantID, merchant, class, func(ctx context.Context, c *salla.Client) error {
		var err error
		v, err = fn(ctx, c)
		return err
	})
	return v, err
}

// classOf gives the budget class of a call for a resource.
func classOf(class budget.Class, resource string) budget.Class {
	if resource == tenantdb.Customers {
		return class.OfCustomers()
	}
	return class
}
