package salla_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

const (
	refreshToken = "ory_rt_TESTrefresh0000000000000000000000000000.TESTsig"
	clientSecret = "a-client-secret"
)

func TestRefreshAndExchange(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		fixture string
		call    func(context.Context, *salla.OAuth) (salla.Token, error)
		want    url.Values
	}{
		{"refresh", "oauth_token_refresh", func(ctx context.Context, o *salla.OAuth) (salla.Token, error) {
			return o.Refresh(ctx, refreshToken)
		}, url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refreshToken}, "client_id": {"id"}, "client_secret": {clientSecret}}},
		{"code", "oauth_token_authorization_code", func(ctx context.Context, o *salla.OAuth) (salla.Token, error) {
			return o.Exchange(ctx, "a-code", "https://wosool.example/salla/callback")
		}, url.Values{"grant_type": {"authorization_code"}, "code": {"a-code"}, "redirect_uri": {"https://wosool.example/salla/callback"}, "client_id": {"id"}, "client_secret": {clientSecret}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := accounts(t, func(w http.ResponseWriter, r *http.Request) {
				raw, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(raw))
				if diff := cmp.Diff(tc.want, form); err != nil || diff != "" {
					t.Error(err, diff)
				}
				if r.Method != http.MethodPost || r.URL.RequestURI() != "/base/oauth2/token" ||
					r.Header.Get("Content-Type") != "application/x-www-form-urlencoded" || r.ContentLength != int64(len(raw)) {
					t.Errorf("got %s %s %v", r.Method, r.URL, r.Header)
				}
				_, _ = io.WriteString(w, fixture(t, tc.fixture))
			})

			before := time.Now()
			got, err := tc.call(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}

			if !strings.HasPrefix(got.Access, "ory_at_") || !strings.HasPrefix(got.Refresh, "ory_rt_") || len(got.Scopes) != 7 {
				t.Errorf("got %v with scopes %v", got, got.Scopes)
			}
			if life := got.ExpiresAt.Sub(before); life < 1209598*time.Second || life > 1209610*time.Second {
				t.Errorf("expires in %v", life)
			}
		})
	}
}

func TestTokenAnswers(t *testing.T) {
	t.Parallel()
	rateLimit := http.Header{"Retry-After": {"9"}}
	for _, tc := range []struct {
		name    string
		status  int
		body    string
		header  http.Header
		grant   bool // IsInvalidGrant
		limited bool
		kind    error
	}{
		{name: "invalid grant, 401", status: 401, body: fixture(t, "oauth_error_invalid_grant"), grant: true, kind: fault.Forbidden},
		{name: "invalid grant, 400", status: 400, body: `{"error":"invalid_grant"}`, grant: true, kind: fault.Forbidden},
		{name: "invalid client", status: 401, body: `{"error":"invalid_client"}`, kind: fault.Forbidden},
		{name: "invalid request", status: 400, body: `{"error":"invalid_request","error_description":"` + refreshToken + ` ` + clientSecret + `"}`, kind: fault.Invalid},
		{name: "invalid grant under 200", status: 200, body: `{"error":"invalid_grant"}`},
		{name: "invalid grant under 500", status: 500, body: `{"error":"invalid_grant"}`, kind: fault.Forbidden},
		{name: "refused under 200", status: 200, body: `{"status":429,"success":false,"error":{"code":"too_many_requests"}}`},
		{name: "rate limit", status: 429, body: fixture(t, "error_429"), header: rateLimit, limited: true, kind: fault.Unavailable},
		{name: "server error", status: 503, body: "<html>", header: rateLimit, kind: fault.Unavailable},
		{name: "redirect", status: 307, header: http.Header{"Location": {"/base/oauth2/token"}}, kind: fault.Unavailable},
		{name: "empty 200", status: 200},
		{name: "unreadable 200", status: 200, body: `{"access_token":"` + refreshToken + `","refresh`},
		{name: "200 without a refresh token", status: 200, body: `{"access_token":"` + refreshToken + `"}`},
		{name: "200 without an access token", status: 200, body: `{"refresh_token":"` + refreshToken + `"}`},
		{name: "200 as a list", status: 200, body: `[]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			o := accounts(t, func(w http.ResponseWriter, _ *http.Request) {
				calls.Add(1)
				for name, v := range tc.header {
					w.Header()[name] = v
				}
				w.WriteHeader(tc.status)
				_, _ = io.WriteString(w, tc.body)
			})

			_, err := o.Refresh(t.Context(), refreshToken)

			if err == nil || salla.NotSent(err) || salla.IsInvalidGrant(err) != tc.grant || salla.IsInvalidToken(err) || salla.IsMissingScope(err) {
				t.Errorf("got %v", err)
			}
			if wait, limited := salla.IsRateLimited(err); limited != tc.limited || limited && wait != 9*time.Second {
				t.Errorf("rate limited: got %v %v, want %v", wait, limited, tc.limited)
			}
			if tc.kind != nil && !errors.Is(err, tc.kind) {
				t.Errorf("got %v, want %v", err, tc.kind)
			}
			if strings.Contains(err.Error(), refreshToken) || strings.Contains(err.Error(), clientSecret) {
				t.Errorf("shows a secret: %v", err)
			}
			if calls.Load() != 1 {
				t.Errorf("got %d calls, want 1", calls.Load())
			}
		})
	}
}

func TestATokenWithoutAnExpiryIsKept(t *testing.T) {
	t.Parallel()
	o := accounts(t, answer(`{"access_token":"a","refresh_token":"r"}`))

	got, err := o.Refresh(t.Context(), refreshToken)

	if days := time.Until(got.ExpiresAt).Hours() / 24; err != nil || days < 13.9 || days > 14.1 {
		t.Errorf("got %v days, %v", days, err)
	}
}

func TestNotSent(t *testing.T) {
	t.Parallel()
	refused := httptest.NewServer(http.NotFoundHandler())
	refused.Close()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	silent := listen(t, func(net.Conn) {})                                            // accepts and never answers
	reset := listen(t, func(c net.Conn) { drop(c) })                                  // reads the request, then resets
	hangUp := listen(t, func(c net.Conn) { readRequest(c); c.Close() })               // reads the request, then closes
	babble := listen(t, func(c net.Conn) { readRequest(c); say(c, "what?\r\n\r\n") }) // answers what is not HTTP
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()

	for _, tc := range []struct {
		name    string
		ctx     context.Context
		address string
		hc      *http.Client
		want    bool
	}{
		{name: "connection refused", address: refused.URL, want: true},
		{name: "no such host", address: "http://wosool.invalid", want: true},
		{name: "no trust in the certificate", address: untrusted.URL, want: true},
		{name: "handshake not answered", address: "https://" + silent, want: true, hc: &http.Client{Timeout: 50 * time.Millisecond}},
		{name: "not an address", address: "http://a b", want: true},
		{name: "cancelled before", address: "http://" + silent, ctx: cancelled, want: true},
		{name: "timeout after the write", address: "http://" + silent, hc: &http.Client{Timeout: 50 * time.Millisecond}},
		{name: "reset after the write", address: "http://" + reset},
		{name: "closed after the write", address: "http://" + hangUp},
		{name: "an answer that is not HTTP", address: "http://" + babble},
		{name: "a transport that fails without sending", hc: &http.Client{Transport: transport(func(*http.Request) (*http.Response, error) {
			return nil, errors.New("no route")
		})}, want: true},
		{name: "a transport that reads and fails", hc: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			_, _ = r.Body.Read(make([]byte, 1))
			return nil, errors.New("broken pipe")
		})}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			o := &salla.OAuth{AccountsURL: tc.address, ClientSecret: clientSecret, HTTP: tc.hc}
			ctx := t.Context()
			if tc.ctx != nil {
				ctx = tc.ctx
			}

			_, err := o.Refresh(ctx, refreshToken)

			if err == nil || salla.NotSent(err) != tc.want {
				t.Errorf("got %v, not sent %v, want %v", err, salla.NotSent(err), tc.want)
			}
			if err == nil || strings.Contains(err.Error(), refreshToken) || strings.Contains(err.Error(), clientSecret) {
				t.Errorf("shows a secret: %v", err)
			}
			if !errors.Is(err, fault.Unavailable) && tc.ctx == nil && tc.name != "not an address" {
				t.Errorf("got %v, want unavailable", err)
			}
		})
	}
}

// A request that was called NotSent stays unsent, whatever a transport does later.
func TestNotSentIsForGood(t *testing.T) {
	t.Parallel()
	late := make(chan *http.Request, 1)
	o := &salla.OAuth{HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
		late <- r
		return nil, context.DeadlineExceeded
	})}}

	_, err := o.Refresh(t.Context(), refreshToken)

	sent, readErr := io.ReadAll((<-late).Body)
	if !salla.NotSent(err) || len(sent) != 0 || readErr == nil {
		t.Errorf("got %v; then %q could be read, %v", err, sent, readErr)
	}
}

func TestARefreshIsNeverSentTwice(t *testing.T) {
	t.Parallel()

	t.Run("it cannot be rewound", func(t *testing.T) {
		t.Parallel()
		o := &salla.OAuth{HTTP: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			first, _ := io.ReadAll(r.Body)
			second, _ := io.ReadAll(r.Body)
			if r.GetBody != nil || len(first) == 0 || len(second) != 0 {
				t.Errorf("read %d and then %d bytes", len(first), len(second))
			}
			return nil, io.ErrUnexpectedEOF
		})}}
		_, _ = o.Refresh(t.Context(), refreshToken)
	})

	t.Run("over connections that go stale", func(t *testing.T) {
		t.Parallel()
		// The server answers the first request of a connection and hangs up on the
		// second: what net/http, for a request it may repeat, sends again elsewhere.
		var received, connections atomic.Int32
		address := listen(t, func(c net.Conn) {
			connections.Add(1)
			defer c.Close()
			in := bufio.NewReader(c)
			for n := 0; ; n++ {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				_, _ = io.Copy(io.Discard, r.Body)
				received.Add(1)
				if n > 0 {
					return
				}
				say(c, "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n"+`{"access_token":"aa","refresh_token":"r"}`)
			}
		})
		hc := &http.Client{Transport: &http.Transport{}} // with keep-alive, as the process shares it
		t.Cleanup(hc.CloseIdleConnections)
		o := &salla.OAuth{AccountsURL: "http://" + address, HTTP: hc}

		for i := range 3 {
			if _, err := o.Refresh(t.Context(), refreshToken); err != nil {
				t.Errorf("refresh %d: %v", i, err)
			}
		}

		if received.Load() != 3 || connections.Load() != 3 {
			t.Errorf("got %d requests over %d connections, want 3 and 3", received.Load(), connections.Load())
		}
	})

	t.Run("over a kept connection of a transport of the caller's own", func(t *testing.T) {
		t.Parallel()
		var received atomic.Int32
		address := listen(t, func(c net.Conn) {
			defer c.Close()
			in := bufio.NewReader(c)
			for n := 0; ; n++ {
				if r, err := http.ReadRequest(in); err != nil || n > 0 {
					return
				} else if body, _ := io.ReadAll(r.Body); len(body) > 0 {
					received.Add(1)
				}
				say(c, "HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n"+`{"access_token":"aa","refresh_token":"r"}`)
			}
		})
		kept := &http.Transport{}
		t.Cleanup(kept.CloseIdleConnections)
		o := &salla.OAuth{AccountsURL: "http://" + address, HTTP: &http.Client{Transport: transport(kept.RoundTrip)}}

		if _, err := o.Refresh(t.Context(), refreshToken); err != nil {
			t.Fatal(err)
		}
		_, err := o.Refresh(t.Context(), refreshToken)

		if err == nil || salla.NotSent(err) || received.Load() != 1 {
			t.Errorf("got %v after %d requests, want an unknown outcome", err, received.Load())
		}
	})

	t.Run("over HTTP/2", func(t *testing.T) {
		t.Parallel()
		var received atomic.Int32
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			received.Add(1)
			_, _ = io.Copy(io.Discard, r.Body)
			panic(http.ErrAbortHandler) // resets the stream
		}))
		srv.EnableHTTP2 = true
		srv.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		srv.StartTLS()
		t.Cleanup(srv.Close)
		o := &salla.OAuth{AccountsURL: srv.URL, HTTP: srv.Client()}

		_, err := o.Refresh(t.Context(), refreshToken)

		if err == nil || salla.NotSent(err) || received.Load() != 1 {
			t.Errorf("got %v after %d requests", err, received.Load())
		}
	})
}

func TestAuthorizeURL(t *testing.T) {
	t.Parallel()
	o := &salla.OAuth{ClientID: "id", ClientSecret: clientSecret}

	got := o.AuthorizeURL("s1", "https://wosool.example/salla/callback", []string{"orders.read"})

	want := "https://accounts.salla.sa/oauth2/auth?client_id=id&redirect_uri=https%3A%2F%2Fwosool.example%2Fsalla%2Fcallback" +
		"&response_type=code&scope=orders.read+offline_access&state=s1"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// accounts gives an OAuth of a fake server under a base path.
func accounts(t *testing.T, h http.HandlerFunc) *salla.OAuth {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return &salla.OAuth{AccountsURL: srv.URL + "/base/", ClientID: "id", ClientSecret: clientSecret, HTTP: srv.Client()}
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// listen serves raw connections until the test ends, and gives the address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var closing atomic.Bool
	conns := make(chan net.Conn, 100)
	t.Cleanup(func() {
		closing.Store(true)
		l.Close()
		for len(conns) > 0 {
			(<-conns).Close()
		}
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns <- c
			if closing.Load() {
				c.Close()
			}
			go serve(c)
		}
	}()
	return l.Addr().String()
}

func readRequest(c net.Conn) {
	if r, err := http.ReadRequest(bufio.NewReader(c)); err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
	}
}

// drop reads the request and resets the connection.
func drop(c net.Conn) {
	readRequest(c)
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	c.Close()
}

func say(c net.Conn, s string) { _, _ = fmt.Fprint(c, s) }
