package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/tenant"
)

// Installation is what is known of the app in one store, as far as the order of
// life-cycle events depends on it.
type Installation struct {
	TenantID    uuid.UUID // uuid.Nil: there is no tenant
	Leaving     bool      // the tenant is deprovisioning or deleted
	Installed   bool
	LifecycleAt *time.Time // created_at of the newest life-cycle event
	Connection  string     // its status; "" where there is none
	Version     int64      // of the connection
	GrantedAt   *time.Time // created_at of the authorize that the grant descends from
	RevokedAt   *time.Time // created_at of the last uninstall that revoked a grant
	Known       bool       // the refresh token in question was held before
}

// Granted tells whether there is a grant that has neither been revoked nor parked.
func (i Installation) Granted() bool {
	return i.Connection == ConnectionActive || i.Connection == ConnectionRefreshing
}

// changedFrom tells whether a decision that was made on seen has to be made again.
func (i Installation) changedFrom(seen Installation) bool {
	return i.TenantID != seen.TenantID || i.Leaving != seen.Leaving || i.Connection != seen.Connection ||
		i.Version != seen.Version || i.Known != seen.Known ||
		!sameTime(i.GrantedAt, seen.GrantedAt) || !sameTime(i.RevokedAt, seen.RevokedAt)
}

func sameTime(a, b *time.Time) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Equal(*b)
}

// Installation reads what is known of a merchant's installation, and whether the
// refresh token with that keyed hash was ever held. hash may be nil.
func (db *DB) Installation(ctx context.Context, merchant int64, hash []byte) (Installation, error) {
	return installation(ctx, db.pool, merchant, hash)
}

func installation(ctx context.Context, q querier, merchant int64, hash []byte) (Installation, error) {
	var i Installation
	err := q.QueryRow(ctx, `
		SELECT EXISTS (SELECT FROM known_tokens WHERE hash = $1 AND $2)`, hash, protect.KnownToken).Scan(&i.Known)
	if err != nil {
		return Installation{}, fmt.Errorf("read an installation: %w", err)
	}
	err = q.QueryRow(ctx, `
		SELECT t.id, t.status IN ('deprovisioning', 'deleted'), t.installed, t.lifecycle_at,
		       coalesce(c.status, ''), coalesce(c.version, 0), c.granted_at, c.revoked_at
		FROM tenants AS t
		LEFT JOIN connections AS c ON c.id = t.id
		WHERE t.merchant = $1`, merchant).Scan(&i.TenantID, &i.Leaving, &i.Installed, &i.LifecycleAt,
		&i.Connection, &i.Version, &i.GrantedAt, &i.RevokedAt)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return Installation{}, fmt.Errorf("read an installation: %w", err)
	}
	return i, nil
}

// LifecycleEnd is what was decided about a life-cycle event of one merchant.
type LifecycleEnd struct {
	Merchant int64
	At       *time.Time   // created_at of the event; nil where it cannot be read
	Seen     Installation // what the decision was made on
	Ignored  string       // why the event changes nothing; empty: it is applied
}

// inLifecycle runs one decided life-cycle event under the tenant row lock and ends
// the event in the same transaction; its sealed body is erased. stale means that what the decision was made
// on has changed: nothing was written, it has to be made again.
func (db *DB) inLifecycle(ctx context.Context, l Lease, end LifecycleEnd, hash []byte,
	fn func(tx pgx.Tx, now Installation) (uuid.UUID, []Task, error),
) (stale bool, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		stale, tasks = false, nil
		if err := lockMerchant(ctx, tx, end.Merchant); err != nil {
			return err
		}
		t, err := tenantWhere(ctx, tx, `merchant = $1 FOR UPDATE`, end.Merchant)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
		now, err := installation(ctx, tx, end.Merchant, hash)
		if err != nil {
			return err
		}
		if protect.FreshDecision && now.changedFrom(end.Seen) {
			stale = true
			return nil
		}
		done := EventEnd{Status: EventApplied}
		tenantID := t.ID
		if end.Ignored != "" {
			done.Status, done.Words = EventIgnored, end.Ignored
		} else if tenantID, tasks, err = fn(tx, now); err != nil {
			return err
		}
		if tenantID != uuid.Nil {
			done.TenantID = &tenantID
		}
		if err := eraseSealed(ctx, tx, l.ID); err != nil {
			return err
		}
		released, err := endEvent(ctx, tx, l, done)
		tasks = append(tasks, released...)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return stale, tasks, nil
}

// Authorize is an app.store.authorize that was decided about.
type Authorize struct {
	LifecycleEnd
	RefreshHash []byte
	Seal        func(tenantID uuid.UUID) (SealedGrant, error) // seals the tokens for the tenant
}

// EndAuthorize ends the leased authorize: its tokens are stored, its tenant made
// or set going, and what waited for a grant goes on; or it is ignored. Either way
// the sealed body is erased.
func (db *DB) EndAuthorize(ctx context.Context, l Lease, a Authorize) (stale bool, tasks []Task, err error) {
	return db.inLifecycle(ctx, l, a.LifecycleEnd, a.RefreshHash, func(tx pgx.Tx, now Installation) (uuid.UUID, []Task, error) {
		return a.apply(ctx, tx, now)
	})
}

// apply stores the grant of a new authorize and sets its tenant going. now is what
// was known before. A grant that is not the first may be that of a reinstall whose
// uninstall has yet to come: the store's webhooks are looked at again.
func (a Authorize) apply(ctx context.Context, tx pgx.Tx, now Installation) (uuid.UUID, []Task, error) {
	t, tasks, err := createTenant(ctx, tx, a.Merchant)
	if err != nil {
		return uuid.Nil, nil, err
	}
	g, err := a.Seal(t.ID)
	if err != nil {
		return uuid.Nil, nil, err
	}
	fresh, err := rememberToken(ctx, tx, t.ID, g.RefreshHash)
	if err != nil {
		return uuid.Nil, nil, err
	}
	if !fresh { // it came between the look and the lock, by another tenant's event
		return uuid.Nil, nil, errors.New("store a grant: its refresh token was stored a moment ago")
	}
	if _, err := tx.Exec(ctx, `
		INSERT INTO connections AS c (id, status, access_token, refresh_token, access_hash, expires_at, refresh_at, scopes, granted_at)
		VALUES ($1, 'active', $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (id) DO UPDATE
		SET status = 'active', version = c.version + 1, access_token = excluded.access_token,
		    refresh_token = excluded.refresh_token, access_hash = excluded.access_hash, expires_at = excluded.expires_at,
		    refresh_at = excluded.refresh_at, scopes = excluded.scopes, granted_at = excluded.granted_at,
		    attempt = NULL, attempt_until = NULL, refresh_unknown_at = NULL, refreshed_at = NULL, parked_reason = NULL,
		    state = CASE c.state WHEN 'failed' THEN 'done' ELSE c.state END, updated_at = now()`,
		t.ID, g.Access, g.Refresh, g.AccessHash, g.ExpiresAt, g.RefreshAt, scopesOf(g), a.At); err != nil {
		return uuid.Nil, nil, fmt.Errorf("store a grant: %w", err)
	}
	if _, err := tx.Exec(ctx, `
		UPDATE tenants
		SET installed = true, lifecycle_at = greatest(lifecycle_at, $2), updated_at = now()
		WHERE id = $1`, t.ID, a.At); err != nil {
		return uuid.Nil, nil, fmt.Errorf("note an installation: %w", err)
	}
	if t.Status == string(tenant.Suspended) {
		resumed, err := resumeTenant(ctx, tx, t.ID, tenant.ByUninstall)
		if err != nil {
			return uuid.Nil, nil, err
		}
		tasks = append(tasks, resumed...)
	} else {
		if now.Connection != "" {
			if err := reopenOver(ctx, tx, t.ID, tenant.StepSubscriptions, tenant.StepVerify); err != nil {
				return uuid.Nil, nil, err
			}
		}
		started, err := startProvisioning(ctx, tx, t.ID)
		if err != nil {
			return uuid.Nil, nil, err
		}
		tasks = append(tasks, started)
	}
	going, err := grantCame(ctx, tx, t.ID)
	return t.ID, append(tasks, going...), err
}

// EndUninstall ends the leased uninstall: the grant is revoked, its tokens erased,
// and the tenant suspended; or it is ignored. It needs no live token.
func (db *DB) EndUninstall(ctx context.Context, l Lease, end LifecycleEnd) (stale bool, tasks []Task, err error) {
	return db.inLifecycle(ctx, l, end, nil, func(tx pgx.Tx, now Installation) (uuid.UUID, []Task, error) {
		id := now.TenantID
		if _, err := tx.Exec(ctx, `
			INSERT INTO connections AS c (id, status, revoked_at)
			VALUES ($1, 'revoked', $2)
			ON CONFLICT (id) DO UPDATE
			SET status = 'revoked', version = c.version + 1, revoked_at = greatest(c.revoked_at, excluded.revoked_at),
			    access_token = NULL, refresh_token = NULL, access_hash = NULL, expires_at = NULL, refresh_at = NULL,
			    attempt = NULL, attempt_until = NULL, refresh_unknown_at = NULL, parked_reason = NULL, updated_at = now()`,
			id, end.At); err != nil {
			return uuid.Nil, nil, fmt.Errorf("revoke a grant: %w", err)
		}
		if _, err := tx.Exec(ctx, `
			UPDATE tenants
			SET installed = coalesce(installed AND $2 < lifecycle_at, false),
			    lifecycle_at = greatest(lifecycle_at, $2), updated_at = now()
			WHERE id = $1`, id, end.At); err != nil {
			return uuid.Nil, nil, fmt.Errorf("note an uninstall: %w", err)
		}
		tasks, err := suspendTenant(ctx, tx, id, tenant.ByUninstall)
		return id, tasks, err
	})
}

// EndInstalled ends the leased app.installed or app.updated: the app is in the
// store. With create, a merchant that is not known gets a pending tenant. An event
// that is older than what is known changes nothing; at the same second, an
// uninstall wins. known is false where there is no tenant and none is made.
func (db *DB) EndInstalled(ctx context.Context, l Lease, merchant int64, at *time.Time, create bool) (known bool, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		known, tasks = true, nil
		if err := lockMerchant(ctx, tx, merchant); err != nil {
			return err
		}
		t, err := tenantWhere(ctx, tx, `merchant = $1 FOR UPDATE`, merchant)
		if errors.Is(err, fault.NotFound) {
			if known = create; !create {
				return nil
			}
			t, tasks, err = createTenant(ctx, tx, merchant)
		}
		if err != nil {
			return err
		}
		end := EventEnd{Status: EventApplied, TenantID: &t.ID}
		switch {
		case t.LifecycleAt == nil, at != nil && at.After(*t.LifecycleAt):
			if _, err := tx.Exec(ctx, `
				UPDATE tenants
				SET installed = true, lifecycle_at = $2, updated_at = now()
				WHERE id = $1`, t.ID, at); err != nil {
				return fmt.Errorf("note an installation: %w", err)
			}
		case t.Installed && at != nil && at.Equal(*t.LifecycleAt):
		default:
			end.Status, end.Words = EventIgnored, "it is older than what is known of the app in this store"
		}
		released, err := endEvent(ctx, tx, l, end)
		tasks = append(tasks, released...)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return known, tasks, nil
}

// EndPlan ends the leased trial or subscription event: plan is what it says the
// merchant has at Salla's app store now, nil for none. At the same second a plan
// wins over none, and the greater name over the other, so that the order of arrival
// does not matter. known is false where there is no tenant.
func (db *DB) EndPlan(ctx context.Context, l Lease, merchant int64, at *time.Time, plan *string) (known bool, tasks []Task, err error) {
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		t, err := tenantWhere(ctx, tx, `merchant = $1 FOR UPDATE`, merchant)
		if known = !errors.Is(err, fault.NotFound); !known {
			return nil
		}
		if err != nil {
			return err
		}
		tag, err := tx.Exec(ctx, `
			UPDATE tenants
			SET app_plan = $2, app_plan_at = coalesce($3, app_plan_at), updated_at = now()
			WHERE id = $1
			  AND (app_plan_at IS NULL OR app_plan_at < $3 OR app_plan_at = $3 AND coalesce(app_plan, '') <= coalesce($2, ''))`,
			t.ID, plan, at)
		if err != nil {
			return fmt.Errorf("note a plan: %w", err)
		}
		end := EventEnd{Status: EventApplied, TenantID: &t.ID}
		if tag.RowsAffected() == 0 {
			end.Status, end.Words = EventIgnored, "it is older than the plan that is known"
		}
		tasks, err = endEvent(ctx, tx, l, end)
		return err
	})
	if err != nil {
		return false, nil, err
	}
	return known, tasks, nil
}

// lookForOwner has the tenant's last step look again for who is a member. It starts
// nothing that has failed or is suspended.
func lookForOwner(ctx context.Context, tx pgx.Tx, t Tenant) ([]Task, error) {
	if err := reopenOver(ctx, tx, t.ID, tenant.StepVerify); err != nil {
		return nil, err
	}
	switch tenant.Status(t.Status) {
	case tenant.Ready, tenant.Provisioning:
		task, err := startProvisioning(ctx, tx, t.ID)
		return []Task{task}, err
	case tenant.Suspended:
		return resumeAgain(ctx, tx, t)
	}
	return nil, nil
}
