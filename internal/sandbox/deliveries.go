package sandbox

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Delivery is one webhook message and what became of it.
type Delivery struct {
	ID       int64             `json:"id"`
	System   string            `json:"system"` // salla or clerk
	Merchant int64             `json:"merchant,omitempty"`
	Event    string            `json:"event"`
	URL      string            `json:"url"` // as registered, not where it really goes
	Body     json.RawMessage   `json:"body,omitempty"`
	State    string            `json:"state"` // pending, delivered, failed, lost
	Attempts []Attempt         `json:"attempts"`
	Headers  map[string]string `json:"headers,omitempty"` // custom ones of the subscription

	strategy, secret string
	messageID        string // svix-id
}

// Attempt is one try to deliver.
type Attempt struct {
	At     time.Time `json:"at"`
	Status int       `json:"status"` // 0: no answer
	Error  string    `json:"error,omitempty"`
}

// The states of a Delivery.
const (
	DeliveryPending   = "pending"
	DeliveryDelivered = "delivered"
	DeliveryFailed    = "failed" // every resend failed
	DeliveryLost      = "lost"   // by a fault, or with nowhere to go
)

// Deliveries returns what was delivered or is to be, oldest first. Only the
// last few thousand are kept.
func (s *Server) Deliveries() []Delivery {
	c := s.courier
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]Delivery, len(c.log))
	for i, d := range c.log {
		out[i] = *d
		out[i].Attempts = slices.Clone(d.Attempts)
		out[i].Headers = maps.Clone(d.Headers)
	}
	return out
}

// Redeliver sends a recorded delivery once more, byte for byte, and returns
// the answer's status. It is not resent.
func (s *Server) Redeliver(ctx context.Context, id int64) (int, error) {
	c := s.courier
	c.mu.Lock()
	i := slices.IndexFunc(c.log, func(d *Delivery) bool { return d.ID == id })
	if i < 0 {
		c.mu.Unlock()
		return 0, fmt.Errorf("redeliver %d: no such delivery", id)
	}
	d := c.log[i]
	c.mu.Unlock()
	return c.post(ctx, d.URL, d.headersAt(s.now()), d.Body, time.Minute)
}

// RawDelivery is a message to send as it is, for tests of what a receiver
// must refuse.
type RawDelivery struct {
	System   string            `json:"system"` // salla (default) or clerk: which of the app's URLs
	URL      string            `json:"url,omitempty"`
	Body     string            `json:"body"`
	Strategy string            `json:"strategy,omitempty"` // signature, token, svix, none; default: as the app is set up
	Secret   string            `json:"secret,omitempty"`   // default: the app's
	Headers  map[string]string `json:"headers,omitempty"`  // replace those made for the strategy
}

// SendRaw delivers a message once, now, and returns the answer's status.
func (s *Server) SendRaw(ctx context.Context, raw RawDelivery) (int, error) {
	d := &Delivery{System: cmp.Or(raw.System, systemSalla), Body: json.RawMessage(raw.Body), messageID: "msg_" + secretText(27)}
	if d.System == systemClerk {
		d.URL = s.cfg.PublicURL + "/webhooks/clerk"
		d.strategy, d.secret = strategySvix, s.cfg.ClerkWebhookSecret
	} else {
		d.URL = s.cfg.PublicURL + "/webhooks/salla"
		d.strategy, d.secret = s.cfg.Strategy, s.cfg.WebhookSecret
	}
	d.URL = cmp.Or(raw.URL, d.URL)
	d.strategy = cmp.Or(raw.Strategy, d.strategy)
	d.secret = cmp.Or(raw.Secret, d.secret)
	h := d.headersAt(s.now())
	for k, v := range raw.Headers {
		h.Set(k, v)
	}
	return s.courier.post(ctx, d.URL, h, d.Body, time.Minute)
}

// strategySvix protects Clerk's messages.
const strategySvix = "svix"

// headersAt is what the message carries when it is sent at now. A Salla
// message carries the same each time; of a Svix message the id stays and the
// time does not.
func (d *Delivery) headersAt(now time.Time) http.Header {
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	for k, v := range d.Headers {
		h.Set(k, v)
	}
	switch d.strategy {
	case strategySignature:
		h.Set("X-Salla-Security-Strategy", "Signature")
		h.Set("X-Salla-Signature", SallaSignature(d.secret, d.Body))
	case strategyToken:
		h.Set("X-Salla-Security-Strategy", "Token")
		h.Set("Authorization", d.secret)
	case strategySvix:
		at := strconv.FormatInt(now.Unix(), 10)
		h.Set("Svix-Id", d.messageID)
		h.Set("Svix-Timestamp", at)
		h.Set("Svix-Signature", SvixSignature(d.secret, d.messageID, at, d.Body))
		h.Set("User-Agent", "Svix-Webhooks/1.0 (sandbox)")
	}
	return h
}

// succeeded says whether an answer ends the delivery: Salla takes 200 and 201
// only, Svix any 2xx.
func (d *Delivery) succeeded(status int) bool {
	if d.System == systemClerk {
		return status >= 200 && status < 300
	}
	return status == http.StatusOK || status == http.StatusCreated
}

// redirected is the registered address with the scheme and host of where
// deliveries really go.
func redirected(registered, target string) (string, error) {
	if target == "" {
		return "", fmt.Errorf("no address to deliver to")
	}
	u, err := url.Parse(registered)
	if err != nil {
		return "", fmt.Errorf("registered address: %w", err)
	}
	t, err := url.Parse(target)
	if err != nil {
		return "", fmt.Errorf("address to deliver to: %w", err)
	}
	u.Scheme, u.Host = t.Scheme, t.Host
	return u.String(), nil
}
