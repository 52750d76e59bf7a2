package salla

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// tokenPath answers both grants.
const tokenPath = "/oauth2/token"

// lifetime is the documented one, for an answer that names none: a token that was
// given must not be lost for that.
const lifetime = 14 * 24 * time.Hour

// OAuth calls Salla's OAuth server as the app. It is safe for concurrent use; its
// fields are not changed after the first call.
//
// A refresh token is good for one use, and a second use revokes the whole grant.
// So each call writes its request at most once: on a connection of its own, never
// resent by net/http, never redirected. An error that is neither NotSent, nor
// IsRateLimited, nor IsInvalidGrant leaves open whether the token was consumed.
type OAuth struct {
	AccountsURL  string // empty: DefaultAccountsURL
	ClientID     string
	ClientSecret string

	// HTTP gives the timeout and the transport. Of an *http.Transport (and of
	// none) a copy without keep-alive is used, since a connection that went stale
	// makes an unknown outcome of what would have been none.
	HTTP *http.Client

	// Guard, if set, makes every call, its body included, or does not. An error of
	// a call that it did not make is NotSent.
	Guard func(ctx context.Context, call func(context.Context) error) error
}

// Format keeps the secret out of whatever prints an OAuth.
func (o OAuth) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "salla.OAuth") }

// LogValue keeps the secret out of logs.
func (o OAuth) LogValue() slog.Value { return slog.StringValue("salla.OAuth") }

// AuthorizeURL is where a merchant's browser is sent to grant the scopes. Salla
// strips hyphens from state, so it should have none. offline_access, without which
// there is no refresh token, is added.
func (o *OAuth) AuthorizeURL(state, redirect string, scopes []string) string {
	if !slices.Contains(scopes, "offline_access") {
		scopes = append(slices.Clone(scopes), "offline_access")
	}
	return o.base() + "/oauth2/auth?" + url.Values{
		"client_id":     {o.ClientID},
		"response_type": {"code"},
		"redirect_uri":  {redirect},
		"scope":         {strings.Join(scopes, " ")},
		"state":         {state},
	}.Encode()
}

// Exchange turns the code of an authorization-code flow into a Token. A code can
// be used once.
func (o *OAuth) Exchange(ctx context.Context, code, redirectURI string) (Token, error) {
	return o.token(ctx, code, url.Values{
		"grant_type":   {"authorization_code"},
		"code":         {code},
		"redirect_uri": {redirectURI},
	})
}

// Refresh turns a refresh token into a new Token; the old ones are dead after it.
// The caller must hold the only right to use that refresh token, and must not try
// again after an error unless it is NotSent or IsRateLimited.
func (o *OAuth) Refresh(ctx context.Context, refreshToken string) (Token, error) {
	return o.token(ctx, refreshToken, url.Values{
		"grant_type":    {"refresh_token"},
		"refresh_token": {refreshToken},
	})
}

func (o *OAuth) base() string {
	if o.AccountsURL == "" {
		return DefaultAccountsURL
	}
	return strings.TrimRight(o.AccountsURL, "/")
}

// Ping asks the OAuth server for nothing, with no secret, at the address that gives
// tokens: nil is any answer of its own.
func (o *OAuth) Ping(ctx context.Context) error {
	_, err := o.call(ctx, "", url.Values{})
	if e, ok := errors.AsType[*Error](err); ok {
		if _, _, failed := e.Outage(); !failed {
			return nil
		}
	}
	return err
}

// token sends form, which holds secret, and reads the Token of the answer.
func (o *OAuth) token(ctx context.Context, secret string, form url.Values) (t Token, err error) {
	form.Set("client_id", o.ClientID)
	form.Set("client_secret", o.ClientSecret)
	if o.Guard == nil {
		return o.call(ctx, secret, form)
	}
	called := false
	err = o.Guard(ctx, func(ctx context.Context) (err error) {
		called = true
		t, err = o.call(ctx, secret, form)
		return err
	})
	if err != nil && !called {
		return Token{}, &callError{op: http.MethodPost + " " + tokenPath, err: err, secrets: []string{secret, o.ClientSecret}, notSent: true}
	}
	return t, err
}

func (o *OAuth) call(ctx context.Context, secret string, form url.Values) (Token, error) {
	const op = http.MethodPost + " " + tokenPath
	secrets := []string{secret, o.ClientSecret}
	body := &onceBody{r: strings.NewReader(form.Encode())}
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.base()+tokenPath, body)
	if err != nil {
		return Token{}, &callError{op: op, err: plain(err), secrets: secrets, notSent: true}
	}
	req.ContentLength = int64(body.r.Len())
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("User-Agent", "wosool")

	now := time.Now()
	hc, done := o.client()
	defer done()
	resp, err := hc.Do(req)
	if err != nil {
		notSent := body.seal() && !connected.Load()
		return Token{}, &callError{op: op, err: plain(err), secrets: secrets, notSent: notSent}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // the status alone is worth an *Error
		return Token{}, newOAuthError(resp, answer, secrets...)
	}
	answer, err := readAll(resp.Body, maxError)
	if err != nil {
		return Token{}, &callError{op: op, err: fmt.Errorf("read: %w", err), secrets: secrets}
	}
	return readToken(resp, answer, now, secrets)
}

// client gives a client whose connection is used for one request only, and what
// ends it.
func (o *OAuth) client() (*http.Client, func()) {
	hc := client(o.HTTP)
	transport, ok := hc.Transport.(*http.Transport)
	if hc.Transport == nil {
		transport, ok = http.DefaultTransport.(*http.Transport)
	}
	if !ok {
		return hc, func() {}
	}
	transport = transport.Clone()
	transport.DisableKeepAlives = true
	hc.Transport = transport
	return hc, transport.CloseIdleConnections
}

// readToken reads a 2xx answer. Its text is never quoted: it holds tokens.
func readToken(resp *http.Response, answer []byte, now time.Time, secrets []string) (Token, error) {
	const op = http.MethodPost + " " + tokenPath
	var doc struct {
		Access    text            `json:"access_token"`
		Refresh   text            `json:"refresh_token"`
		Scope     text            `json:"scope"`
		Expires   json.RawMessage `json:"expires"`
		ExpiresIn json.RawMessage `json:"expires_in"`
		Error     json.RawMessage `json:"error"`
	}
	var env envelope
	if json.Unmarshal(answer, &doc) != nil {
		return Token{}, &callError{op: op, err: unreadable(resp, answer), secrets: secrets}
	}
	if json.Unmarshal(answer, &env) == nil && env.refused() || !blank(doc.Error) {
		return Token{}, newOAuthError(resp, answer, secrets...)
	}
	if doc.Access == "" || doc.Refresh == "" {
		return Token{}, &callError{op: op, err: answerError("an answer without both tokens"), secrets: secrets}
	}
	t := Token{
		Access: string(doc.Access), Refresh: string(doc.Refresh),
		ExpiresAt: now.Add(lifetime).UTC().Round(0), Scopes: strings.Fields(string(doc.Scope)),
	}
	for _, raw := range []json.RawMessage{doc.ExpiresIn, doc.Expires} {
		if at, ok := ParseExpiry(raw, now); ok {
			t.ExpiresAt = at
			break
		}
	}
	return t, nil
}

// newOAuthError reads {"error","error_description"}, or the API's envelope.
func newOAuthError(resp *http.Response, body []byte, secrets ...string) *Error {
	e := newError(http.MethodPost, tokenPath, resp, body, secrets...)
	e.oauth, e.Status = true, resp.StatusCode
	var doc struct {
		Error       json.RawMessage `json:"error"`
		Description text            `json:"error_description"`
	}
	var code string
	if json.Unmarshal(body, &doc) == nil && json.Unmarshal(doc.Error, &code) == nil {
		e.foreign = false
		e.Code, e.Message = safe(code, secrets...), safe(string(doc.Description), secrets...)
	}
	return e
}

// errSealed is what a transport is told that would still send a sealed body.
var errSealed = errors.New("the request was given up")

// onceBody is a request body that can be read once, and that can be sealed for as
// long as nobody has begun to. Unlike the readers that net/http knows it cannot be
// rewound, so no transport can send it twice; and a transport that has not read
// it cannot have sent the token in it, whatever error it gives.
type onceBody struct {
	r     *strings.Reader
	state atomic.Int32 // 0 untouched, 1 being read, 2 sealed
}

// Read reads the body, unless it is sealed.
func (b *onceBody) Read(p []byte) (int, error) {
	if !b.state.CompareAndSwap(0, 1) && b.state.Load() == 2 {
		return 0, errSealed
	}
	return b.r.Read(p)
}

// Close does nothing: net/http closes bodies that it did not send, too.
func (b *onceBody) Close() error { return nil }

// seal ends the body and tells whether nobody had begun to read it.
func (b *onceBody) seal() bool { return b.state.CompareAndSwap(0, 2) }
