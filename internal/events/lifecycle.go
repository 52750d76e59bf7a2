package events

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// applyLifecycle applies what happened to the app in a merchant's store.
func (a *Applier) applyLifecycle(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	switch e.Event {
	case "app.store.authorize":
		return a.applyAuthorize(ctx, l, e)
	case "app.uninstalled":
		return a.applyUninstalled(ctx, l, e)
	case "app.installed", "app.updated":
		known, tasks, err := a.DB.EndInstalled(ctx, l, *e.Merchant, e.OccurredAt, e.Event == "app.installed")
		if known || err != nil {
			return tasks, err
		}
		return a.waitMerchant(ctx, l, e)
	case "app.trial.started", "app.trial.expired", "app.trial.canceled",
		"app.subscription.started", "app.subscription.renewed", "app.subscription.expired", "app.subscription.canceled":
		return a.applyPlan(ctx, l, e)
	}
	return a.ignore(ctx, l, nil, "nothing here follows %s", e.Event)
}

// applyAuthorize stores the grant that an app.store.authorize brings, unless it is
// known or older than one that lives.
func (a *Applier) applyAuthorize(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	p, err := a.DB.Payload(ctx, e.ID)
	if err != nil && !errors.Is(err, fault.NotFound) {
		return nil, err
	}
	if len(p.Sealed) == 0 {
		if _, err := grantOf(p.JSON, e.ReceivedAt); p.JSON != nil && err != nil {
			return nil, err // it never had any
		}
		return a.ignore(ctx, l, nil, "its tokens were erased when it was first applied or ignored: only the merchant can grant again")
	}
	body, err := a.Keys.Open(p.Sealed, bodyAD(e.ID))
	if err != nil {
		return nil, err
	}
	token, err := grantOf(body, e.ReceivedAt)
	if err != nil {
		return nil, err
	}
	end := store.Authorize{LifecycleEnd: store.LifecycleEnd{Merchant: *e.Merchant, At: e.OccurredAt}}
	if end.RefreshHash, err = a.Vault.RefreshHash(ctx, token.Refresh); err != nil {
		return nil, err
	}
	if end.Seal, err = a.Vault.Sealer(ctx, token); err != nil {
		return nil, err
	}
	for range tries {
		if end.Seen, err = a.DB.Installation(ctx, *e.Merchant, end.RefreshHash); err != nil {
			return nil, err
		}
		if end.Ignored, err = a.judgeAuthorize(ctx, e.OccurredAt, end.Seen, token); err != nil {
			return nil, err
		}
		stale, tasks, err := a.DB.EndAuthorize(ctx, l, end)
		if !stale || err != nil {
			return tasks, err
		}
	}
	return nil, fault.WaitUntil(time.Now().Add(time.Second), "the grant, which is being changed")
}

// judgeAuthorize decides about a new grant: "" applies it, words ignore it. Only the
// times that Salla wrote into app events are compared; any doubt is decided by
// asking Salla.
func (a *Applier) judgeAuthorize(ctx context.Context, at *time.Time, seen store.Installation, token salla.Token) (ignored string, err error) {
	switch {
	case seen.Known:
		return "this grant is known: its refresh token was held before", nil
	case seen.Leaving:
		return "the tenant is being removed", nil
	case seen.Connection == "", newer(at, seen), !protect.OldAuthorize:
		return "", nil
	}
	lives, err := answers(a.Probe(ctx, token.Access))
	if err != nil {
		return "", err
	}
	if !lives {
		return "it is not newer than what is known of this store, and Salla refuses its token", nil
	}
	if older := at != nil && seen.GrantedAt != nil && at.Before(*seen.GrantedAt); !older || !seen.Granted() {
		return "", nil
	}
	lives, err = a.grantLives(ctx, seen)
	if err != nil || !lives {
		return "", err
	}
	return "it is older than the grant that is there, which answers", nil
}

// newer tells whether a life-cycle event at that time is certainly younger than the
// grant and the uninstall that are known.
func newer(at *time.Time, seen store.Installation) bool {
	after := func(known *time.Time, needed bool) bool {
		if known == nil {
			return !needed
		}
		return at != nil && at.After(*known)
	}
	revoked := seen.Connection == store.ConnectionRevoked
	return at != nil && after(seen.GrantedAt, !revoked) && after(seen.RevokedAt, revoked)
}

// grantLives asks Salla with the grant that is there.
func (a *Applier) grantLives(ctx context.Context, seen store.Installation) (bool, error) {
	err := a.Vault.Do(ctx, seen.TenantID, a.Probe)
	if w, ok := errors.AsType[*fault.Wait](err); ok {
		if w.Until.IsZero() {
			return false, nil // revoked or parked: it does not answer
		}
		return false, err
	}
	return answers(err)
}

// applyUninstalled suspends the tenant and revokes its grant, unless the grant is
// younger than the uninstall.
func (a *Applier) applyUninstalled(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	end := store.LifecycleEnd{Merchant: *e.Merchant, At: e.OccurredAt}
	for range tries {
		var err error
		if end.Seen, err = a.DB.Installation(ctx, *e.Merchant, nil); err != nil {
			return nil, err
		}
		if end.Seen.TenantID == uuid.Nil {
			return a.waitMerchant(ctx, l, e)
		}
		if end.Ignored, err = a.judgeUninstall(ctx, e.OccurredAt, end.Seen); err != nil {
			return nil, err
		}
		stale, tasks, err := a.DB.EndUninstall(ctx, l, end)
		if !stale || err != nil {
			return tasks, err
		}
	}
	return nil, fault.WaitUntil(time.Now().Add(time.Second), "the grant, which is being changed")
}

// judgeUninstall decides about an uninstall: "" applies it, words ignore it. A
// grant that answers lives.
func (a *Applier) judgeUninstall(ctx context.Context, at *time.Time, seen store.Installation) (ignored string, err error) {
	switch {
	case seen.Leaving:
		return "the tenant is being removed", nil
	case seen.Connection == "", seen.Connection == store.ConnectionRevoked, newer(at, seen):
		return "", nil
	case protect.OldUninstall && at != nil && seen.GrantedAt != nil && at.Before(*seen.GrantedAt):
		return "it is older than the grant that is there", nil
	}
	lives, err := a.grantLives(ctx, seen)
	if err != nil || !lives {
		return "", err
	}
	return "the grant that is there still answers", nil
}

// applyPlan records what the merchant has of the app at Salla's app store.
func (a *Applier) applyPlan(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	env, err := a.envelope(ctx, e)
	if errors.Is(err, fault.NotFound) {
		return a.ignore(ctx, l, nil, "what it said was dropped when its retention was over")
	}
	if err != nil {
		return nil, err
	}
	plan, item := planOf(e.Event, env.Data)
	if item == "addon" {
		return a.ignore(ctx, l, nil, "an add-on changes no plan")
	}
	known, tasks, err := a.DB.EndPlan(ctx, l, *e.Merchant, e.OccurredAt, plan)
	if known || err != nil {
		return tasks, err
	}
	return a.waitMerchant(ctx, l, e)
}
