package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

const (
	// grace is how much longer than the call's own timeout nobody else decides.
	grace = 10 * time.Second
	// claiming bounds the statement that claims a refresh.
	claiming = 5 * time.Second
	// stubborn is how long an answer in hand is tried to be stored.
	stubborn = 2 * time.Minute
	// pause follows a call that was certainly not carried out.
	pause = 10 * time.Second
)

// refresh uses the refresh token of an active connection, once. It commits the
// claim (T1), makes the call with no transaction and no connection held, and stores
// the answer (T2). The call and T2 go on when ctx ends: the token may be consumed.
func (v *Vault) refresh(ctx context.Context, c store.Connection) ([]store.Task, error) {
	if fault.Draining(ctx) {
		return nil, fault.ErrHandBack
	}
	token, err := v.Keys.Open(c.RefreshToken, tenantAD(c.TenantID, columnRefresh))
	if err != nil {
		return nil, err
	}
	if _, err := v.key(ctx); err != nil { // needed after the call, so it is there before
		return nil, err
	}
	if v.Ready != nil {
		if err := v.Ready(ctx); err != nil {
			return nil, err
		}
	}
	attempt, ok, err := v.claim(ctx, c)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errRaced
	}

	callCtx := context.WithoutCancel(ctx)
	if !protect.RefreshOutlives {
		callCtx = ctx
	}
	var tasks []store.Task
	done := make(chan error, 1)
	v.calls.Go(func() {
		var err error
		tasks, err = v.call(callCtx, c, attempt, string(token))
		done <- err
	})
	select {
	case err := <-done:
		return tasks, err
	case <-ctx.Done():
		return nil, fmt.Errorf("refresh a grant: %w", ctx.Err())
	}
}

// claim commits T1. It goes on when ctx ends, and where nobody knows whether it is
// committed it is taken back: a claim that no call follows looks like a refresh of
// which nobody knows the outcome, and only the merchant could end that.
func (v *Vault) claim(ctx context.Context, c store.Connection) (attempt uuid.UUID, ok bool, err error) {
	ctx = context.WithoutCancel(ctx)
	try, end := context.WithTimeout(ctx, claiming)
	defer end()
	attempt, ok, err = v.DB.BeginRefresh(try, c.TenantID, c.Version, v.timeout()+grace)
	if err != nil && protect.ClaimBack {
		v.calls.Go(func() {
			if err := v.takeBack(ctx, c, attempt, v.DB.FenceRefresh); err != nil {
				v.log().ErrorContext(ctx, "the claim of a refresh that was not made could not be taken back", "tenant_id", c.TenantID, "error", err)
			}
		})
	}
	return attempt, ok, err
}

// call makes the claimed refresh and writes its outcome.
func (v *Vault) call(ctx context.Context, c store.Connection, attempt uuid.UUID, refreshToken string) ([]store.Task, error) {
	callCtx, cancel := context.WithTimeout(ctx, v.timeout())
	token, err := v.OAuth.Refresh(callCtx, refreshToken)
	cancel()

	log := v.log().With("tenant_id", c.TenantID)
	after, limited := salla.IsRateLimited(err)
	switch {
	case err == nil:
		return v.complete(ctx, c, attempt, token)
	case limited:
		if err := v.cancel(ctx, c, attempt); err != nil {
			return nil, err
		}
		return nil, fault.WaitUntil(time.Now().Add(max(after, pause)), "Salla's OAuth server, which limits us")
	case salla.NotSent(err), !protect.RefreshUnknown && !salla.IsInvalidGrant(err):
		log.WarnContext(ctx, "a refresh could not be sent", "error", err)
		if lost := v.cancel(ctx, c, attempt); lost != nil {
			return nil, lost
		}
		if _, waits := errors.AsType[*fault.Wait](err); waits {
			return nil, err
		}
		return nil, fault.WaitUntil(time.Now().Add(pause), "Salla's OAuth server, which cannot be reached")
	case salla.IsInvalidGrant(err):
		log.ErrorContext(ctx, "a refresh token was refused", "error", err)
		const why = "Salla refused the refresh token (invalid_grant)"
		if err := persist(ctx, func(ctx context.Context) error {
			return v.DB.ParkRefresh(ctx, c.TenantID, attempt, why)
		}); err != nil {
			return nil, err
		}
		return nil, waitParked
	}
	log.ErrorContext(ctx, "nobody knows whether a refresh token was used", "error", err)
	const why = "the refresh call did not end well: nobody knows whether the refresh token was used"
	if err := persist(ctx, func(ctx context.Context) error {
		return v.DB.UnknownRefresh(ctx, c.TenantID, attempt, why)
	}); err != nil {
		return nil, err
	}
	return nil, errUnknown
}

// cancel takes back the claim of a refresh that certainly used no token. Where the
// grant was parked meanwhile it is good again, and what waits for it goes on.
func (v *Vault) cancel(ctx context.Context, c store.Connection, attempt uuid.UUID) error {
	return v.takeBack(ctx, c, attempt, v.DB.CancelRefresh)
}

func (v *Vault) takeBack(
	ctx context.Context, c store.Connection, attempt uuid.UUID,
	back func(ctx context.Context, tenantID, attempt uuid.UUID, version int64) ([]store.Task, error),
) error {
	var tasks []store.Task
	err := persist(ctx, func(ctx context.Context) error {
		now, err := back(ctx, c.TenantID, attempt, c.Version)
		tasks = append(tasks, now...)
		return err
	})
	if len(tasks) > 0 && v.Enqueue != nil {
		v.Enqueue(ctx, tasks)
	}
	return err
}

// complete stores what a refresh answered: T2.
func (v *Vault) complete(ctx context.Context, c store.Connection, attempt uuid.UUID, token salla.Token) ([]store.Task, error) {
	sealed, err := v.SealGrant(ctx, c.TenantID, token)
	if err != nil {
		return nil, err
	}
	var stored bool
	var tasks []store.Task
	if err := persist(ctx, func(ctx context.Context) (err error) {
		stored, tasks, err = v.DB.CompleteRefresh(ctx, c.TenantID, attempt, c.Version, sealed)
		return err
	}); err != nil {
		v.log().ErrorContext(ctx, "a refreshed grant could not be stored", "tenant_id", c.TenantID, "error", err)
		return nil, err
	}
	if !stored {
		return nil, errRaced
	}
	return tasks, nil
}

// persist tries fn again, for a while, until it succeeds: what it writes is known
// to this process only.
func persist(ctx context.Context, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, stubborn)
	defer cancel()
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		try, end := context.WithTimeout(ctx, 10*time.Second)
		err := fn(try)
		end()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("write the outcome of a refresh: %w", err)
		case <-time.After(wait):
		}
	}
}

func (v *Vault) timeout() time.Duration {
	if v.CallTimeout > 0 {
		return v.CallTimeout
	}
	return DefaultCallTimeout
}
