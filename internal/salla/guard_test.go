package salla_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
)

// outage is how an error tells whether the other side has failed.
type outage interface {
	error
	Outage() (why string, after time.Duration, failed bool)
}

// The guard sees every call to its end: what is no answer, in whatever form, is the
// other side's failure; a refusal that means something is not.
func TestFaultGuardSeesWhatCame(t *testing.T) {
	t.Parallel()
	const good = `{"status":200,"success":true,"data":{"id":7}}`
	for _, tt := range []struct {
		name    string
		handler http.HandlerFunc
		failed  bool
		why     string
		after   time.Duration
	}{
		{"an answer", answer(good), false, "", 0},
		{"500", status(500, ""), true, "HTTP 500", 0},
		{"503 with a time", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			w.WriteHeader(503)
		}, true, "HTTP 503", 7 * time.Second},
		{"502 with a page", status(502, "<html>bad gateway</html>"), true, "HTTP 502", 0},
		{"200 with a page", answer("<html>maintenance</html>"), true, "an HTML page", 0},
		{"200 with nothing", answer(""), true, "an empty answer", 0},
		{"200, cut off", answer(good[:20]), true, "an answer that cannot be read", 0},
		{"200, with an error of theirs", answer(`{"status":500,"success":false,"error":{"code":"error"}}`), true, "HTTP 500", 0},
		{"200 that refuses and says no more", answer(`{"success":false}`), true, "a refusal without a reason", 0},
		{"a redirect", status(302, ""), true, "HTTP 302", 0},
		{"reset", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, "", 0},
		{"reset in the body", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, good)
			panic(http.ErrAbortHandler)
		}, true, "", 0},
		{"401", status(401, `{"status":401,"success":false,"error":{"code":"Unauthorized","message":"x"}}`), false, "", 0},
		{"403", status(403, `{"status":403,"success":false,"error":{"code":"forbidden"}}`), false, "", 0},
		{"404", status(404, `{"status":404,"success":false,"error":{"code":404}}`), false, "", 0},
		{"422", status(422, `{"status":422,"success":false,"error":{"code":"error"}}`), false, "", 0},
		{"429", status(429, `{"status":429,"success":false,"error":{"code":"too_many"}}`), false, "", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := serve(t, tt.handler)
			var seen error
			guarded := false
			c.Guard = func(ctx context.Context, call func(context.Context) error) error {
				guarded, seen = true, call(ctx)
				return seen
			}
			_, err := c.Product(t.Context(), "7")
			if !guarded || !errors.Is(err, seen) {
				t.Fatalf("guarded: %v; got %v, the guard saw %v", guarded, err, seen)
			}
			var why string
			var after time.Duration
			var failed bool
			if told, ok := errors.AsType[outage](seen); ok {
				why, after, failed = told.Outage()
			}
			if failed != tt.failed || why != tt.why || after != tt.after {
				t.Errorf("%v tells failed %v, %q, %s; want %v, %q, %s", seen, failed, why, after, tt.failed, tt.why, tt.after)
			}
			if tt.failed != errors.Is(seen, fault.Unavailable) && tt.name != "429" {
				t.Errorf("%v is unavailable: %v", seen, !tt.failed)
			}
		})
	}
}

// A call that the guard does not make sends nothing, and a refresh token in it is as
// good as before.
func TestFaultRefusedByTheGuardIsNotSent(t *testing.T) {
	t.Parallel()
	asked := 0
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	defer srv.Close()
	refuse := func(context.Context, func(context.Context) error) error {
		return fault.WaitUntil(time.Now().Add(time.Minute), "Salla's OAuth server")
	}
	o := &salla.OAuth{AccountsURL: srv.URL, ClientID: "id", ClientSecret: "secret-secret", Guard: refuse}
	_, err := o.Refresh(t.Context(), "refresh-refresh")
	if _, waits := errors.AsType[*fault.Wait](err); !waits || !salla.NotSent(err) {
		t.Errorf("got %v, want a wait that is certainly not sent", err)
	}
	o.Guard = func(ctx context.Context, call func(context.Context) error) error { return call(ctx) }
	if _, err = o.Refresh(t.Context(), "refresh-refresh"); err == nil || salla.NotSent(err) || !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want an empty answer to what was sent", err)
	}
	c := &salla.Client{BaseURL: srv.URL, Token: "token-token", Guard: refuse}
	if _, err := c.Product(t.Context(), "7"); err == nil {
		t.Error("a call was made past the guard")
	}
	if asked != 1 {
		t.Errorf("the server was asked %d times, want once", asked)
	}
}

// The OAuth server is there if it answers anything of its own; the question holds
// no secret.
func TestPingAsksWithoutSecrets(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status int
		body   string
		there  bool
	}{
		{400, `{"error":"invalid_request"}`, true},
		{401, `{"error":"invalid_client"}`, true},
		{429, ``, true},
		{500, `{"error":"server_error"}`, false},
		{502, `<html></html>`, false},
		{200, `<html></html>`, false},
		{200, ``, false},
	} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if raw, _ := io.ReadAll(r.Body); strings.Contains(string(raw)+r.URL.String(), "secret") {
				t.Errorf("the question holds a secret: %s", raw)
			}
			w.WriteHeader(tt.status)
			_, _ = io.WriteString(w, tt.body)
		}))
		o := &salla.OAuth{AccountsURL: srv.URL, ClientID: "id", ClientSecret: "secret-secret"}
		if err := o.Ping(t.Context()); (err == nil) != tt.there {
			t.Errorf("%d %s: got %v, want it there: %v", tt.status, tt.body, err, tt.there)
		}
		srv.Close()
	}
	if err := (&salla.OAuth{AccountsURL: "http://127.0.0.1:1"}).Ping(t.Context()); err == nil {
		t.Error("nobody is there, and it is said to be")
	}
}

func status(code int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(code)
		_, _ = io.WriteString(w, body)
	}
}
