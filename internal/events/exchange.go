package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

// How long the parts of an exchange may take. Together with a commit they end
// within the grace of a process that stops.
const (
	exchangeTimeout = 10 * time.Second
	lookTimeout     = 8 * time.Second
	lookPause       = time.Second
)

// Exchange completes authorization-code flows. What a code gives becomes an event
// like the app.store.authorize that Salla pushes in its easy mode, so that every
// grant is judged, stored and remembered in one way. It is safe for concurrent use;
// its fields are not changed after the first call.
type Exchange struct {
	Inbox    *Inbox
	OAuth    *salla.OAuth
	Redirect string   // the address of ours that Salla leads back to, as registered there
	Scopes   []string // asked for
}

// AuthorizeURL is where a merchant's browser is sent to grant access.
func (x *Exchange) AuthorizeURL(state string) string {
	return x.OAuth.AuthorizeURL(state, x.Redirect, x.Scopes)
}

// Complete uses up a code, once, and commits what it gives. It goes on when ctx is
// cancelled, since the code is gone by then. fault.Forbidden: Salla refuses the
// code; fault.Unavailable: Salla or the database did not answer, and a new flow is
// the way to try again. What the database did not take is spooled meanwhile, so that
// the grant is not lost if no new flow comes.
func (x *Exchange) Complete(ctx context.Context, code string) (Recorded, error) {
	ctx = context.WithoutCancel(ctx)
	call, cancel := context.WithTimeout(ctx, exchangeTimeout)
	token, err := x.OAuth.Exchange(call, code, x.Redirect)
	cancel()
	if err != nil {
		return Recorded{}, fmt.Errorf("exchange a code: %w", err)
	}
	receivedAt := time.Now()
	merchant, err := x.merchant(ctx, token.Access)
	if err != nil {
		return Recorded{}, fmt.Errorf("ask whose store a grant is for: %w", err)
	}
	body, err := authorizeBody(merchant, token)
	if err != nil {
		return Recorded{}, err
	}
	return x.Inbox.Receive(ctx, Delivery{Source: SourceSalla, Body: body, ReceivedAt: receivedAt})
}

// merchant asks again while Salla does not answer: the tokens are in hand, and the
// question may be put more than once.
func (x *Exchange) merchant(ctx context.Context, access string) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	for {
		merchant, err := x.OAuth.Merchant(ctx, access)
		if err == nil || !errors.Is(err, fault.Unavailable) {
			return merchant, err
		}
		select {
		case <-ctx.Done():
			return 0, err
		case <-time.After(lookPause):
		}
	}
}

// authorizeBody writes an app.store.authorize. It has no created_at, which would
// be a time of ours: how old it is is not known, so that Salla is asked where that
// matters.
func authorizeBody(merchant int64, t salla.Token) ([]byte, error) {
	type grant struct {
		Access  string `json:"access_token"`
		Refresh string `json:"refresh_token"`
		Expires int64  `json:"expires"`
		Scope   string `json:"scope"`
		Type    string `json:"token_type"`
	}
	body, err := json.Marshal(struct {
		Event    string `json:"event"`
		Merchant int64  `json:"merchant"`
		Via      string `json:"via"`
		Data     grant  `json:"data"`
	}{
		"app.store.authorize", merchant, "authorization_code",
		grant{t.Access, t.Refresh, t.ExpiresAt.Unix(), strings.Join(t.Scopes, " "), "bearer"},
	})
	if err != nil {
		return nil, errors.New("write an authorize: its tokens cannot be written")
	}
	return body, nil
}
