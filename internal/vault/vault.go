package vault

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// DefaultCallTimeout bounds the call that refreshes a grant.
const DefaultCallTimeout = 20 * time.Second

// Refresher turns a refresh token into a new pair, once: *salla.OAuth.
type Refresher interface {
	Refresh(ctx context.Context, refreshToken string) (salla.Token, error)
}

// Vault gives access tokens that can be used, and keeps them so. It is safe for
// concurrent use; its fields are not changed after the first call.
type Vault struct {
	DB    *store.DB
	Keys  *Keys
	OAuth Refresher
	Log   *slog.Logger

	// CallTimeout bounds a refresh call; zero is DefaultCallTimeout.
	CallTimeout time.Duration

	// Ready, if set, tells whether a refresh call may be made now: nil, or what the
	// refresh waits for. It is asked before a refresh is claimed.
	Ready func(ctx context.Context) error

	// Enqueue, if set, is told of work that a late answer let go on. Without it the
	// sweeper finds that work.
	Enqueue func(ctx context.Context, tasks []store.Task)

	mu      sync.Mutex
	hashKey []byte
	calls   sync.WaitGroup
}

// Grant is an access token that can be used now.
type Grant struct {
	Access  string
	Version int64 // for Refused
}

// String keeps the token out of whatever prints a Grant.
func (Grant) String() string { return "vault.Grant" }

// GoString is String.
func (Grant) GoString() string { return "vault.Grant" }

// LogValue is String.
func (Grant) LogValue() slog.Value { return slog.StringValue("vault.Grant") }

const (
	// early is how long before its end an access token is not used any more.
	early = 30 * time.Second
	// peek is how often a caller looks whether another's refresh is over.
	peek = 2 * time.Second
	// tries bounds how often a decision is made again on a row that changes.
	tries = 5
)

var (
	errRaced   = errors.New("another refresh was faster")
	errUnknown = errors.New("the outcome of the refresh is not known")
)

// What a caller waits for, in words that operators read.
var (
	waitGranted = fault.WaitFor("grant: the store has not granted access yet")
	waitRevoked = fault.WaitFor("grant: the app was uninstalled; a new installation goes on from here")
	waitParked  = fault.WaitFor("grant: Salla does not accept the grant any more; the merchant has to install or update the app again")
)

// Token returns an access token of the tenant that can be used now, refreshing it
// where it is over. Where there is no grant that can be used it returns a
// *fault.Wait: without a time where only the merchant can help.
func (v *Vault) Token(ctx context.Context, tenantID uuid.UUID) (Grant, error) {
	for range tries {
		c, err := v.connection(ctx, tenantID)
		if err != nil {
			return Grant{}, err
		}
		if c.Status == store.ConnectionActive && lives(c, early) {
			return v.open(c)
		}
		if c.Status == store.ConnectionRefreshing {
			if err := v.underWay(ctx, c); err != nil {
				return Grant{}, err
			}
			if lives(c, 0) {
				return v.open(c)
			}
			if err := v.park(ctx, c, "the access token is over, and nobody knows whether the refresh token was used"); err != nil {
				return Grant{}, err
			}
			continue
		}
		if err := v.renew(ctx, c); err != nil {
			return Grant{}, err
		}
	}
	return Grant{}, errRestless()
}

// Refused tells the vault that Salla refused the access token of that version, not
// for a scope but the token itself. Nil means that Token gives another one now; a
// *fault.Wait that there is none.
func (v *Vault) Refused(ctx context.Context, tenantID uuid.UUID, version int64) error {
	for range tries {
		c, err := v.connection(ctx, tenantID)
		if err != nil {
			return err
		}
		if c.Version != version {
			return nil
		}
		if c.Status == store.ConnectionRefreshing {
			if err := v.underWay(ctx, c); err != nil {
				return err
			}
			if err := v.park(ctx, c, "Salla refuses the access token, and nobody knows whether the refresh token was used"); err != nil {
				return err
			}
			continue
		}
		if err := v.renew(ctx, c); err != nil {
			return err
		}
	}
	return errRestless()
}

// Do calls fn with an access token of the tenant. Where Salla refuses the token
// itself, it is renewed and fn called once more.
func (v *Vault) Do(ctx context.Context, tenantID uuid.UUID, fn func(ctx context.Context, access string) error) error {
	g, err := v.Token(ctx, tenantID)
	if err != nil {
		return err
	}
	if err = fn(ctx, g.Access); !salla.IsInvalidToken(err) {
		return err
	}
	if err := v.Refused(ctx, tenantID, g.Version); err != nil {
		return err
	}
	if g, err = v.Token(ctx, tenantID); err != nil {
		return err
	}
	if err = fn(ctx, g.Access); salla.IsInvalidToken(err) {
		return fault.WaitUntil(time.Now().Add(time.Minute), "Salla, which refuses a token that it has just given")
	}
	return err
}

// Refresh is the handler of token:refresh: it renews a grant well before it ends.
func (v *Vault) Refresh(ctx context.Context, l store.Lease) ([]store.Task, error) {
	c, err := v.DB.Connection(ctx, l.ID)
	if errors.Is(err, fault.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	switch c.Status {
	case store.ConnectionActive:
		if c.RefreshAt != nil && c.RefreshAt.After(c.Now) {
			return nil, nil // somebody needed it sooner
		}
		tasks, err := v.refresh(ctx, c)
		if errors.Is(err, errUnknown) || errors.Is(err, errRaced) || parked(err) {
			return nil, nil // written in the row, for operators; there is nothing more to try
		}
		return tasks, err
	case store.ConnectionRefreshing:
		return nil, v.underWay(ctx, c)
	}
	return nil, nil
}

// Drain waits for the refresh calls that are under way, or for ctx.
func (v *Vault) Drain(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		v.calls.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// connection reads a connection that may be used or refreshed.
func (v *Vault) connection(ctx context.Context, tenantID uuid.UUID) (store.Connection, error) {
	c, err := v.DB.Connection(ctx, tenantID)
	if errors.Is(err, fault.NotFound) {
		return c, waitGranted
	}
	if err != nil {
		return c, err
	}
	switch c.Status {
	case store.ConnectionRevoked:
		return c, waitRevoked
	case store.ConnectionParked:
		return c, waitParked
	}
	return c, nil
}

// underWay returns a *fault.Wait while a refresh may still be answered; nil means
// that its outcome is not known and will not be.
func (v *Vault) underWay(ctx context.Context, c store.Connection) error {
	if c.RefreshUnknownAt != nil {
		return nil
	}
	if c.AttemptUntil != nil && c.AttemptUntil.After(c.Now) {
		return fault.WaitUntil(earlier(*c.AttemptUntil, c.Now.Add(peek)), "a refresh of the grant that is under way")
	}
	v.log().ErrorContext(ctx, "a refresh of a grant was begun and never ended", "tenant_id", c.TenantID)
	return v.DB.Abandoned(ctx, c.TenantID)
}

// park ends the use of a grant; the next look at the row tells what came of it.
func (v *Vault) park(ctx context.Context, c store.Connection, why string) error {
	ok, err := v.DB.Park(ctx, c.TenantID, c.Version, why)
	if ok {
		v.log().ErrorContext(ctx, "a grant needs a new authorisation", "tenant_id", c.TenantID, "reason", why)
	}
	return err
}

// renew refreshes an active connection. Nil means: look again.
func (v *Vault) renew(ctx context.Context, c store.Connection) error {
	tasks, err := v.refresh(ctx, c)
	if len(tasks) > 0 && v.Enqueue != nil {
		v.Enqueue(ctx, tasks)
	}
	if errors.Is(err, errUnknown) || errors.Is(err, errRaced) {
		return nil
	}
	return err
}

// open gives the access token of a connection.
func (v *Vault) open(c store.Connection) (Grant, error) {
	access, err := v.Keys.Open(c.AccessToken, tenantAD(c.TenantID, columnAccess))
	if err != nil {
		return Grant{}, err
	}
	return Grant{Access: string(access), Version: c.Version}, nil
}

// lives tells whether the access token is good for longer than margin.
func lives(c store.Connection, margin time.Duration) bool {
	return len(c.AccessToken) > 0 && (c.ExpiresAt == nil || c.ExpiresAt.After(c.Now.Add(margin)))
}

// parked tells whether err says that only the merchant can help.
func parked(err error) bool {
	var w *fault.Wait
	return errors.As(err, &w) && w.Until.IsZero()
}

func errRestless() error {
	return fault.WaitUntil(time.Now().Add(time.Second), "the grant, which is being changed")
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func (v *Vault) log() *slog.Logger {
	if v.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return v.Log
}
