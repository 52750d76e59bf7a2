package provision

import (
	"context"
	"time"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// newerWorker is how long work that only a newer version can do is left to it.
const newerWorker = 30 * time.Second

// Suspend closes a suspended tenant's database: its role may not sign in any
// more and its sessions end. It asks nobody outside, so it needs no grant.
func (p *Provisioner) Suspend(ctx context.Context, lease store.Lease) ([]store.Task, error) {
	return nil, p.setLogin(ctx, lease, false)
}

// Resume opens a suspended tenant's database, moves the tenant back to what it
// was and sets going what waited for it. Of a tenant that goes back to ready, what
// is unfinished is done first, above all what an uninstall has taken away: it is
// never ready while it is not whole.
func (p *Provisioner) Resume(ctx context.Context, lease store.Lease) ([]store.Task, error) {
	if err := p.setLogin(ctx, lease, true); err != nil {
		return nil, err
	}
	t, err := p.DB.Tenant(ctx, lease.ID)
	if err != nil {
		return nil, err
	}
	if deref(t.ResumeStatus) == string(tenant.Ready) {
		if err := p.steps(ctx, lease); err != nil {
			return nil, err
		}
	}
	return p.DB.Resumed(ctx, lease)
}

// setLogin opens or closes the tenant's database to its role; one that was never
// made, or not yet, needs neither.
func (p *Provisioner) setLogin(ctx context.Context, lease store.Lease, allowed bool) error {
	t, err := p.DB.Tenant(ctx, lease.ID)
	if err != nil {
		return err
	}
	if t.DatabaseServer == nil || t.DatabaseName == nil || t.DatabaseRole == nil {
		return nil
	}
	server, name, role := *t.DatabaseServer, *t.DatabaseName, *t.DatabaseRole
	facts, err := p.Servers.Inspect(ctx, server, name, role)
	if err != nil {
		return databaseWords(err)
	}
	if !facts.RoleExists {
		return nil
	}
	if err := p.Servers.SetLogin(ctx, server, name, role, allowed); err != nil {
		return databaseWords(err)
	}
	return nil
}

// Bootstrap makes the template of one server of tenant databases and records the
// version of its model.
func (p *Provisioner) Bootstrap(ctx context.Context, lease store.Lease) ([]store.Task, error) {
	target, err := p.DB.Target(ctx, lease.ID)
	if err != nil {
		return nil, err
	}
	if target.WantedVersion > blueprint.ModelVersion {
		return nil, fault.WaitUntil(time.Now().Add(newerWorker),
			"a worker of a newer version: this one knows model version %d, %d is wanted", blueprint.ModelVersion, target.WantedVersion)
	}
	version, err := p.Servers.EnsureTemplate(ctx, target.Server)
	if err != nil {
		return nil, databaseWords(err)
	}
	return p.DB.TargetReached(ctx, lease, version)
}
