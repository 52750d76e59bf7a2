package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/vault"
)

// Live is what one store event says of a tenant's store.
type Live struct {
	TenantID   uuid.UUID
	Name       string          // order.created, …
	Payload    json.RawMessage // the envelope's data
	OccurredAt *time.Time      // by Salla's clock
	ReceivedAt time.Time
}

// Applier applies events that were recorded, each to the tenant it is about. It is
// safe for concurrent use; its fields are not changed after the first call.
type Applier struct {
	DB    *store.DB
	Keys  *vault.Keys
	Vault *vault.Vault
	Log   *slog.Logger

	// Probe asks Salla for store/info with an access token: nil is an answer.
	Probe func(ctx context.Context, access string) error

	// Follows tells whether store events of that name change anything.
	Follows func(name string) bool
	// Store applies a store event to the tenant's database, and returns what has to
	// be read again. fault.Invalid: it cannot be understood.
	Store func(ctx context.Context, e Live) ([]store.Want, error)

	// Enqueue, if set, is told of the event that one which failed makes room for.
	// Without it the sweeper finds that event.
	Enqueue func(ctx context.Context, tasks []store.Task)

	// ClerkInstance, if set, is the only instance of Clerk whose events are ours.
	ClerkInstance string
}

// tries bounds how often a decision is made again on rows that change.
const tries = 5

// Apply is the handler of event:apply.
func (a *Applier) Apply(ctx context.Context, l store.Lease) ([]store.Task, error) {
	e, err := a.DB.Event(ctx, l.ID)
	if err != nil {
		return nil, err
	}
	if fault.Draining(ctx) {
		return nil, fault.ErrHandBack
	}
	if e.Status == store.EventFailed {
		if err := a.DB.ReopenEvent(ctx, l); err != nil {
			return nil, err
		}
	}
	switch {
	case e.Source == SourceClerk:
		return a.applyClerk(ctx, l, e)
	case e.Merchant == nil:
		env, err := a.envelope(ctx, e)
		if err != nil {
			return nil, err
		}
		return nil, fault.New(fault.Invalid, "%s", env.Failed)
	case strings.HasPrefix(e.Event, "app."):
		return a.applyLifecycle(ctx, l, e)
	case !a.Follows(e.Event):
		return a.ignore(ctx, l, nil, "nothing here follows %s", e.Event)
	}
	return a.applyStore(ctx, l, e)
}

// GiveUp makes an event a dead letter with its reason.
func (a *Applier) GiveUp(ctx context.Context, l store.Lease, reason string) error {
	released, err := a.DB.GiveUpEvent(ctx, l, reason)
	if len(released) > 0 && a.Enqueue != nil {
		a.Enqueue(ctx, released)
	}
	return err
}

// applyStore applies a store event once its tenant is ready.
func (a *Applier) applyStore(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	for range tries {
		t, err := a.DB.TenantByMerchant(ctx, *e.Merchant)
		waitFor := ""
		switch {
		case errors.Is(err, fault.NotFound):
			waitFor = store.WaitMerchant
		case err != nil:
			return nil, err
		default:
			switch tenant.Status(t.Status) {
			case tenant.Ready:
			case tenant.Suspended:
				waitFor = store.WaitResume
			case tenant.Deprovisioning, tenant.Deleted:
				return a.ignore(ctx, l, &t.ID, "the tenant is %s", t.Status)
			default:
				waitFor = store.WaitReady
			}
		}
		var wants []store.Want
		if waitFor == "" {
			env, err := a.envelope(ctx, e)
			if errors.Is(err, fault.NotFound) {
				return a.ignore(ctx, l, &t.ID, "what it said was dropped when its retention was over")
			}
			if err != nil {
				return nil, err
			}
			wants, err = a.Store(ctx, Live{
				TenantID: t.ID, Name: e.Event, Payload: env.Data, OccurredAt: e.OccurredAt, ReceivedAt: e.ReceivedAt,
			})
			if !endless(err) {
				if err != nil {
					if moved, lookErr := a.moved(ctx, t, err); lookErr != nil {
						return nil, lookErr
					} else if moved {
						continue
					}
					return nil, err
				}
				return a.DB.FinishEvent(ctx, l, store.EventEnd{Status: store.EventApplied, TenantID: &t.ID, Wants: wants})
			}
			waitFor = store.WaitGrant
		}
		waits, tasks, err := a.DB.WaitEvent(ctx, l, *e.Merchant, waitFor)
		if waits || err != nil {
			return tasks, err
		}
	}
	return nil, fault.WaitUntil(time.Now().Add(time.Second), "the tenant, which is being changed")
}

// moved tells whether a fault of the tenant's database, which was to be open, may
// come from the tenant being suspended or removed since it was read as t.
func (a *Applier) moved(ctx context.Context, t store.Tenant, err error) (bool, error) {
	if !errors.Is(err, fault.Forbidden) && !errors.Is(err, fault.NotFound) && !errors.Is(err, fault.Conflict) {
		return false, nil
	}
	now, err := a.DB.Tenant(ctx, t.ID)
	if err != nil {
		return false, err
	}
	return now.Status != t.Status || now.Epoch != t.Epoch, nil
}

// endless tells whether err is a wait that somebody else ends.
func endless(err error) bool {
	w, ok := errors.AsType[*fault.Wait](err)
	return ok && w.Until.IsZero()
}

// waitMerchant writes that the event waits for its merchant. Where the merchant has
// come meanwhile, the event is tried again at once.
func (a *Applier) waitMerchant(ctx context.Context, l store.Lease, e store.Event) ([]store.Task, error) {
	waits, tasks, err := a.DB.WaitEvent(ctx, l, *e.Merchant, store.WaitMerchant)
	if waits || err != nil {
		return tasks, err
	}
	return nil, fault.WaitUntil(time.Now(), "the tenant, which has just been made")
}

// envelope reads what an event said, credentials redacted.
func (a *Applier) envelope(ctx context.Context, e store.Event) (envelope, error) {
	p, err := a.DB.Payload(ctx, e.ID)
	if err != nil {
		return envelope{}, err
	}
	body := []byte(p.JSON)
	if body == nil {
		body = []byte(p.Text)
	}
	env := parse(e.Source, body)
	if env.Name == unreadable {
		return envelope{}, fault.New(fault.Invalid, "%s", env.Failed)
	}
	return env, nil
}

// ignore ends an event that changes nothing, and says why.
func (a *Applier) ignore(ctx context.Context, l store.Lease, tenantID *uuid.UUID, words string, args ...any) ([]store.Task, error) {
	return a.DB.FinishEvent(ctx, l, store.EventEnd{Status: store.EventIgnored, Words: fmt.Sprintf(words, args...), TenantID: tenantID})
}

// answers tells whether Salla accepted an access token in a call: also where the
// merchant did not grant what the call needed. An error means that nobody knows.
func answers(err error) (bool, error) {
	switch {
	case err == nil, salla.IsMissingScope(err):
		return true, nil
	case salla.IsInvalidToken(err):
		return false, nil
	case errors.Is(err, fault.Unavailable):
		pause := 15 * time.Second
		if after, limited := salla.IsRateLimited(err); limited {
			pause = max(after, time.Second)
		}
		return false, fault.WaitUntil(time.Now().Add(pause), "Salla, to tell whether a grant lives")
	}
	return false, err
}
