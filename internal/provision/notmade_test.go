package provision

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tenant"
)

func TestNotMade(t *testing.T) {
	t.Parallel()
	wait := &fault.Wait{Until: time.Now(), For: "Clerk"}
	away := &clerk.Client{BaseURL: "http://127.0.0.1:1", Key: clerkKey}
	_, notSent := away.Organization(t.Context(), "org_1")
	for _, tt := range []struct {
		name string
		err  error
		want bool
	}{
		{"made", nil, false},
		{"refused", &clerk.Error{Status: 422}, true},
		{"limited", &clerk.Error{Status: 429}, true},
		{"Clerk took too long", &clerk.Error{Status: 408}, false},
		{"Clerk failed", &clerk.Error{Status: 500}, false},
		{"no answer", fault.Unavailable, false},
		{"no connection", notSent, true},
		{"no connection, which opened a circuit", &circuit.Outage{Wait: wait, Err: notSent}, true},
		{"kept back", &circuit.Outage{Wait: wait}, true},
		{"kept back by something else", wait, true},
		{"failed, which opened a circuit", &circuit.Outage{Wait: wait, Err: &clerk.Error{Status: 500}}, false},
	} {
		if got := notMade(tt.err); got != tt.want || tt.err != nil && notMade(fmt.Errorf("wrapped: %w", tt.err)) != tt.want {
			t.Errorf("%s: %v, want %v (%v)", tt.name, got, tt.want, tt.err)
		}
	}
}

// What certainly made nothing is not waited for: the next attempt makes it at once.
func TestFaultUnsentRequestIsMadeAtOnceAgain(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/organizations", "/users"} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.p.Settle = time.Hour
			task := w.installed(sandbox.StoreSpec{Merchant: 2051})
			up := w.p.Clerk.HTTP.Transport
			w.p.Clerk.HTTP = &http.Client{Transport: through(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, path) {
					return nil, errors.New("connection refused")
				}
				return up.RoundTrip(r)
			})}
			if err := w.attempt(t.Context(), task); err == nil {
				t.Fatal("it was made")
			}
			w.p.Clerk.HTTP = &http.Client{Transport: up}

			if err := w.attempt(t.Context(), task); err != nil {
				t.Errorf("the next attempt: %v; the step %v", err, w.step(task.ID, tenant.StepIdentity))
			}
		})
	}
}

type through func(r *http.Request) (*http.Response, error)

func (f through) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
