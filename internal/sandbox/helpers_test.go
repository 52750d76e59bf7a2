package sandbox_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

const (
	shop       = int64(1305146709)
	publicURL  = "https://wosool.example"
	appSecret  = "app-webhook-secret"
	clerkKey   = "sk_test_sandbox"
	svixSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
)

// rig is a sandbox behind a real server, and an app that it delivers to.
type rig struct {
	*sandbox.Server

	t    *testing.T
	base string
	app  *app
}

// newRig starts a sandbox with one store, changed by the given functions.
func newRig(t *testing.T, change ...func(*sandbox.Config)) *rig {
	t.Helper()
	a := newApp(t)
	cfg := sandbox.Config{
		Seed: 7, PublicURL: publicURL, DeliverTo: a.url,
		ClientID: "client", ClientSecret: "client-secret", WebhookSecret: appSecret,
		ClerkKey: clerkKey, ClerkWebhookSecret: svixSecret,
		RetryEvery: 20 * time.Millisecond,
	}
	for _, f := range change {
		f(&cfg)
	}
	s := sandbox.New(cfg)
	t.Cleanup(s.Close)
	srv := httptest.NewServer(s.Handler())
	t.Cleanup(srv.Close)
	s.AddStore(sandbox.StoreSpec{Merchant: shop, Products: 70, Orders: 130, Customers: 65, Carts: 20})
	return &rig{s, t, srv.URL, a}
}

// message is a webhook as the app received it.
type message struct {
	path   string
	header http.Header
	body   []byte
}

func (m message) json(t *testing.T) map[string]any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal(m.body, &v); err != nil {
		t.Fatalf("webhook body: %v: %s", err, m.body)
	}
	return v
}

// app receives webhooks; answer says what it does with the nth.
type app struct {
	url string

	mu     sync.Mutex
	got    []message
	answer func(n int, m message) int
	more   chan struct{}
}

func newApp(t *testing.T) *app {
	t.Helper()
	a := &app{more: make(chan struct{}, 10000)}
	srv := httptest.NewServer(a)
	t.Cleanup(srv.Close)
	a.url = srv.URL
	return a
}

func (a *app) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	m := message{r.URL.Path, r.Header.Clone(), body}
	a.mu.Lock()
	a.got = append(a.got, m)
	status := http.StatusOK
	if a.answer != nil {
		status = a.answer(len(a.got), m)
	}
	a.mu.Unlock()
	w.WriteHeader(status)
	a.more <- struct{}{}
}

func (a *app) answers(f func(n int, m message) int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answer = f
}

func (a *app) messages() []message {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]message(nil), a.got...)
}

// event returns the received messages of one event, oldest first.
func (a *app) event(t *testing.T, name string) []message {
	t.Helper()
	var out []message
	for _, m := range a.messages() {
		v := m.json(t)
		if v["event"] == name || v["type"] == name {
			out = append(out, m)
		}
	}
	return out
}

// await waits until ok holds, looking again after each delivery.
func (a *app) await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-a.more:
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("timed out waiting for %s; %d webhooks received", what, len(a.messages()))
		}
	}
}

// install installs the store and returns the tokens that the app was sent.
func (r *rig) install(merchant int64) (access, refresh string) {
	r.t.Helper()
	if err := r.Install(r.t.Context(), merchant); err != nil {
		r.t.Fatal(err)
	}
	var last map[string]any
	for _, m := range r.app.event(r.t, "app.store.authorize") {
		if v := m.json(r.t); v["merchant"] == float64(merchant) {
			last = v["data"].(map[string]any)
		}
	}
	if last == nil {
		r.t.Fatal("no app.store.authorize was received")
	}
	refresh, _ = last["refresh_token"].(string)
	return last["access_token"].(string), refresh
}

// reply is an answer of the sandbox.
type reply struct {
	status int
	header http.Header
	raw    []byte
	json   map[string]any
}

func (r *rig) do(method, address, token, kind, body string) reply {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, address, err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatalf("%s %s: %v", method, address, err)
	}
	out := reply{status: resp.StatusCode, header: resp.Header, raw: raw}
	_ = json.Unmarshal(raw, &out.json) // bare arrays and pages are read from raw
	return out
}

func (r *rig) salla(method, token, path, body string) reply {
	r.t.Helper()
	return r.do(method, r.SallaURL(r.base)+path, token, "application/json", body)
}

// get reads a Merchant API path, which must answer 200.
func (r *rig) get(token, path string) map[string]any {
	r.t.Helper()
	out := r.salla("GET", token, path, "")
	if out.status != http.StatusOK {
		r.t.Fatalf("GET %s: status %d: %s", path, out.status, out.raw)
	}
	return out.json
}

// list reads a list's records and its pagination object.
func (r *rig) list(token, path string) (records []map[string]any, pagination map[string]any) {
	r.t.Helper()
	v := r.get(token, path)
	data, ok := v["data"].([]any)
	if !ok {
		r.t.Fatalf("GET %s: data is no list", path)
	}
	for _, one := range data {
		records = append(records, one.(map[string]any))
	}
	pagination, _ = v["pagination"].(map[string]any)
	return records, pagination
}

func (r *rig) form(values url.Values) reply {
	r.t.Helper()
	return r.do("POST", r.AccountsURL(r.base)+"/oauth2/token", "", "application/x-www-form-urlencoded", values.Encode())
}

func (r *rig) clerk(method, path, body string) reply {
	r.t.Helper()
	return r.do(method, r.ClerkURL(r.base)+path, clerkKey, "application/json", body)
}

func (r *rig) control(method, path, body string) reply {
	r.t.Helper()
	return r.do(method, r.base+"/_sandbox"+path, "", "application/json", body)
}

func (r *rig) settle() {
	r.t.Helper()
	if err := r.Settle(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// clerkCode is the first error's code and parameter.
func (p reply) clerkCode() (code, param string) {
	errs, _ := p.json["errors"].([]any)
	if len(errs) == 0 {
		return "", ""
	}
	first, _ := errs[0].(map[string]any)
	code, _ = first["code"].(string)
	if meta, ok := first["meta"].(map[string]any); ok {
		param, _ = meta["param_name"].(string)
	}
	return code, param
}

func id(record map[string]any) int64 { return int64(record["id"].(float64)) }

func compact(t *testing.T, b []byte) string {
	t.Helper()
	var out bytes.Buffer
	if err := json.Compact(&out, b); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func newClock() *clock { return &clock{at: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}
