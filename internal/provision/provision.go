// Package provision brings tenants to life: it runs their steps, each of which
// asks whether it is done already, writes its intent, acts, reads back what it
// did and records it. So any of them may be cut off anywhere and run again.
// It also closes and opens the databases of suspended tenants, and makes the
// templates that databases are cloned from.
package provision

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Provisioner runs tenants' life cycle. All fields but Circuits and Settle are
// required.
type Provisioner struct {
	DB      *store.DB
	Access  Access
	Clerk   *clerk.Client
	Servers *tenantdb.Servers
	Keys    Sealer
	Log     *slog.Logger

	// Circuits keep the calls to Clerk away from it while it does not answer, all or
	// those for one tenant; nil: every call is made.
	Circuits *circuit.Circuits

	PublicURL string // where the world reaches the api
	Strategy  string // how Salla is to protect its deliveries: signature or token
	Secret    string // what it is to protect them with: the webhook secret in force

	// Settle is how long Clerk is given to show what a lost request may have made,
	// before the request is made again; zero means 3 s.
	Settle time.Duration
}

// Access reaches what belongs to one tenant: Salla by its grant and within its
// budget, and its database by its own role.
type Access interface {
	Do(ctx context.Context, tenantID uuid.UUID, merchant int64, class budget.Class,
		fn func(ctx context.Context, c *salla.Client) error) error
	Open(ctx context.Context, tenantID uuid.UUID) (*tenantdb.DB, error)
}

// Sealer seals what is secret for the one place it is kept in.
type Sealer interface {
	Seal(plain []byte, ad string) ([]byte, error)
	Open(sealed []byte, ad string) ([]byte, error)
}

// errSkip ends a step that has nothing to do for now.
type errSkip struct{ why string }

func (e *errSkip) Error() string { return e.why }

// round is one attempt at a tenant's provisioning.
type round struct {
	*Provisioner
	Clerk *clerk.Client // as this tenant
	lease store.Lease
	id    uuid.UUID
}

// Run runs a tenant's steps from the first unfinished one; with the last of them
// the tenant is ready. It stops between steps where the process drains.
func (p *Provisioner) Run(ctx context.Context, lease store.Lease) ([]store.Task, error) {
	t, err := p.DB.BeginProvisioning(ctx, lease)
	if err != nil {
		return nil, err
	}
	switch tenant.Status(t.Status) {
	case tenant.Provisioning, tenant.Ready:
	case tenant.Pending:
		return nil, fault.WaitFor("the store's grant")
	default: // it was moved on, and its row has another task by now
		return nil, nil
	}
	if err := p.steps(ctx, lease); err != nil {
		return nil, err
	}
	return p.DB.MarkReady(ctx, lease)
}

// steps runs what is unfinished of a tenant's steps, in their order.
func (p *Provisioner) steps(ctx context.Context, lease store.Lease) error {
	steps, err := p.DB.Steps(ctx, lease.ID)
	if err != nil {
		return err
	}
	r := &round{Provisioner: p, Clerk: p.clerkFor(lease.ID), lease: lease, id: lease.ID}
	for _, s := range steps {
		if s.Over() {
			continue
		}
		if fault.Draining(ctx) {
			return fault.ErrHandBack
		}
		if err := r.step(ctx, tenant.Step(s.Name)); err != nil {
			return err
		}
	}
	return nil
}

// clerkFor is Clerk for the calls of one tenant.
func (p *Provisioner) clerkFor(id uuid.UUID) *clerk.Client {
	if p.Circuits == nil {
		return p.Clerk
	}
	own := *p.Clerk
	own.Guard = p.Circuits.Clerk(id).Guard
	return &own
}

// step runs one step and records what became of it.
func (r *round) step(ctx context.Context, name tenant.Step) error {
	if err := r.DB.StepRunning(ctx, r.lease, name); err != nil {
		return err
	}
	err := r.do(ctx, name)
	if err == nil {
		return r.DB.StepDone(ctx, r.lease, name)
	}
	if skip, ok := errors.AsType[*errSkip](err); ok {
		return r.DB.StepSkipped(ctx, r.lease, name, skip.why)
	}
	if errors.Is(err, fault.ErrLost) || errors.Is(err, fault.ErrHandBack) || ctx.Err() != nil {
		return err
	}
	err = inWords(name, err)
	note := r.DB.StepError
	if _, waits := errors.AsType[*fault.Wait](err); waits {
		note = r.DB.StepWaiting
	}
	if noted := note(ctx, r.lease, name, err.Error()); noted != nil {
		return noted
	}
	return err
}

func (r *round) do(ctx context.Context, name tenant.Step) error {
	t, err := r.DB.Tenant(ctx, r.id)
	if err != nil {
		return err
	}
	switch name {
	case tenant.StepStore:
		return r.store(ctx, t)
	case tenant.StepIdentity:
		return r.identity(ctx, t)
	case tenant.StepDatabase:
		return r.database(ctx, t)
	case tenant.StepSeed:
		return r.seed(ctx, t)
	case tenant.StepWorkspace:
		return &errSkip{"Twenty is not configured"}
	case tenant.StepSubscriptions:
		return r.subscriptions(ctx, t)
	case tenant.StepVerify:
		return r.verify(ctx, t)
	}
	return fault.New(fault.Invalid, "there is no step called %s", name)
}

// intent reads what a step wrote that it was going to make.
func (r *round) intent(ctx context.Context, name tenant.Step, into any) error {
	steps, err := r.DB.Steps(ctx, r.id)
	if err != nil {
		return err
	}
	for _, s := range steps {
		if s.Name == string(name) {
			return decode(s.Intent, into)
		}
	}
	return nil
}

// GiveUp makes a dead letter of a tenant's work: provisioning fails with the
// tenant and the step that it stopped at.
func (p *Provisioner) GiveUp(ctx context.Context, lease store.Lease, reason string) error {
	switch lease.Kind {
	case store.KindTenantProvision, store.KindTenantResume:
		return p.DB.FailProvisioning(ctx, lease, reason)
	}
	return p.DB.GiveUp(ctx, lease, reason)
}
