package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/tenant"
)

// startProvisioning sets a tenant's provisioning going, or going on: a pending or
// failed tenant moves to provisioning; one that is provisioning takes notice of
// what changed; of one that is ready, the steps that were passed over for want
// of a grant are done. Every other status is fault.Conflict.
func startProvisioning(ctx context.Context, q querier, tenantID uuid.UUID) (Task, error) {
	t, err := lockTenant(ctx, q, tenantID)
	if err != nil {
		return Task{}, err
	}
	switch tenant.Status(t.Status) {
	case tenant.Pending, tenant.Failed, tenant.Provisioning, tenant.Ready:
	default:
		return Task{}, tenant.Refuse(tenant.Status(t.Status), "provisioned")
	}
	if err := resetSteps(ctx, q, tenantID); err != nil {
		return Task{}, err
	}
	if _, err := q.Exec(ctx, `
		UPDATE tenants
		SET status = 'provisioning', updated_at = now()
		WHERE id = $1 AND status IN ('pending', 'failed')`, tenantID); err != nil {
		return Task{}, fmt.Errorf("start provisioning: %w", err)
	}
	return assign(ctx, q, KindTenantProvision, tenantID)
}

// BeginProvisioning returns the tenant that a tenant:provision lease is for. A
// failed one is provisioning again: somebody ran its archived task.
func (db *DB) BeginProvisioning(ctx context.Context, l Lease) (Tenant, error) {
	var t Tenant
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `
			status = CASE WHEN status = 'failed' THEN 'provisioning' ELSE status END, updated_at = now()`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE steps
			SET status = 'pending', finished_at = NULL
			WHERE tenant_id = $1 AND status = 'failed'`, l.ID); err != nil {
			return fmt.Errorf("open the failed step: %w", err)
		}
		var err error
		t, err = tenantWhere(ctx, tx, `id = $1`, l.ID)
		return err
	})
	return t, err
}

// FailProvisioning gives a tenant's provisioning up: the step that it stopped at,
// the tenant and the row are failed at once. A tenant that is ready, whose later
// steps failed, stays ready; one that is suspended stays suspended.
func (db *DB) FailProvisioning(ctx context.Context, l Lease, reason string) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `
			status = CASE WHEN status = 'provisioning' THEN 'failed' ELSE status END, updated_at = now()`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `
			UPDATE steps
			SET status = 'failed', finished_at = now(), error = coalesce(error, $2)
			WHERE tenant_id = $1 AND name = (
				SELECT name FROM steps
				WHERE tenant_id = $1
				  AND (status IN ('running', 'waiting', 'failed') OR status = 'pending' AND $3 = 'tenant:provision')
				ORDER BY position
				LIMIT 1)`, l.ID, reason, l.Kind); err != nil {
			return fmt.Errorf("write the failed step: %w", err)
		}
		return giveUp(ctx, tx, l, reason)
	})
}

// StoreFacts is what a store tells of itself.
type StoreFacts struct {
	Name  string          // "": unknown, the tenant keeps its name
	Email string          // "": unknown
	Plan  string          // "": unknown
	Info  json.RawMessage // as it was told, kept for the settings of the CRM
}

// SetStore writes what the store told. What an operator gave by hand stays.
func (db *DB) SetStore(ctx context.Context, l Lease, f StoreFacts) error {
	return held(ctx, db.pool, l, `
		name = CASE WHEN by_hand OR $3 = '' THEN name ELSE $3 END,
		owner_email = CASE WHEN by_hand OR $4 = '' THEN owner_email ELSE $4 END,
		plan = nullif($5, ''), store = $6, updated_at = now()`, f.Name, f.Email, f.Plan, f.Info)
}

// ClerkFacts is a tenant's identity at Clerk.
type ClerkFacts struct {
	OrganizationID string
	OwnerID        string // "" while nobody is a member
	Owner          string // member, invited, or "" where the store gave no address
}

// SetClerk writes the tenant's identity, or returns fault.Conflict where another
// tenant has the organization.
func (db *DB) SetClerk(ctx context.Context, l Lease, f ClerkFacts) error {
	err := held(ctx, db.pool, l, `
		clerk_organization_id = $3, clerk_owner_id = nullif($4, ''), clerk_owner = nullif($5, ''), updated_at = now()`,
		f.OrganizationID, f.OwnerID, f.Owner)
	if violates(err, "tenants_clerk_organization_id_key") {
		return fault.New(fault.Conflict, "another tenant has the Clerk organization %s", f.OrganizationID)
	}
	return err
}

// DatabaseFacts is where a tenant's database is. Password is sealed.
type DatabaseFacts struct {
	Server, Name, Role string
	Password           []byte
}

// SetDatabase writes where the tenant's database is going to be: the intent of
// its creation, before it is created.
func (db *DB) SetDatabase(ctx context.Context, l Lease, f DatabaseFacts) error {
	return held(ctx, db.pool, l, `
		database_server = $3, database_name = $4, database_role = $5, database_password = $6,
		model_version = NULL, updated_at = now()`, f.Server, f.Name, f.Role, f.Password)
}

// SetModelVersion writes that the tenant's database is there, with this version
// of the model.
func (db *DB) SetModelVersion(ctx context.Context, l Lease, version int) error {
	return held(ctx, db.pool, l, `model_version = $3, updated_at = now()`, version)
}

// MarkReady ends a tenant's provisioning: every step is done or skipped, and the
// tenant is still provisioning and installed, or registered by hand. Events that
// waited for it go on, and its history starts to fill in where there is a grant, or is
// looked over where the store may have told us less than all.
// A tenant that changed meanwhile is handed on to another round.
func (db *DB) MarkReady(ctx context.Context, l Lease) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `updated_at = now()`); err != nil {
			return err
		}
		var (
			status                 string
			merchant               *int64
			whole, wanted, granted bool
		)
		if err := tx.QueryRow(ctx, `
			SELECT status, merchant, installed OR by_hand,
				NOT EXISTS (SELECT FROM steps WHERE tenant_id = $1 AND status NOT IN ('done', 'skipped')),
				EXISTS (SELECT FROM connections WHERE id = $1 AND status IN ('active', 'refreshing'))
			FROM tenants
			WHERE id = $1`, l.ID).Scan(&status, &merchant, &wanted, &whole, &granted); err != nil {
			return fmt.Errorf("read the steps: %w", err)
		}
		switch tenant.Status(status) {
		case tenant.Provisioning, tenant.Ready:
		default:
			return fault.ErrLost
		}
		if !wanted && protect.StillWanted {
			return fault.WaitFor("the app to be installed in the store")
		}
		if !whole {
			again, err := handOn(ctx, tx, l, KindTenantProvision)
			tasks = []Task{again}
			return err
		}
		if err := held(ctx, tx, l, `status = 'ready', ready_at = coalesce(ready_at, now())`); err != nil {
			return err
		}
		if err := finish(ctx, tx, l); err != nil {
			return err
		}
		released, err := releaseEvents(ctx, tx, l.ID, merchant, WaitReady)
		if err != nil {
			return err
		}
		tasks = append(tasks, released...)
		if !granted {
			return nil
		}
		missed, err := openMissed(ctx, tx, l.ID)
		if err != nil {
			return err
		}
		opened, err := openRun(ctx, tx, l.ID, RunInitial, nil, nil)
		tasks = append(append(tasks, missed...), opened...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// openMissed opens a reconcile of a tenant whose store's webhooks had to be made anew,
// once for each time: it finds what was told to nobody meanwhile. The first import
// does, too, where that is yet to come.
func openMissed(ctx context.Context, q querier, tenantID uuid.UUID) ([]Task, error) {
	tag, err := q.Exec(ctx, `
		UPDATE steps
		SET intent = intent - 'missed'
		WHERE tenant_id = $1 AND name = 'subscriptions' AND intent->'missed' = 'true'`, tenantID)
	if err != nil {
		return nil, fmt.Errorf("look for missed events: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return nil, nil
	}
	had, err := hadInitial(ctx, q, tenantID)
	if err != nil {
		return nil, err
	}
	if !had {
		return openRun(ctx, q, tenantID, RunInitial, nil, nil)
	}
	return openRun(ctx, q, tenantID, RunReconcile, nil, nil)
}

// Granted tells whether a store has granted the tenant access and not taken it
// back. The grant may still be parked.
func (db *DB) Granted(ctx context.Context, tenantID uuid.UUID) (bool, error) {
	var granted bool
	if err := db.pool.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM connections WHERE id = $1 AND status <> 'revoked')`, tenantID).Scan(&granted); err != nil {
		return false, fmt.Errorf("look for a grant: %w", err)
	}
	return granted, nil
}

// SweepTenants wakes the provisioning, and the resuming, that waits for a grant
// which is there.
func (db *DB) SweepTenants(ctx context.Context, limit int) ([]Task, error) {
	rows, err := db.pool.Query(ctx, `
		UPDATE tenants
		SET state = 'runnable', due_at = now(), enqueued_at = now()
		WHERE id IN (
			SELECT t.id
			FROM tenants t JOIN connections c ON c.id = t.id
			WHERE t.state = 'waiting' AND c.status = 'active'
			  AND (t.status IN ('provisioning', 'ready') OR t.status = 'suspended' AND t.task = 'tenant:resume')
			ORDER BY t.id
			LIMIT $1
			FOR UPDATE OF t SKIP LOCKED)
		  AND state = 'waiting'
		RETURNING task, id, epoch, 'provisioning'`, limit)
	if err != nil {
		return nil, fmt.Errorf("wake waiting tenants: %w", err)
	}
	tasks, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (Task, error) {
		var t Task
		err := r.Scan(&t.Kind, &t.ID, &t.Epoch, &t.Lane)
		return t, err
	})
	if err != nil {
		return nil, fmt.Errorf("wake waiting tenants: %w", err)
	}
	return tasks, nil
}
