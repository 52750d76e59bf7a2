package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// Tenant is one merchant's CRM as the control database knows it.
type Tenant struct {
	ID           uuid.UUID
	Merchant     *int64 // Salla's store id; nil while registered by hand without one
	Slug         string
	Name         string
	OwnerEmail   *string
	Status       string  // tenant.Status
	ResumeStatus *string // what a suspended tenant goes back to
	SuspendedBy  *string // uninstall or operator
	Installed    bool    // the app is installed, as far as Salla has told
	ByHand       bool    // registered by an operator: what was given by hand stays
	LifecycleAt  *time.Time
	Store        json.RawMessage
	Plan         *string
	CreatedAt    time.Time
	UpdatedAt    time.Time
	ReadyAt      *time.Time

	ClerkOrganizationID *string
	ClerkOwnerID        *string
	ClerkOwner          *string // member or invited

	DatabaseServer   *string // host:port
	DatabaseName     *string
	DatabaseRole     *string
	DatabasePassword []byte // sealed
	ModelVersion     *int

	Task      string
	State     string
	Epoch     int64
	Attempts  int
	LastError *string
}

const tenantColumns = `id, merchant, slug, name, owner_email, status, resume_status, suspended_by, installed, by_hand, lifecycle_at, store, plan,
	created_at, updated_at, ready_at, clerk_organization_id, clerk_owner_id, clerk_owner,
	database_server, database_name, database_role, database_password, model_version,
	task, state, epoch, attempts, last_error`

// Tenant returns one tenant, or fault.NotFound.
func (db *DB) Tenant(ctx context.Context, id uuid.UUID) (Tenant, error) {
	return tenantWhere(ctx, db.pool, `id = $1`, id)
}

// TenantByMerchant returns the tenant of a Salla store, or fault.NotFound.
func (db *DB) TenantByMerchant(ctx context.Context, merchant int64) (Tenant, error) {
	return tenantWhere(ctx, db.pool, `merchant = $1`, merchant)
}

// tenantWhere reads one tenant; where may end in FOR UPDATE or FOR SHARE.
func tenantWhere(ctx context.Context, q querier, where string, args ...any) (Tenant, error) {
	rows, err := q.Query(ctx, `SELECT `+tenantColumns+` FROM tenants WHERE `+where, args...)
	if err != nil {
		return Tenant{}, fmt.Errorf("read tenant: %w", err)
	}
	t, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByName[Tenant])
	return t, translate(err, "tenant")
}

// lockTenant reads one tenant and keeps others from moving it until the
// transaction ends.
func lockTenant(ctx context.Context, q querier, id uuid.UUID) (Tenant, error) {
	return tenantWhere(ctx, q, `id = $1 FOR UPDATE`, id)
}

// CreateTenant registers a tenant by hand, on the way to ready. It returns
// fault.Invalid naming what is wrong, or fault.Conflict naming what is taken.
func (db *DB) CreateTenant(ctx context.Context, given tenant.Given, by Actor) (Tenant, []Task, error) {
	if err := given.Check(); err != nil {
		return Tenant{}, nil, err
	}
	var (
		t     Tenant
		tasks []Task
	)
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		id, err := newID()
		if err != nil {
			return err
		}
		if given.Merchant != nil { // before the tenant's row, as everybody takes them
			if err := lockMerchant(ctx, tx, *given.Merchant); err != nil {
				return err
			}
		}
		if _, err := tx.Exec(ctx, `
			INSERT INTO tenants (id, merchant, slug, name, owner_email, status, by_hand)
			VALUES ($1, $2, $3, btrim($4), $5, 'provisioning', true)`,
			id, given.Merchant, given.Slug, given.Name, given.OwnerEmail); err != nil {
			return taken(err, given)
		}
		if err := insertSteps(ctx, tx, id); err != nil {
			return err
		}
		task, err := assign(ctx, tx, KindTenantProvision, id)
		if err != nil {
			return err
		}
		tasks = append(tasks, task)
		if given.Merchant != nil {
			released, err := releaseEvents(ctx, tx, id, given.Merchant, WaitMerchant)
			if err != nil {
				return err
			}
			tasks = append(tasks, released...)
		}
		if t, err = tenantWhere(ctx, tx, `id = $1`, id); err != nil {
			return err
		}
		return note(ctx, tx, by, "tenant.create", id, map[string]any{
			"slug": given.Slug, "merchant": given.Merchant,
			"after": map[string]any{"slug": t.Slug, "name": t.Name, "merchant": t.Merchant, "status": t.Status},
		})
	})
	if err != nil {
		return Tenant{}, nil, err
	}
	return t, tasks, nil
}

// taken names which of the given values another tenant has.
func taken(err error, given tenant.Given) error {
	switch {
	case violates(err, "tenants_slug_key"):
		return fault.New(fault.Conflict, "another tenant has the slug %s", given.Slug)
	case violates(err, "tenants_merchant_key"):
		return fault.New(fault.Conflict, "another tenant has the merchant %d", *given.Merchant)
	}
	return translate(err, "tenant")
}

// createTenant returns the tenant of a store that an app event speaks of, locked
// until the transaction ends: the one that is there; or the one that an operator
// registered by hand under the store's slug, which is adopted; or a new one,
// pending. Whether the app is installed is the caller's to write. The tasks are
// those of events that waited for the merchant.
func createTenant(ctx context.Context, q querier, merchant int64) (Tenant, []Task, error) {
	id, err := newID()
	if err != nil {
		return Tenant{}, nil, err
	}
	slug := tenant.SlugOf(merchant)
	tag, err := q.Exec(ctx, `
		UPDATE tenants
		SET merchant = $1, updated_at = now()
		WHERE slug = $2 AND merchant IS NULL AND status NOT IN ('deprovisioning', 'deleted')
		  AND NOT EXISTS (SELECT FROM tenants WHERE merchant = $1)`, merchant, slug)
	if err != nil {
		return Tenant{}, nil, translate(err, "tenant")
	}
	if tag.RowsAffected() == 0 {
		// The slug may belong to another merchant's tenant: an operator chose it.
		// An installation is never refused for that.
		tag, err = q.Exec(ctx, `
			INSERT INTO tenants (id, merchant, slug, name)
			VALUES ($1, $2,
				CASE WHEN EXISTS (SELECT FROM tenants WHERE slug = $3) THEN $4 ELSE $3 END, $5)
			ON CONFLICT (merchant) DO NOTHING`, id, merchant, slug, slug+id.String()[23:], tenant.NameOf(merchant))
		if violates(err, "tenants_slug_key") { // an operator took it this very moment
			return Tenant{}, nil, fault.New(fault.Unavailable, "the slug %s was taken while the tenant was being made", slug)
		}
		if err != nil {
			return Tenant{}, nil, translate(err, "tenant")
		}
		if tag.RowsAffected() == 1 {
			if err := insertSteps(ctx, q, id); err != nil {
				return Tenant{}, nil, err
			}
		}
	}
	t, err := tenantWhere(ctx, q, `merchant = $1 FOR UPDATE`, merchant)
	if err != nil {
		return Tenant{}, nil, err
	}
	tasks, err := releaseEvents(ctx, q, t.ID, t.Merchant, WaitMerchant)
	if err != nil {
		return Tenant{}, nil, err
	}
	return t, tasks, nil
}
