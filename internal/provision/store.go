package provision

import (
	"context"
	"fmt"
	"strings"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// store reads what the store tells of itself. A tenant that an operator
// registered before the store granted anything uses what was given.
func (r *round) store(ctx context.Context, t store.Tenant) error {
	reachable, err := r.reachable(ctx, t)
	if err != nil || !reachable {
		return err
	}
	var info salla.Store
	err = r.salla(ctx, t, func(ctx context.Context, c *salla.Client) (err error) {
		info, err = c.StoreInfo(ctx)
		return err
	})
	if err != nil {
		return fmt.Errorf("read the store's info: %w", err)
	}
	if info.ID != *t.Merchant && protect.OwnStore {
		return advise(fault.New(fault.Conflict, "the grant belongs to the store %d, not to %d", info.ID, *t.Merchant),
			"Nothing of that store was touched. Have the store %d install the app again", *t.Merchant)
	}
	return r.DB.SetStore(ctx, r.lease, store.StoreFacts{
		Name:  strings.TrimSpace(clip(info.Name)),
		Email: tenant.Email(info.Email),
		Plan:  info.Plan,
		Info:  info.Document,
	})
}

// reachable tells whether Salla is asked at all: not for a tenant that was
// registered by hand, as long as its store has granted nothing. One that an
// installation made waits for its grant where it has none.
func (r *round) reachable(ctx context.Context, t store.Tenant) (bool, error) {
	if t.Merchant == nil {
		return false, nil
	}
	if !t.ByHand {
		return true, nil
	}
	return r.DB.Granted(ctx, t.ID)
}

// salla makes one call to Salla as the tenant's store.
func (r *round) salla(ctx context.Context, t store.Tenant, fn func(context.Context, *salla.Client) error) error {
	return r.Access.Do(ctx, t.ID, *t.Merchant, budget.Provisioning, fn)
}

// clip shortens a name to what a tenant's may have.
func clip(name string) string {
	runes := []rune(strings.ToValidUTF8(name, ""))
	return string(runes[:min(len(runes), tenant.MaxName)])
}
