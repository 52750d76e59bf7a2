// Package clerk calls Clerk's Backend API and verifies its webhooks: typed calls
// and typed errors, nothing else. It never retries; callers are tasks, and their
// rows decide when a call is made again.
//
// It does not use clerk-sdk-go: v2.7.0 loses the status and the Retry-After of an
// error whose body is not JSON, takes a 200 without a body for an empty object,
// does not escape or check ids (an empty one lists), makes two calls for each list
// of users, and lacks email_address_identification_status.
package clerk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wosool/wosool/internal/fault"
)

// DefaultURL is where Clerk serves its API.
const DefaultURL = "https://api.clerk.com/v1"

// version is the API version that this package was written for. Without it Clerk
// serves whatever the instance is set to.
const version = "2026-05-12"

// DefaultTimeout bounds one call, its body included, where the http.Client that
// was given names no timeout of its own.
const DefaultTimeout = 30 * time.Second

// What is read of one answer, so that a broken upstream cannot exhaust a worker.
const (
	maxBody  = 16 << 20
	maxError = 64 << 10
)

// Client calls the API of one Clerk instance. It is safe for concurrent use; its
// fields are not changed after the first call.
type Client struct {
	BaseURL string       // empty: DefaultURL
	Key     string       // the instance's secret key
	HTTP    *http.Client // nil: one with DefaultTimeout

	// Guard, if set, makes every call, its body included, or does not: its error is
	// then the method's.
	Guard func(ctx context.Context, call func(context.Context) error) error
}

// Format keeps the key out of whatever prints a Client.
func (c Client) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "clerk.Client") }

// LogValue keeps the key out of logs.
func (c Client) LogValue() slog.Value { return slog.StringValue("clerk.Client") }

// Metadata is what an application keeps with a user, an organization, a membership
// or an invitation.
type Metadata map[string]any

// Text gives a value that is text or a whole number as text; "" of anything else.
func (m Metadata) Text(key string) string {
	switch v := m[key].(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// do makes one call and reads the answer into out. in, if not nil, is sent as
// JSON. An answer without a body is an error.
func (c *Client) do(ctx context.Context, method, path string, query url.Values, in, out any) error {
	if c.Guard == nil {
		return c.call(ctx, method, path, query, in, out)
	}
	return c.Guard(ctx, func(ctx context.Context) error { return c.call(ctx, method, path, query, in, out) })
}

func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	op := method + " " + path
	var connected atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})
	req, err := c.request(ctx, method, path, query, in)
	if err != nil {
		return &callError{op: op, err: plain(err), key: c.Key, notSent: true}
	}
	resp, err := c.client().Do(req)
	if err != nil {
		return &callError{op: op, err: plain(err), key: c.Key, notSent: !connected.Load()}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, maxError)) // the status alone is worth an *Error
		return newError(method, path, resp, body, c.Key)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxBody+1))
	if err != nil {
		return &callError{op: op, err: fmt.Errorf("read: %w", err), key: c.Key}
	}
	switch {
	case len(body) > maxBody:
		return fmt.Errorf("clerk: %s: more than %d bytes", op, maxBody)
	case len(bytes.TrimSpace(body)) == 0:
		return &callError{op: op, err: answerError("an empty answer"), key: c.Key}
	case !json.Valid(body):
		return &callError{op: op, err: unreadable(body), key: c.Key}
	}
	if refused := newError(method, path, resp, body, c.Key); !refused.foreign {
		return refused // under a 200
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("clerk: %s: decode: %w", op, err)
	}
	return nil
}

func (c *Client) request(ctx context.Context, method, path string, query url.Values, in any) (*http.Request, error) {
	base := strings.TrimRight(c.BaseURL, "/")
	if base == "" {
		base = DefaultURL
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
	req.Header.Set("Authorization", "Bearer "+c.Key)
	req.Header.Set("Clerk-API-Version", version)
	req.Header.Set("User-Agent", "wosool")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}

// client gives HTTP with a timeout and without redirects, which would carry the
// key to wherever an answer says.
func (c *Client) client() *http.Client {
	var own http.Client
	if c.HTTP != nil {
		own = *c.HTTP
	}
	if own.Timeout == 0 {
		own.Timeout = DefaultTimeout
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &own
}

// plain takes off net/http's wrapper, whose text has the whole URL and so e-mails.
func plain(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		return ue.Err
	}
	return err
}

// pageSize is how many records are asked for at once.
const pageSize = 100

// list reads every page of a list of {data, total_count}. Records that two pages
// share, because the list moved meanwhile, are given once.
func list[T any](ctx context.Context, c *Client, path string, query url.Values, id func(T) string) ([]T, error) {
	const most = 1000 // pages
	if query == nil {
		query = url.Values{}
	}
	query.Set("limit", strconv.Itoa(pageSize))
	var all []T
	seen := make(map[string]bool)
	offset := 0
	for range most {
		query.Set("offset", strconv.Itoa(offset))
		var page struct {
			Data  *[]T `json:"data"`
			Total int  `json:"total_count"`
		}
		if err := c.do(ctx, http.MethodGet, path, query, nil, &page); err != nil {
			return nil, err
		}
		if page.Data == nil {
			return nil, fmt.Errorf("clerk: GET %s: an answer without data", path)
		}
		for _, record := range *page.Data {
			if key := id(record); !seen[key] {
				seen[key] = true
				all = append(all, record)
			}
		}
		n := len(*page.Data)
		offset += n
		if n == 0 || offset >= page.Total && (page.Total > 0 || n < pageSize) {
			return all, nil
		}
	}
	return nil, fmt.Errorf("clerk: GET %s: the list has no end", path)
}

// checkID keeps an id from becoming another path: "" would read the list.
func checkID(prefix, id string) error {
	rest, ok := strings.CutPrefix(id, prefix+"_")
	if !ok || rest == "" || len(id) > 100 || strings.ContainsFunc(rest, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	}) {
		return fault.New(fault.Invalid, "clerk: not an id of the form %s_…", prefix)
	}
	return nil
}

// check gives err, or, where an answer has no such id, what is wrong with it.
func check(err error, op, prefix, id string) error {
	if err != nil {
		return err
	}
	if checkID(prefix, id) != nil {
		return fmt.Errorf("clerk: %s: an answer without an id of the form %s_…", op, prefix)
	}
	return nil
}
