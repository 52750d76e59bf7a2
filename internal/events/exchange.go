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
	lookEach        = 3 * time.Second // one answer of whose store it is
)

// atTheEnd is the part of the time for an exchange that is kept for its commit and
// for the spool: a third of it, and no more than they need.
func atTheEnd(left time.Duration) time.Duration { return min(left/3, CommitTimeout+2*time.Second) }

// Exchange completes authorization-code flows. What a code gives becomes an event
// like the app.store.authorize that Salla pushes in its easy mode, so that every
// grant is judged, stored and remembered in one way. It is safe for concurrent use;
// its fields are not changed after the first call.
type Exchange struct {
	Inbox    *Inbox
	OAuth    *salla.OAuth
	Redirect string   // the address of ours that Salla leads back to, as registered there
	Scopes   []string // asked for

	// Store tells by Salla's API whose store an access token is for, where the OAuth
	// server does not; nil: nobody else is asked.
	Store func(ctx context.Context, access string) (int64, error)
}

// AuthorizeURL is where a merchant's browser is sent to grant access.
func (x *Exchange) AuthorizeURL(state string) string {
	return x.OAuth.AuthorizeURL(state, x.Redirect, x.Scopes)
}

// Complete uses up a code, once, and commits what it gives. It goes on when ctx is
// cancelled, since the code is gone by then, but ends by ctx's deadline, with time kept
// for the commit or the spool. fault.Forbidden: Salla refuses the
// code; fault.Unavailable: Salla or the database did not answer, and a new flow is
// the way to try again, unless Recorded tells that the grant was spooled: then it is
// safe, and goes on by itself when the database answers.
func (x *Exchange) Complete(ctx context.Context, code string) (Recorded, error) {
	end, bounded := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if !bounded {
		end = time.Now().Add(exchangeTimeout + lookTimeout + atTheEnd(time.Hour))
	}
	ctx, done := context.WithDeadline(ctx, end)
	defer done()
	before := end.Add(-atTheEnd(time.Until(end)))
	call, cancel := context.WithTimeout(ctx, min(exchangeTimeout, time.Until(before)*2/3))
	token, err := x.OAuth.Exchange(call, code, x.Redirect)
	cancel()
	if err != nil {
		return Recorded{}, fmt.Errorf("exchange a code: %w", err)
	}
	receivedAt := time.Now()
	asking, cancel := context.WithDeadline(ctx, before)
	merchant, err := x.merchant(asking, token.Access)
	cancel()
	if err != nil {
		return Recorded{}, fmt.Errorf("ask whose store a grant is for: %w", err)
	}
	body, err := authorizeBody(merchant, token)
	if err != nil {
		return Recorded{}, err
	}
	return x.Inbox.Receive(ctx, Delivery{Source: SourceSalla, Body: body, ReceivedAt: receivedAt})
}

// merchant asks until there is an answer, or ctx ends: the tokens are in hand, and the
// question may be put more than once. Only a token that Salla does not take ends it.
func (x *Exchange) merchant(ctx context.Context, access string) (int64, error) {
	ways := []func(context.Context, string) (int64, error){x.OAuth.Merchant}
	if x.Store != nil {
		ways = append(ways, x.Store)
	}
	for nr := 0; ; nr++ {
		try, cancel := context.WithTimeout(ctx, lookEach)
		merchant, err := ways[nr%len(ways)](try, access)
		cancel()
		if err == nil {
			return merchant, nil
		}
		if nr%len(ways) == 0 && (salla.IsInvalidToken(err) || errors.Is(err, fault.Forbidden)) {
			return 0, err
		}
		pause := lookPause
		if nr%len(ways) < len(ways)-1 {
			pause = 0 // the other way is not tired
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: nobody told in time: %w", fault.New(fault.Unavailable, "the grant is given up: the merchant has to begin again"), err)
		case <-time.After(pause):
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
