package provision

import (
	"context"
	"fmt"
	"strconv"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// seed fills the new CRM: company, owner, roles, pipelines, settings, workflows.
func (r *round) seed(ctx context.Context, t store.Tenant) error {
	seed, err := seedOf(t)
	if err != nil {
		return err
	}
	db, err := r.Access.Open(ctx, t.ID)
	if err != nil {
		return fmt.Errorf("open the tenant's database: %w", err)
	}
	if err := db.Seed(ctx, seed); err != nil {
		return fmt.Errorf("seed the tenant's database: %w", err)
	}
	return nil
}

// seedOf is what the CRM of a tenant begins with: what its store has told, the
// rest as in Saudi Arabia.
func seedOf(t store.Tenant) (tenantdb.Seed, error) {
	var told struct {
		Avatar   string `json:"avatar"`
		Currency string `json:"currency"`
		Domain   string `json:"domain"`
		Locale   string `json:"locale"`
		Timezone string `json:"timezone"`
	}
	if err := decode(t.Store, &told); err != nil {
		return tenantdb.Seed{}, err
	}
	seed := tenantdb.Seed{
		Company: tenantdb.Company{
			Name: t.Name, Email: deref(t.OwnerEmail), Domain: told.Domain, AvatarURL: told.Avatar,
		},
		Owner:    ownerOf(t),
		Currency: told.Currency,
		Locale:   told.Locale,
		Timezone: told.Timezone,
	}
	if t.Merchant != nil {
		seed.Company.SourceID = strconv.FormatInt(*t.Merchant, 10)
	}
	return seed, nil
}

func ownerOf(t store.Tenant) tenantdb.Owner {
	return tenantdb.Owner{UserID: deref(t.ClerkOwnerID), Email: deref(t.OwnerEmail)}
}
