package store

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/tenant"
)

// suspendTenant stops a tenant: at once in the control database, and by the
// returned task at its own database. An uninstall of a tenant that is suspended
// or leaving changes nothing; an operator's act there is fault.Conflict.
func suspendTenant(ctx context.Context, q querier, tenantID uuid.UUID, by tenant.SuspendedBy) ([]Task, error) {
	t, err := lockTenant(ctx, q, tenantID)
	if err != nil {
		return nil, err
	}
	status := tenant.Status(t.Status)
	resuming := status == tenant.Suspended && t.Task == KindTenantResume && t.State != "done"
	switch {
	case tenant.CanMove(status, tenant.Suspended):
		_, err = q.Exec(ctx, `
			UPDATE tenants
			SET status = 'suspended', resume_status = status, suspended_by = $2, updated_at = now()
			WHERE id = $1`, tenantID, by)
	case resuming:
		_, err = q.Exec(ctx, `
			UPDATE tenants
			SET suspended_by = $2, updated_at = now()
			WHERE id = $1`, tenantID, by)
	case by == tenant.ByUninstall:
		return nil, nil
	default:
		return nil, tenant.Refuse(status, "suspended")
	}
	if err != nil {
		return nil, fmt.Errorf("suspend the tenant: %w", err)
	}
	task, err := assign(ctx, q, KindTenantSuspend, tenantID)
	if err != nil {
		return nil, err
	}
	return []Task{task}, nil
}

// resumeTenant lifts a suspension: the returned task opens the tenant's database
// and then moves it back to what it was. A new grant (by ByUninstall) lifts only
// an uninstall's suspension, and starts a tenant that had not been provisioned; an
// operator's suspension stays, and its end looks at the store's webhooks again. An operator cannot resume a tenant whose app
// is not installed: of such a one, only the operator's own suspension is lifted.
func resumeTenant(ctx context.Context, q querier, tenantID uuid.UUID, by tenant.SuspendedBy) ([]Task, error) {
	t, err := lockTenant(ctx, q, tenantID)
	if err != nil {
		return nil, err
	}
	if by == tenant.ByUninstall {
		if t.Status != string(tenant.Suspended) {
			return nil, nil
		}
		if *t.SuspendedBy == string(tenant.ByUninstall) {
			return resumeInstalled(ctx, q, t)
		}
		if err := reopenOver(ctx, q, t.ID, tenant.StepSubscriptions, tenant.StepVerify); err != nil {
			return nil, err
		}
		return resumeAgain(ctx, q, t)
	}
	if t.Status != string(tenant.Suspended) {
		return nil, tenant.Refuse(tenant.Status(t.Status), "resumed")
	}
	neverInstalled := t.ByHand && t.LifecycleAt == nil
	if !t.Installed && !neverInstalled {
		if *t.SuspendedBy == string(tenant.ByUninstall) {
			return nil, fault.New(fault.Conflict,
				"a suspended tenant whose app is uninstalled cannot be resumed: it goes on when the store installs the app again")
		}
		if _, err := q.Exec(ctx, `
			UPDATE tenants
			SET suspended_by = 'uninstall', updated_at = now()
			WHERE id = $1`, tenantID); err != nil {
			return nil, fmt.Errorf("resume the tenant: %w", err)
		}
		return nil, nil
	}
	task, err := assign(ctx, q, KindTenantResume, tenantID)
	if err != nil {
		return nil, err
	}
	return []Task{task}, nil
}

// resumeInstalled resumes a tenant whose app is installed again: what an
// uninstall may have taken away outside is looked at again first.
func resumeInstalled(ctx context.Context, q querier, t Tenant) ([]Task, error) {
	if err := resetSteps(ctx, q, t.ID); err != nil {
		return nil, err
	}
	if err := reopenSteps(ctx, q, t.ID, tenant.StepSubscriptions, tenant.StepVerify); err != nil {
		return nil, err
	}
	if _, err := q.Exec(ctx, `
		UPDATE tenants
		SET resume_status = CASE WHEN resume_status = 'ready' THEN 'ready' ELSE 'provisioning' END, updated_at = now()
		WHERE id = $1`, t.ID); err != nil {
		return nil, fmt.Errorf("resume the tenant: %w", err)
	}
	task, err := assign(ctx, q, KindTenantResume, t.ID)
	if err != nil {
		return nil, err
	}
	return []Task{task}, nil
}

// reopenOver opens the named steps as far as they are over. One that has failed
// keeps its words until it is tried again.
func reopenOver(ctx context.Context, q querier, tenantID uuid.UUID, names ...tenant.Step) error {
	if _, err := q.Exec(ctx, `
		UPDATE steps
		SET status = 'pending', finished_at = NULL, error = NULL
		WHERE tenant_id = $1 AND name = ANY($2) AND status IN ('done', 'skipped')`, tenantID, names); err != nil {
		return fmt.Errorf("open the steps: %w", err)
	}
	return nil
}

// resumeAgain begins a resume that is on its way anew, so that it sees the steps
// that were opened meanwhile. Where there is none it does nothing.
func resumeAgain(ctx context.Context, q querier, t Tenant) ([]Task, error) {
	if t.Status != string(tenant.Suspended) || t.Task != KindTenantResume || t.State != "runnable" && t.State != "waiting" {
		return nil, nil
	}
	task, err := assign(ctx, q, KindTenantResume, t.ID)
	if err != nil {
		return nil, err
	}
	return []Task{task}, nil
}

// Resumed moves a suspended tenant back to what it was, once its database is
// open again, and sets going everything that waited for it.
func (db *DB) Resumed(ctx context.Context, l Lease) ([]Task, error) {
	var tasks []Task
	err := db.inTx(ctx, func(tx pgx.Tx) error {
		if err := held(ctx, tx, l, `
			status = resume_status, resume_status = NULL, suspended_by = NULL, updated_at = now()`); err != nil {
			return err
		}
		t, err := tenantWhere(ctx, tx, `id = $1`, l.ID)
		if err != nil {
			return err
		}
		next, err := afterResume(ctx, tx, l)
		if err != nil {
			return err
		}
		tasks = append(tasks, next...)
		released, err := releaseEvents(ctx, tx, l.ID, t.Merchant, WaitResume)
		if err != nil {
			return err
		}
		tasks = append(tasks, released...)
		woken, err := wakeTenantWork(ctx, tx, l.ID)
		tasks = append(tasks, woken...)
		return err
	})
	if err != nil {
		return nil, err
	}
	return tasks, nil
}

// afterResume gives the row the task that the tenant's status asks for.
func afterResume(ctx context.Context, q querier, l Lease) ([]Task, error) {
	var (
		status string
		whole  bool
		why    *string
	)
	if err := q.QueryRow(ctx, `
		SELECT status,
			NOT EXISTS (SELECT FROM steps WHERE tenant_id = $1 AND status NOT IN ('done', 'skipped')),
			(SELECT error FROM steps WHERE tenant_id = $1 AND status = 'failed' ORDER BY position LIMIT 1)
		FROM tenants
		WHERE id = $1`, l.ID).Scan(&status, &whole, &why); err != nil {
		return nil, fmt.Errorf("read the steps: %w", err)
	}
	switch {
	case status == string(tenant.Provisioning), status == string(tenant.Ready) && !whole:
		next, err := handOn(ctx, q, l, KindTenantProvision)
		return []Task{next}, err
	case status == string(tenant.Failed):
		return nil, held(ctx, q, l, `
			task = 'tenant:provision', epoch = epoch + 1, state = 'failed', holder = NULL, lease_until = NULL, last_error = $3`, why)
	case status == string(tenant.Pending):
		return nil, held(ctx, q, l, `
			task = 'tenant:provision', epoch = epoch + 1, state = 'waiting', holder = NULL, lease_until = NULL, due_at = NULL`)
	}
	if err := finish(ctx, q, l); err != nil || status != string(tenant.Ready) {
		return nil, err
	}
	var granted bool
	if err := q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM connections WHERE id = $1 AND status IN ('active', 'refreshing'))`, l.ID).Scan(&granted); err != nil {
		return nil, fmt.Errorf("look for a grant: %w", err)
	}
	if !granted {
		return nil, nil
	}
	return openMissed(ctx, q, l.ID)
}
