package provision

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// verify reads everything back and removes what was made twice. Where the work of
// an earlier step is gone, that step is done again.
func (r *round) verify(ctx context.Context, t store.Tenant) error {
	for _, part := range []struct {
		step tenant.Step
		look func(context.Context, store.Tenant) (string, error)
	}{
		{tenant.StepIdentity, r.verifyIdentity},
		{tenant.StepDatabase, r.verifyDatabase},
		{tenant.StepSeed, r.verifySeed},
		{tenant.StepSubscriptions, r.verifySubscriptions},
	} {
		if fault.Draining(ctx) {
			return fault.ErrHandBack
		}
		wrong, err := part.look(ctx, t)
		if err != nil {
			return err
		}
		if wrong != "" {
			if err := r.DB.StepAgain(ctx, r.lease, part.step, wrong); err != nil {
				return err
			}
			return advise(fault.New(fault.Unavailable, "%s", wrong), "The step %s is done again by itself", part.step)
		}
	}
	return nil
}

// verifyDatabase returns what the tenant's database lacks, or "".
func (r *round) verifyDatabase(ctx context.Context, t store.Tenant) (string, error) {
	if t.DatabaseServer == nil || t.DatabaseName == nil || t.DatabaseRole == nil {
		return "the tenant has no database", nil
	}
	facts, err := r.Servers.Inspect(ctx, *t.DatabaseServer, *t.DatabaseName, *t.DatabaseRole)
	if err != nil {
		return "", databaseWords(err)
	}
	if wrong := facts.Problems(); len(wrong) > 0 {
		return strings.Join(wrong, "; "), nil
	}
	if facts.ModelVersion < blueprint.ModelVersion {
		return "", advise(fault.New(fault.Conflict, "the database has model version %d, this version needs %d", facts.ModelVersion, blueprint.ModelVersion),
			"Bring it to the newest model, then retry")
	}
	if !facts.RoleCanLogin {
		// Nobody is suspended while being provisioned: a resume was cut off.
		if err := r.Servers.SetLogin(ctx, *t.DatabaseServer, *t.DatabaseName, *t.DatabaseRole, true); err != nil {
			return "", databaseWords(err)
		}
	}
	if len(facts.Elsewhere) > 0 {
		r.Log.WarnContext(ctx, "tenants' roles may connect to databases that are not theirs: run wosool migrate",
			"tenant_id", t.ID, "server", *t.DatabaseServer, "databases", len(facts.Elsewhere))
	}
	return "", nil
}

// verifySeed signs in as the tenant's own role and returns what the CRM lacks, or
// "". An owner who has come meanwhile is written first.
func (r *round) verifySeed(ctx context.Context, t store.Tenant) (string, error) {
	now, err := r.DB.Tenant(ctx, t.ID)
	if err != nil {
		return "", err
	}
	db, err := r.Access.Open(ctx, t.ID)
	if err != nil {
		return "", fmt.Errorf("sign in to the tenant's database: %w", err)
	}
	if deref(now.ClerkOwnerID) != deref(t.ClerkOwnerID) {
		if err := db.SetOwner(ctx, ownerOf(now)); err != nil && !errors.Is(err, fault.NotFound) {
			return "", fmt.Errorf("write the owner: %w", err)
		}
	}
	seed, err := seedOf(now)
	if err != nil {
		return "", err
	}
	missing, err := db.VerifySeed(ctx, seed)
	if err != nil {
		return "", fmt.Errorf("read the seed back: %w", err)
	}
	if len(missing) > 0 {
		return "the CRM lacks " + strings.Join(missing[:min(len(missing), 5)], ", "), nil
	}
	return "", nil
}
