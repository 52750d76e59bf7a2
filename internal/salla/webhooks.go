package salla

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

// Webhook is one subscription: one event to one address.
type Webhook struct {
	ID      int64
	Name    string
	Event   string
	Type    string
	URL     string
	Version int    // 0 where Salla did not say
	Rule    string // a filter; "" for every event

	// Security is how deliveries are signed, as far as the answer told: only that
	// of an update is documented to.
	Security Security
}

// Security is the way in which deliveries prove where they come from.
type Security struct {
	Strategy string // signature, token or none; "" where Salla did not say
	Secret   string `json:"-"`
}

// Format keeps the secret out of whatever prints it.
func (s Security) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.Strategy+" "+redacted) }

// WebhookUpdate is what UpdateWebhook sets; what is empty is not sent.
type WebhookUpdate struct {
	Name, URL string
	Strategy  string // signature or token
	Secret    string
}

// Webhooks reads all subscriptions of the merchant.
func (c *Client) Webhooks(ctx context.Context) ([]Webhook, error) {
	records, _, err := c.all(ctx, "/webhooks", nil)
	if err != nil {
		return nil, err
	}
	hooks := make([]Webhook, len(records))
	for i, raw := range records {
		if err := json.Unmarshal(raw, &hooks[i]); err != nil {
			return nil, fmt.Errorf("salla: GET /webhooks: %w", err)
		}
	}
	return hooks, nil
}

// Subscribe has an event sent to an address. For an event and an address that
// exist it updates the subscription and does not add one.
func (c *Client) Subscribe(ctx context.Context, event, address, name string) (Webhook, error) {
	in := struct {
		Name    string `json:"name"`
		Event   string `json:"event"`
		URL     string `json:"url"`
		Version int    `json:"version"`
	}{name, event, address, 2}
	return c.webhook(ctx, http.MethodPost, "/webhooks/subscribe", in)
}

// UpdateWebhook changes a subscription and gives it back with its Security, or
// fault.NotFound.
func (c *Client) UpdateWebhook(ctx context.Context, id int64, u WebhookUpdate) (Webhook, error) {
	in := struct {
		Name     string `json:"name,omitempty"`
		URL      string `json:"url,omitempty"`
		Version  int    `json:"version"`
		Strategy string `json:"security_strategy,omitempty"`
		Secret   string `json:"secret,omitempty"`
	}{u.Name, u.URL, 2, u.Strategy, u.Secret}
	return c.webhook(ctx, http.MethodPut, "/webhooks/"+strconv.FormatInt(id, 10), in, u.Secret)
}

// Unsubscribe ends a subscription, or gives fault.NotFound. It never names the
// address: that would end every subscription of it.
func (c *Client) Unsubscribe(ctx context.Context, id int64) error {
	_, err := c.do(ctx, http.MethodDelete, "/webhooks/unsubscribe", url.Values{"id": {strconv.FormatInt(id, 10)}}, nil)
	return err
}

func (c *Client) webhook(ctx context.Context, method, path string, in any, secrets ...string) (Webhook, error) {
	reply, err := c.do(ctx, method, path, nil, in, secrets...)
	if err != nil {
		return Webhook{}, err
	}
	var w Webhook
	if err := json.Unmarshal(reply.Data, &w); err != nil {
		return Webhook{}, fmt.Errorf("salla: %s %s: %w", method, path, err)
	}
	if w.Security == (Security{}) { // the documentation leaves open where it stands
		w.Security = security(reply.Security)
	}
	return w, nil
}

// UnmarshalJSON reads a subscription; one without an id is an error.
func (w *Webhook) UnmarshalJSON(raw []byte) error {
	var doc struct {
		ID       integer         `json:"id"`
		Name     text            `json:"name"`
		Event    text            `json:"event"`
		Type     text            `json:"type"`
		URL      text            `json:"url"`
		Version  integer         `json:"version"`
		Rule     text            `json:"rule"`
		Security json.RawMessage `json:"security"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	id, ok := doc.ID.value()
	if !ok || id <= 0 {
		return errors.New("a subscription without an id")
	}
	version, _ := doc.Version.value()
	*w = Webhook{
		ID: id, Name: string(doc.Name), Event: string(doc.Event), Type: string(doc.Type), URL: string(doc.URL),
		Version: int(version), Rule: string(doc.Rule), Security: security(doc.Security),
	}
	return nil
}

// security reads {strategy, secret}; anything else is none said.
func security(raw json.RawMessage) Security {
	var doc struct {
		Strategy text `json:"strategy"`
		Secret   text `json:"secret"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return Security{}
	}
	return Security{Strategy: string(doc.Strategy), Secret: string(doc.Secret)}
}
