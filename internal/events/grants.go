package events

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

// lifetime is the documented one of an access token, for a grant that names none.
const lifetime = 14 * 24 * time.Hour

// grantOf reads the tokens of an app.store.authorize that came at that time. One
// without both tokens is fault.Invalid; no error quotes it.
func grantOf(body []byte, receivedAt time.Time) (salla.Token, error) {
	var doc struct {
		Data struct {
			Access    string          `json:"access_token"`
			Refresh   string          `json:"refresh_token"`
			Expires   json.RawMessage `json:"expires"`
			ExpiresIn json.RawMessage `json:"expires_in"`
			Scope     json.RawMessage `json:"scope"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &doc) != nil {
		return salla.Token{}, fault.New(fault.Invalid, "its grant cannot be read")
	}
	if doc.Data.Access == "" || doc.Data.Refresh == "" {
		return salla.Token{}, fault.New(fault.Invalid, "it does not carry both tokens: does the app have the scope offline_access?")
	}
	t := salla.Token{Access: doc.Data.Access, Refresh: doc.Data.Refresh, ExpiresAt: receivedAt.Add(lifetime), Scopes: scopes(doc.Data.Scope)}
	for _, raw := range []json.RawMessage{doc.Data.Expires, doc.Data.ExpiresIn} {
		if at, ok := salla.ParseExpiry(raw, receivedAt); ok {
			t.ExpiresAt = at
			break
		}
	}
	return t, nil
}

// scopes reads scopes, in one string or a list.
func scopes(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil {
		return strings.Fields(one)
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	return nil
}

// planOf reads which plan a trial or subscription event says that the merchant has
// now; nil is none. item is what the subscription is of, where the event says so.
func planOf(event string, data json.RawMessage) (plan *string, item string) {
	var doc struct {
		Name any `json:"plan_name"`
		Type any `json:"plan_type"`
		Item any `json:"item_type"`
	}
	_ = json.Unmarshal(data, &doc) // all of data is optional
	item, _ = doc.Item.(string)
	if strings.HasSuffix(event, ".expired") || strings.HasSuffix(event, ".canceled") {
		return nil, item
	}
	for _, given := range []any{doc.Name, doc.Type, "unnamed"} {
		if text, ok := given.(string); ok && text != "" {
			text = clean(text, maxName)
			return &text, item
		}
	}
	return nil, item
}
