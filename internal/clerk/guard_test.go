package clerk_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
)

// The guard sees every call to its end: what is no answer, in whatever form, is
// Clerk's failure; a refusal that means something is not.
func TestFaultGuardSeesWhatCame(t *testing.T) {
	t.Parallel()
	const good = `{"id":"org_7","name":"x"}`
	date := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	for _, tt := range []struct {
		name       string
		status     int
		body       string
		retryAfter string
		failed     bool
		why        string
		limited    time.Duration // at least; of a 429
	}{
		{name: "an answer", status: 200, body: good},
		{name: "500", status: 500, body: `{"errors":[{"code":"internal_clerk_error"}]}`, failed: true, why: "HTTP 500"},
		{name: "a page", status: 502, body: "<html></html>", failed: true, why: "HTTP 502"},
		{name: "200 with a page", status: 200, body: "<html></html>", failed: true, why: "an HTML page"},
		{name: "200 with nothing", status: 200, failed: true, why: "an empty answer"},
		{name: "200, cut off", status: 200, body: good[:9], failed: true, why: "an answer that cannot be read"},
		{
			name: "200 with an error", status: 200, body: `{"errors":[{"code":"internal_clerk_error","message":"x"}]}`,
			failed: true, why: "a refusal that calls itself a success",
		},
		{name: "401", status: 401, body: `{"errors":[{"code":"clerk_key_invalid"}]}`},
		{name: "404", status: 404, body: `{"errors":[{"code":"resource_not_found"}]}`},
		{name: "422", status: 422, body: `{"errors":[{"code":"form_identifier_exists"}]}`},
		{name: "429", status: 429, retryAfter: "20", limited: 20 * time.Second},
		{name: "429 with a date", status: 429, retryAfter: date, limited: 50 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.retryAfter != "" {
					w.Header().Set("Retry-After", tt.retryAfter)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer srv.Close()
			var seen error
			c := &clerk.Client{BaseURL: srv.URL, Key: "sk_test_key", Guard: func(ctx context.Context, call func(context.Context) error) error {
				seen = call(ctx)
				return seen
			}}
			_, err := c.Organization(t.Context(), "org_7")
			if !errors.Is(err, seen) || (seen == nil) != (err == nil) {
				t.Fatalf("got %v, the guard saw %v", err, seen)
			}
			var why string
			var failed bool
			if told, ok := seen.(interface {
				Outage() (string, time.Duration, bool)
			}); ok {
				why, _, failed = told.Outage()
			}
			if failed != tt.failed || why != tt.why {
				t.Errorf("%v tells failed %v, %q; want %v, %q", seen, failed, why, tt.failed, tt.why)
			}
			if tt.failed && !errors.Is(seen, fault.Unavailable) {
				t.Errorf("%v is not unavailable", seen)
			}
			if after, limited := clerk.IsRateLimited(err); limited != (tt.limited > 0) || after < tt.limited {
				t.Errorf("%v: limited %v for %s, want %s", err, limited, after, tt.limited)
			}
		})
	}
}
