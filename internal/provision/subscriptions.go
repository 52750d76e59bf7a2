package provision

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
)

// Events lists the store events that every tenant's store sends us.
func Events() []string {
	return []string{
		"order.created", "order.updated", "order.status.updated", "order.cancelled", "order.refunded",
		"order.deleted", "order.products.updated", "order.payment.updated", "order.total.price.updated",
		"product.created", "product.updated", "product.deleted", "product.price.updated",
		"product.status.updated", "product.image.updated", "product.category.updated",
		"product.brand.updated", "product.tags.updated", "product.quantity.low",
		"customer.created", "customer.updated",
		"abandoned.cart", "abandoned.cart.status.changed", "abandoned.cart.purchased",
	}
}

// webhookName is what our subscriptions are called in the store.
const webhookName = "Wosool"

// subscriptionsIntent remembers which subscriptions Salla has confirmed to
// protect: its list does not have to say so.
type subscriptionsIntent struct {
	Address  string           `json:"address"`
	Strategy string           `json:"strategy"`
	Key      string           `json:"key"` // tells one secret from the next, and nothing of either
	Signed   map[string]int64 `json:"signed"`
	// Missed tells that some were not there, or not protected: what happened in the
	// store meanwhile may never have been told to us. store.DB takes it back with the
	// import that finds it.
	Missed bool `json:"missed,omitempty"`
}

// atOnce is how many of one store's subscriptions are seen to at a time: each is
// two calls, and a tenant is to be ready within seconds.
const atOnce = 4

// subscriptions has every event of the store sent to us, protected by our secret.
// What is there already is used; what is there twice is removed.
func (r *round) subscriptions(ctx context.Context, t store.Tenant) error {
	reachable, err := r.reachable(ctx, t)
	if err != nil {
		return err
	}
	if !reachable {
		return &errSkip{"the store has not granted access yet: this is done as soon as it does"}
	}
	in, err := r.subscriptionsIntent(ctx)
	if err != nil {
		return err
	}
	there, err := r.ours(ctx, t, in.Address)
	if err != nil {
		return err
	}
	if !protect.SubscriptionFound {
		there = nil
	}
	s := &subscriber{round: r, tenant: t, in: in}
	var work errgroup.Group
	work.SetLimit(atOnce)
	for _, event := range Events() {
		work.Go(func() error {
			if fault.Draining(ctx) {
				return fault.ErrHandBack
			}
			if err := s.subscription(ctx, event, there[event]); err != nil {
				return fmt.Errorf("subscribe to %s: %w", event, err)
			}
			return nil
		})
	}
	return work.Wait()
}

// subscriber sees to the subscriptions of one store.
type subscriber struct {
	*round
	tenant store.Tenant

	mu sync.Mutex
	in subscriptionsIntent
}

// confirmed tells whether Salla has confirmed to protect a subscription.
func (s *subscriber) confirmed(event string, hook salla.Webhook) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed(s.in, event, hook)
}

// miss records that events may have been missed, before anything is made.
func (s *subscriber) miss(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.in.Missed {
		return nil
	}
	s.in.Missed = true
	return s.DB.StepIntent(ctx, s.lease, tenant.StepSubscriptions, s.in)
}

// confirm records that Salla has.
func (s *subscriber) confirm(ctx context.Context, event string, id int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.in.Signed[event] = id
	return s.DB.StepIntent(ctx, s.lease, tenant.StepSubscriptions, s.in)
}

// subscriptionsIntent reads the intent; one for another address or secret is
// begun anew.
func (r *round) subscriptionsIntent(ctx context.Context) (subscriptionsIntent, error) {
	want := subscriptionsIntent{
		Address:  strings.TrimRight(r.PublicURL, "/") + "/webhooks/salla",
		Strategy: r.Strategy,
		Key:      fingerprint(r.Secret),
		Signed:   map[string]int64{},
	}
	var in subscriptionsIntent
	if err := r.intent(ctx, tenant.StepSubscriptions, &in); err != nil {
		return in, err
	}
	if in.Address == want.Address && in.Strategy == want.Strategy && in.Key == want.Key && in.Signed != nil {
		return in, nil
	}
	want.Missed = in.Missed
	return want, r.DB.StepIntent(ctx, r.lease, tenant.StepSubscriptions, want)
}

// ours reads the store's subscriptions to our address, by event.
func (r *round) ours(ctx context.Context, t store.Tenant, address string) (map[string][]salla.Webhook, error) {
	var all []salla.Webhook
	err := r.salla(ctx, t, func(ctx context.Context, c *salla.Client) (err error) {
		all, err = c.Webhooks(ctx)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the store's webhooks: %w", refused(err))
	}
	ours := map[string][]salla.Webhook{}
	for _, w := range all {
		if w.URL == address {
			ours[w.Event] = append(ours[w.Event], w)
		}
	}
	for _, same := range ours {
		slices.SortFunc(same, func(a, b salla.Webhook) int { return int(a.ID - b.ID) })
	}
	return ours, nil
}

// subscription makes sure of one event: one subscription, for all of it, protected.
func (s *subscriber) subscription(ctx context.Context, event string, there []salla.Webhook) error {
	var hook salla.Webhook
	for _, w := range there {
		// A rule would keep some of the events from us, and is not documented to be
		// cleared by an update.
		if hook.ID == 0 && w.Rule == "" {
			hook = w
			continue
		}
		if err := s.unsubscribe(ctx, s.tenant, w.ID); err != nil {
			return err
		}
	}
	if hook.ID != 0 && s.confirmed(event, hook) {
		return nil
	}
	if err := s.miss(ctx); err != nil {
		return err
	}
	if hook.ID == 0 {
		err := s.salla(ctx, s.tenant, func(ctx context.Context, c *salla.Client) (err error) {
			hook, err = c.Subscribe(ctx, event, s.in.Address, webhookName)
			return err
		})
		if err != nil {
			return addressWords(refused(err))
		}
	}
	var back salla.Webhook
	err := s.salla(ctx, s.tenant, func(ctx context.Context, c *salla.Client) (err error) {
		back, err = c.UpdateWebhook(ctx, hook.ID, salla.WebhookUpdate{
			Name: webhookName, URL: s.in.Address, Strategy: s.Strategy, Secret: s.Secret,
		})
		return err
	})
	switch {
	case errors.Is(err, fault.NotFound):
		return later(fmt.Errorf("the webhook went away while it was being protected: %w", err))
	case err != nil:
		return addressWords(refused(err))
	case back.Security.Strategy != "" && !strings.EqualFold(back.Security.Strategy, s.Strategy),
		back.Security.Secret != "" && !strings.Contains(back.Security.Secret, "*") && back.Security.Secret != s.Secret:
		return unsignedWords(event)
	}
	return s.confirm(ctx, event, hook.ID)
}

// signed tells whether a subscription's deliveries are protected as they must be:
// by what Salla's list says, or else by what it confirmed to us.
func (r *round) signed(in subscriptionsIntent, event string, hook salla.Webhook) bool {
	if !protect.SubscriptionSigned {
		return true
	}
	if s := hook.Security.Strategy; s != "" && !strings.EqualFold(s, r.Strategy) {
		return false
	}
	return in.Signed[event] == hook.ID
}

func (r *round) unsubscribe(ctx context.Context, t store.Tenant, id int64) error {
	err := r.salla(ctx, t, func(ctx context.Context, c *salla.Client) error { return c.Unsubscribe(ctx, id) })
	if err != nil && !errors.Is(err, fault.NotFound) {
		return fmt.Errorf("remove a webhook that is there twice: %w", refused(err))
	}
	return nil
}

// verifySubscriptions returns what is wrong with the store's subscriptions, or "".
func (r *round) verifySubscriptions(ctx context.Context, t store.Tenant) (string, error) {
	reachable, err := r.reachable(ctx, t)
	if err != nil || !reachable {
		return "", err
	}
	in, err := r.subscriptionsIntent(ctx)
	if err != nil {
		return "", err
	}
	there, err := r.ours(ctx, t, in.Address)
	if err != nil {
		return "", err
	}
	for _, event := range Events() {
		switch hooks := there[event]; {
		case len(hooks) == 0:
			return "the store does not send " + event, nil
		case len(hooks) > 1:
			return "the store sends " + event + " more than once", nil
		case hooks[0].Rule != "":
			return "the store sends " + event + " only by a rule", nil
		case !r.signed(in, event, hooks[0]):
			return "the store would send " + event + " unsigned", nil
		}
	}
	return "", nil
}

// refused makes Salla's temporary restriction of an app one that passes.
func refused(err error) error {
	if errors.Is(err, fault.Forbidden) && !salla.IsMissingScope(err) && !errors.Is(err, fault.ErrGaveUp) {
		return later(err)
	}
	return err
}

func addressWords(err error) error {
	if errors.Is(err, fault.Invalid) {
		return advise(err, "Salla takes only public https addresses: set PUBLIC_URL to where the world reaches the api, then retry")
	}
	return err
}

func unsignedWords(event string) error {
	return advise(fault.New(fault.Conflict, "Salla does not confirm that %s comes with our secret", event),
		"Set the app's webhook strategy and secret in Salla's partner portal to those of SALLA_WEBHOOK_STRATEGY and SALLA_WEBHOOK_SECRET, then retry")
}

// fingerprint tells secrets apart without telling anything of them.
func fingerprint(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("wosool: which webhook secret"))
	return hex.EncodeToString(mac.Sum(nil)[:4])
}
