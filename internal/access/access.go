// Package access is how the domain reaches what belongs to one tenant: Salla by
// its grant and within its budget, and its database by its own role. There is no
// other way to either.
package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
)

// Access reaches Salla and the databases of tenants. All fields are required.
type Access struct {
	DB     *store.DB
	Vault  *vault.Vault
	Keys   *vault.Keys
	Budget *budget.Budget
	Pools  *tenantdb.Pools
	APIURL string       // of Salla's merchant API
	HTTP   *http.Client // for Salla

	// Circuits keep calls away from what does not answer; nil: every call is made.
	Circuits *circuit.Circuits

	plans plans
}

// Do makes one call to Salla as a tenant: fn gets a client that holds the
// tenant's token and makes exactly one call with it. Where the budget is used up,
// where Salla says so or is known not to answer, it returns a *fault.Wait; so it
// does where the grant is parked. A token that Salla refuses is renewed once, and
// fn called again.
func (a *Access) Do(
	ctx context.Context, tenantID uuid.UUID, merchant int64, class budget.Class,
	fn func(ctx context.Context, c *salla.Client) error,
) error {
	line := a.Circuits.Salla(merchant)
	if err := line.Ready(ctx); err != nil { // before a token is renewed for nothing
		return err
	}
	err := a.Vault.Do(ctx, tenantID, func(ctx context.Context, token string) error {
		c := a.As(token)
		var answer budget.Answer
		c.Observe = func(l salla.Limits) { answer = answered(l) }
		c.Guard = func(ctx context.Context, call func(context.Context) error) error {
			return line.Guard(ctx, func(ctx context.Context) error {
				// Only here is a call certain to be made, and each of two is counted.
				taken, err := a.take(ctx, tenantID, merchant, class)
				if err != nil {
					return err
				}
				defer func() { a.Budget.Observe(ctx, taken, answer) }()
				return call(ctx)
			})
		}
		return fn(ctx, c)
	})
	return passing(err)
}

// redisPause is how long work waits for a Redis that does not answer.
const redisPause = 5 * time.Second

// take takes one call from the store's budget. Redis being down fails nothing: the
// work waits for it.
func (a *Access) take(ctx context.Context, tenantID uuid.UUID, merchant int64, class budget.Class) (budget.Call, error) {
	call, err := a.Budget.Take(ctx, merchant, class, a.plans.limit(ctx, a.DB, tenantID))
	if errors.Is(err, fault.Unavailable) {
		return call, fault.WaitUntil(time.Now().Add(redisPause), "Redis, which does not tell how many requests Salla still allows")
	}
	return call, err
}

// answered is what the budget learns from an answer.
func answered(l salla.Limits) budget.Answer {
	a := budget.Answer{RetryAfter: l.RetryAfter, Refused: l.Refused}
	if l.Known {
		a.Limit, a.Remaining, a.Reset = l.Limit, l.Remaining, l.Reset
	}
	return a
}

// Probe asks Salla for the store's info with a token that is not stored (yet):
// nil is an answer. What passes by itself is a *fault.Wait.
func (a *Access) Probe(ctx context.Context, token string) error {
	c := a.As(token)
	c.Guard = a.Circuits.Salla(0).Guard
	_, err := c.StoreInfo(ctx)
	return passing(err)
}

// restriction is how long work stays away from a store that Salla restricts.
const restriction = time.Minute

// passing turns a refusal that passes by itself into a *fault.Wait: too many
// requests, and the restriction that Salla lays on an app after many errors.
func passing(err error) error {
	if after, limited := salla.IsRateLimited(err); limited {
		return fault.WaitUntil(time.Now().Add(max(after, time.Second)), "Salla's limit of requests")
	}
	e, ok := errors.AsType[*salla.Error](err)
	if ok && e.Status == http.StatusForbidden && !salla.IsMissingScope(err) {
		return fault.WaitUntil(time.Now().Add(restriction), "Salla, which restricts the app for a while (403)")
	}
	return err
}

// As returns a client for a token that is not stored (yet): to ask whether a
// grant lives. No budget is taken.
func (a *Access) As(token string) *salla.Client {
	return &salla.Client{BaseURL: a.APIURL, HTTP: a.HTTP, Token: token}
}

// Open opens a tenant's database as the tenant's own role. The caller closes it.
// A tenant that has none yet is fault.Conflict. Where its server is known not to
// answer, it returns a *fault.Wait.
func (a *Access) Open(ctx context.Context, tenantID uuid.UUID) (*tenantdb.DB, error) {
	t, err := a.DB.Tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	target, err := a.Target(t)
	if err != nil {
		return nil, err
	}
	var db *tenantdb.DB
	err = a.Circuits.Database(target.Server).Guard(ctx, func(ctx context.Context) (err error) {
		db, err = a.Pools.Open(ctx, target)
		return err
	})
	return db, err
}

// Target gives where a tenant's database is and how its role signs in.
func (a *Access) Target(t store.Tenant) (tenantdb.Target, error) {
	if t.DatabaseServer == nil || t.DatabaseName == nil || t.DatabaseRole == nil {
		return tenantdb.Target{}, fault.New(fault.Conflict, "the tenant has no database yet")
	}
	password, err := a.Keys.Open(t.DatabasePassword, PasswordAD(t.ID))
	if err != nil {
		return tenantdb.Target{}, fmt.Errorf("open the database password: %w", err)
	}
	return tenantdb.Target{
		Server: *t.DatabaseServer, Database: *t.DatabaseName, Role: *t.DatabaseRole, Password: string(password),
	}, nil
}

// PasswordAD is the associated data that a tenant's database password is sealed with.
func PasswordAD(tenantID uuid.UUID) string {
	return "tenant:" + tenantID.String() + ":database_password"
}
