package main

import (
	"context"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/web"
)

// page is how lists are printed as JSON: as the operator API answers them.
type page[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next"`
}

type tenantsListCmd struct {
	Merchant *int64 `help:"Only the store of this number."`
	Status   string `enum:",pending,provisioning,ready,failed,suspended,deprovisioning,deleted" default:"" help:"Only tenants of this status."`
	Search   string `short:"q" placeholder:"TEXT" help:"Words of the name, or the beginning of slug, merchant or id."`
	Limit    int    `default:"50" help:"At most this many, up to 200."`
	After    string `placeholder:"ID" help:"Go on after this tenant: the last one of the page before."`
}

// Run lists tenants.
func (c *tenantsListCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	f := store.TenantFilter{Merchant: c.Merchant, Status: c.Status, Q: c.Search}
	size, err := limit(c.Limit)
	if err != nil {
		return err
	}
	f.Limit = size + 1
	if c.After != "" {
		if f.Cursor, err = uuid.Parse(c.After); err != nil {
			return fault.New(fault.Invalid, "--after takes the id of a tenant")
		}
	}
	found, err := db.Tenants(ctx, f)
	if err != nil {
		return err
	}
	var p page[web.Tenant]
	if len(found) > size {
		found = found[:size]
		next := found[size-1].ID.String()
		p.Next = &next
	}
	if p.Data, err = web.TenantRows(ctx, db, found); err != nil {
		return err
	}
	return a.print(p, func(w io.Writer) {
		row(w, "ID", "SLUG", "NAME", "MERCHANT", "STATUS", "CONNECTION", "CREATED", "READY")
		for _, t := range p.Data {
			connection := ""
			if t.Connection != nil {
				connection = t.Connection.State
			}
			row(w, t.ID, t.Slug, t.Name, t.Merchant, t.Status, connection, t.CreatedAt, t.ReadyAt)
		}
		if p.Next != nil {
			fmt.Fprintf(w, "There are more: --after %s\n", *p.Next)
		}
	})
}

type tenantsShowCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run shows one tenant.
func (c *tenantsShowCmd) Run(ctx context.Context, a *app) error {
	db, _, err := a.open(ctx)
	if err != nil {
		return err
	}
	t, err := findTenant(ctx, db, c.Tenant)
	if err != nil {
		return err
	}
	return a.showTenant(ctx, db, t)
}

type tenantsCreateCmd struct {
	Name       string `required:"" help:"What people call it."`
	Slug       string `required:"" help:"3 to 40 of a-z, 0-9 and -."`
	OwnerEmail string `required:"" help:"The e-mail of its owner."`
	Merchant   *int64 `help:"The number of its Salla store, if it has one already."`
}

// Run registers a tenant.
func (c *tenantsCreateCmd) Run(ctx context.Context, a *app) error {
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	t, todo, err := db.CreateTenant(ctx, tenant.Given{
		Name: c.Name, Slug: c.Slug, OwnerEmail: c.OwnerEmail, Merchant: c.Merchant,
	}, a.actor())
	if err != nil {
		return err
	}
	a.ring(ctx, cfg, todo)
	return a.showTenant(ctx, db, t)
}

type tenantsRetryCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run retries a tenant.
func (c *tenantsRetryCmd) Run(ctx context.Context, a *app) error {
	return a.act(ctx, c.Tenant, (*store.DB).RetryTenant)
}

type tenantsSuspendCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run suspends a tenant.
func (c *tenantsSuspendCmd) Run(ctx context.Context, a *app) error {
	return a.act(ctx, c.Tenant, (*store.DB).SuspendTenant)
}

type tenantsResumeCmd struct {
	Tenant string `arg:"" help:"The tenant's id, merchant or slug."`
}

// Run resumes a tenant.
func (c *tenantsResumeCmd) Run(ctx context.Context, a *app) error {
	return a.act(ctx, c.Tenant, (*store.DB).ResumeTenant)
}

// open opens the control database at this build's version.
func (a *app) open(ctx context.Context) (*store.DB, config.Config, error) {
	cfg, err := a.settings()
	if err != nil {
		return nil, cfg, err
	}
	db, err := a.database(ctx, cfg)
	return db, cfg, err
}

// act does one act on a tenant and shows the tenant after it.
func (a *app) act(ctx context.Context, text string,
	do func(*store.DB, context.Context, uuid.UUID, store.Actor) (store.Tenant, []store.Task, error),
) error {
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	t, err := findTenant(ctx, db, text)
	if err != nil {
		return err
	}
	t, todo, err := do(db, ctx, t.ID, a.actor())
	if err != nil {
		return err
	}
	a.ring(ctx, cfg, todo)
	return a.showTenant(ctx, db, t)
}

// showTenant prints a tenant with its steps and imports.
func (a *app) showTenant(ctx context.Context, db *store.DB, t store.Tenant) error {
	d, err := web.WholeTenant(ctx, db, t)
	if err != nil {
		return err
	}
	return a.print(d, func(w io.Writer) {
		status := d.Status
		if d.SuspendedBy != nil {
			status += " by " + *d.SuspendedBy
		}
		row(w, "tenant", d.ID)
		row(w, "name", d.Name)
		row(w, "slug", d.Slug)
		row(w, "merchant", d.Merchant)
		row(w, "status", status)
		row(w, "created", d.CreatedAt)
		row(w, "ready", d.ReadyAt)
		if d.Connection != nil {
			row(w, "connection", d.Connection.State+", expires "+cell(d.Connection.ExpiresAt))
		}
		if d.Database != nil {
			row(w, "database", d.Database.Name+" on "+d.Database.Server)
		}
		row(w, "organization", d.Clerk.OrganizationID)
		row(w, "owner", d.Clerk.Owner)
		row(w)
		row(w, "STEP", "STATUS", "ATTEMPT", "STARTED", "FINISHED", "ERROR")
		for _, s := range d.Steps {
			row(w, s.Name, s.Status, s.Attempt, s.StartedAt, s.FinishedAt, s.Error)
		}
		importTable(w, d.Imports)
	})
}

// limit refuses what a list does not give.
func limit(n int) (int, error) {
	if n < 1 || n > 200 {
		return 0, fault.New(fault.Invalid, "--limit takes 1 to 200")
	}
	return n, nil
}
