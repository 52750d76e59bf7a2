package store

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// Actor is who does an operator's act, for the audit.
type Actor struct {
	Name    string // an operator's e-mail, the name of a key, or "wosool"
	Address string // where from; "" where that is not known
}

// SuspendTenant stops a tenant by an operator's will, which no installation
// lifts. It returns fault.Conflict naming the status where that is not possible.
func (db *DB) SuspendTenant(ctx context.Context, id uuid.UUID, by Actor) (Tenant, []Task, error) {
	details := map[string]any{}
	return db.act(ctx, id, by, "tenant.suspend", details, func(tx pgx.Tx) ([]Task, error) {
		if err := noteBefore(ctx, tx, id, details); err != nil {
			return nil, err
		}
		return suspendTenant(ctx, tx, id, tenant.ByOperator)
	})
}

// ResumeTenant lifts an operator's suspension. It returns fault.Conflict naming
// the status where that is not possible.
func (db *DB) ResumeTenant(ctx context.Context, id uuid.UUID, by Actor) (Tenant, []Task, error) {
	details := map[string]any{}
	return db.act(ctx, id, by, "tenant.resume", details, func(tx pgx.Tx) ([]Task, error) {
		if err := noteBefore(ctx, tx, id, details); err != nil {
			return nil, err
		}
		return resumeTenant(ctx, tx, id, tenant.ByOperator)
	})
}

// RetryTenant starts the tenant's dead letter again: the same row and epoch, as
// when its archived task is run. It returns fault.Conflict naming the status
// where nothing has failed.
func (db *DB) RetryTenant(ctx context.Context, id uuid.UUID, by Actor) (Tenant, []Task, error) {
	details := map[string]any{}
	return db.act(ctx, id, by, "tenant.retry", details, func(tx pgx.Tx) ([]Task, error) {
		t, err := lockTenant(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		details["before"] = standing(t)
		if t.State != "failed" {
			return nil, tenant.Refuse(tenant.Status(t.Status), "retried")
		}
		if _, err := tx.Exec(ctx, `
			UPDATE tenants
			SET status = 'provisioning', updated_at = now()
			WHERE id = $1 AND status = 'failed'`, id); err != nil {
			return nil, fmt.Errorf("retry the tenant: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			UPDATE steps
			SET status = 'pending', finished_at = NULL
			WHERE tenant_id = $1 AND status = 'failed'`, id); err != nil {
			return nil, fmt.Errorf("retry the tenant: %w", err)
		}
		task, err := wake(ctx, tx, KindTenantProvision, id)
		return []Task{task}, err
	})
}

// ImportTenant opens an import of a ready tenant by hand, or queues one behind
// the one that is open. No resources means all; since nil means the whole
// history.
func (db *DB) ImportTenant(ctx context.Context, id uuid.UUID, resources []string, since *time.Time, by Actor) (Tenant, []Task, error) {
	for _, r := range resources {
		if !slices.Contains(tenant.Resources(), r) {
			return Tenant{}, nil, fault.New(fault.Invalid, "resources must be of %v", tenant.Resources())
		}
	}
	details := map[string]any{"resources": resources, "since": since}
	return db.act(ctx, id, by, "tenant.import", details, func(tx pgx.Tx) ([]Task, error) {
		t, err := lockTenant(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if t.Status != string(tenant.Ready) {
			return nil, tenant.Refuse(tenant.Status(t.Status), "imported")
		}
		return openRun(ctx, tx, id, "manual", resources, since)
	})
}

// act runs one operator's act on a tenant and its audit in one transaction, and
// returns the tenant after it. Where fn puts "before" into the details and no "after",
// that is how the tenant stands then.
func (db *DB) act(ctx context.Context, id uuid.UUID, by Actor, name string, details map[string]any,
	fn func(tx pgx.Tx) ([]Task, error),
) (t Tenant, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		if tasks, err = fn(tx); err != nil {
			return err
		}
		if t, err = tenantWhere(ctx, tx, `id = $1`, id); err != nil {
			return err
		}
		if _, changed := details["before"]; changed && details["after"] == nil {
			details["after"] = standing(t)
		}
		return note(ctx, tx, by, name, id, details)
	})
	if err != nil {
		return Tenant{}, nil, err
	}
	return t, tasks, nil
}

// noteBefore locks the tenant and puts into the details of an act how it stands.
func noteBefore(ctx context.Context, tx pgx.Tx, id uuid.UUID, details map[string]any) error {
	t, err := lockTenant(ctx, tx, id)
	if err == nil {
		details["before"] = standing(t)
	}
	return err
}

// standing is what acts on a tenant change of it, for the audit.
func standing(t Tenant) map[string]any {
	return map[string]any{"status": t.Status, "suspended_by": t.SuspendedBy, "task": t.Task, "state": t.State}
}

// note adds one line to the audit, in the transaction of the act.
func note(ctx context.Context, q querier, by Actor, act string, tenantID uuid.UUID, details map[string]any) error {
	id, err := newID()
	if err != nil {
		return err
	}
	if details == nil {
		details = map[string]any{}
	}
	doc, err := json.Marshal(details)
	if err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	if _, err := q.Exec(ctx, `
		INSERT INTO audit (id, actor, act, tenant_id, details, address)
		VALUES ($1, $2, $3, nullif($4, '00000000-0000-0000-0000-000000000000'::uuid), $5, nullif($6, ''))`,
		id, by.Name, act, tenantID, doc, by.Address); err != nil {
		return fmt.Errorf("write the audit: %w", err)
	}
	return nil
}
