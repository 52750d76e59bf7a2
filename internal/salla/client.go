// Package salla calls Salla's merchant API and its OAuth server: typed calls and
// typed errors, nothing else. It never retries; callers are tasks, and their rows
// decide when a call is made again. Salla's loose types (numbers as strings, [] for
// an empty object, four ways to write a date) end here: see Number, ParseTime.
package salla

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/rawjson"
)

// Where Salla serves its production API and its OAuth server.
const (
	DefaultAPIURL      = "https://api.salla.dev/admin/v2"
	DefaultAccountsURL = "https://accounts.salla.sa"
)

// DefaultTimeout bounds one call, its body included, where the http.Client that
// was given names no timeout of its own.
const DefaultTimeout = 30 * time.Second

// What is read of one answer, so that a broken upstream cannot exhaust a worker.
const (
	maxBody  = 16 << 20
	maxError = 64 << 10
)

// Client calls the API as one merchant. It is safe for concurrent use; its fields
// are not changed after the first call.
type Client struct {
	BaseURL string       // empty: DefaultAPIURL
	HTTP    *http.Client // nil: one with DefaultTimeout
	Token   string       // the merchant's access token

	// Guard, if set, makes every call, its body included, or does not: its error is
	// then the method's.
	Guard func(ctx context.Context, call func(context.Context) error) error

	// Observe, if set, is told the limits that came with every answer, errors
	// included. It may be called from several goroutines at once.
	Observe func(Limits)
}

// Format keeps the token out of whatever prints a Client.
func (c Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "salla.Client") }

// LogValue keeps the token out of logs.
func (c Client) LogValue() slog.Value { return slog.StringValue("salla.Client") }

// reply is a good answer, its envelope opened.
type reply struct {
	envelope
	requestedAt time.Time // the instant just before the request was sent
}

// envelope is what Salla wraps every answer in, good or bad.
type envelope struct {
	Status     integer         `json:"status"`
	Success    json.RawMessage `json:"success"`
	Data       json.RawMessage `json:"data"`
	Pagination json.RawMessage `json:"pagination"`
	Cursor     json.RawMessage `json:"cursor"`
	Security   json.RawMessage `json:"security"`
	Error      json.RawMessage `json:"error"`
}

// open opens a good answer. Only the parts are taken, and none is copied: a page has
// many records.
func (e *envelope) open(body []byte) error {
	if !json.Valid(body) {
		return errors.New("this is no JSON")
	}
	parts := rawjson.Members(body)
	if parts == nil {
		return errors.New("this is no object")
	}
	e.Success, e.Data, e.Error = parts["success"], parts["data"], parts["error"]
	e.Pagination, e.Cursor, e.Security = parts["pagination"], parts["cursor"], parts["security"]
	if status := parts["status"]; status != nil {
		return e.Status.UnmarshalJSON(status)
	}
	return nil
}

// refused tells whether the answer calls itself unsuccessful, whatever its status.
func (e envelope) refused() bool {
	s := string(e.Success)
	return s == "false" || s == `"false"` || s == "0"
}

// get makes one call that must be answered with data.
func (c *Client) get(ctx context.Context, path string, query url.Values) (reply, error) {
	return c.do(ctx, http.MethodGet, path, query, nil)
}

// do makes one call. in, if not nil, is sent as JSON. An answer to anything but
// DELETE must have a body. Secrets in the request are named, so that no error
// repeats them.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in any, secrets ...string) (out reply, err error) {
	if c.Guard == nil {
		return c.call(ctx, method, path, query, in, secrets...)
	}
	err = c.Guard(ctx, func(ctx context.Context) (err error) {
		out, err = c.call(ctx, method, path, query, in, secrets...)
		return err
	})
	return out, err
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, in any, secrets ...string) (reply, error) {
	op := method + " " + path
	secrets = append(secrets, c.Token)
	req, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return reply{}, &callError{op: op, err: plain(err), secrets: secrets}
	}

	out := reply{requestedAt: time.Now().UTC().Round(0)}
	resp, err := client(c.HTTP).Do(req)
	if err != nil {
		return reply{}, &callError{op: op, err: plain(err), secrets: secrets}
	}
	defer resp.Body.Close()
	if c.Observe != nil {
		limits := limitsOf(resp.Header, time.Now())
		limits.Refused = resp.StatusCode == http.StatusTooManyRequests
		c.Observe(limits)
	}
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // the status alone is worth an *Error
		return reply{}, newError(method, path, resp, body, secrets...)
	}
	body, err := readAll(resp.Body, maxBody)
	if err != nil {
		return reply{}, &callError{op: op, err: fmt.Errorf("read: %w", err), secrets: secrets}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		if method == http.MethodDelete {
			return out, nil
		}
		return reply{}, &callError{op: op, err: errEmpty, secrets: secrets}
	}
	if err := out.envelope.open(body); err != nil {
		return reply{}, &callError{op: op, err: unreadable(resp, body), secrets: secrets}
	}
	if out.refused() {
		return reply{}, newError(method, path, resp, body, secrets...)
	}
	return out, nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	base := strings.TrimRight(c.BaseURL, "/")
	if base == "" {
		base = DefaultAPIURL
	}
	target := base + path
	if len(query) > 0 {
		target += "?" + query.Encode()
	}
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode: %w", err)
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, target, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("User-Agent", "wosool")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// client gives hc with a timeout and without redirects: a redirect would carry
// the token, or a refresh, to wherever the answer says.
func client(hc *http.Client) *http.Client {
	var own http.Client
	if hc != nil {
		own = *hc
	}
	if own.Timeout == 0 {
		own.Timeout = DefaultTimeout
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// readAll reads r to its end; more than limit bytes are an error.
func readAll(r io.Reader, limit int64) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return body, nil
}

// plain takes off net/http's wrapper, whose text has the whole URL.
func plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}
