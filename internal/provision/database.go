package provision

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
)

// databaseIntent is what the database step was going to make, and where.
type databaseIntent struct {
	Server string `json:"server"`
	Name   string `json:"name"`
}

// database gives the tenant a database of its own, cloned from the template, and
// the role that may enter it. Where and under which name, and the role's sealed
// password, are written before anything is made.
func (r *round) database(ctx context.Context, t store.Tenant) error {
	if t.DatabaseServer == nil || t.DatabaseName == nil || t.DatabaseRole == nil {
		var err error
		if t, err = r.chooseDatabase(ctx, t); err != nil {
			return err
		}
	}
	server, name, role := *t.DatabaseServer, *t.DatabaseName, *t.DatabaseRole
	password, err := r.Keys.Open(t.DatabasePassword, passwordAD(t))
	if err != nil {
		return advise(fault.Permanent(fmt.Errorf("open the database password: %w", err)),
			"SECRET_KEYSET lacks the key that it was sealed with: give that key back, then retry")
	}
	err = r.Servers.Create(ctx, server, name, role, string(password))
	if errors.Is(err, fault.Unavailable) {
		// It may be the template that is not there yet: whoever comes first makes it.
		if _, err := r.Servers.EnsureTemplate(ctx, server); err != nil {
			return databaseWords(err)
		}
		err = r.Servers.Create(ctx, server, name, role, string(password))
	}
	if err != nil {
		return databaseWords(err)
	}
	facts, err := r.Servers.Inspect(ctx, server, name, role)
	if err != nil {
		return databaseWords(err)
	}
	return r.DB.SetModelVersion(ctx, r.lease, facts.ModelVersion)
}

// chooseDatabase decides where the tenant's database is going to be.
func (r *round) chooseDatabase(ctx context.Context, t store.Tenant) (store.Tenant, error) {
	server, err := r.Servers.Choose(ctx)
	if err != nil {
		return t, databaseWords(err)
	}
	name := tenantdb.Name(t.ID)
	sealed, err := r.Keys.Seal([]byte(rand.Text()+rand.Text()), passwordAD(t))
	if err != nil {
		return t, fmt.Errorf("seal the database password: %w", err)
	}
	if err := r.DB.StepIntent(ctx, r.lease, tenant.StepDatabase, databaseIntent{Server: server, Name: name}); err != nil {
		return t, err
	}
	if err := r.DB.SetDatabase(ctx, r.lease, store.DatabaseFacts{Server: server, Name: name, Role: name, Password: sealed}); err != nil {
		return t, err
	}
	return r.DB.Tenant(ctx, t.ID)
}

// passwordAD is what the password is sealed with: it opens nowhere else.
func passwordAD(t store.Tenant) string { return "tenant:" + t.ID.String() + ":database_password" }

func databaseWords(err error) error {
	switch {
	case errors.Is(err, fault.Forbidden):
		return advise(err, "The admin role of TENANT_DATABASE_URLS must be able to sign in, with CREATEDB and CREATEROLE: mend that, then retry")
	case errors.Is(err, fault.NotFound):
		return advise(err, "Add the server to TENANT_DATABASE_URLS again, then retry")
	case errors.Is(err, fault.Unavailable):
		return advise(err, "It is tried again by itself; look whether the servers of TENANT_DATABASE_URLS are up and have room")
	}
	return err
}
