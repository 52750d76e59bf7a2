package sandbox_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/wosool/wosool/internal/sandbox"
)

// TestPrivate tells what no log may hold, of tokens that are over too.
func TestPrivate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, refresh := r.install(shop)
	newer := r.refresh(refresh).json
	if _, err := r.PreexistingUser("noura@example.com"); err != nil {
		t.Fatal(err)
	}
	list := r.salla("GET", access, "/customers?page=1", "").json["data"].([]any)
	email := list[0].(map[string]any)["email"].(string)

	got := r.Private()
	for _, secret := range []string{
		access, refresh, newer["access_token"].(string), newer["refresh_token"].(string), "client-secret", appSecret, clerkKey, svixSecret,
	} {
		if !slices.Contains(got.Secrets, secret) {
			t.Errorf("%.9s… is not told", secret)
		}
	}
	for _, address := range []string{email, "noura@example.com", "owner-1305146709@example.com"} {
		if !slices.Contains(got.Emails, address) {
			t.Errorf("%s is not told", address)
		}
	}
	if len(got.Phones) < 60 || len(got.Phones[0]) < 7 {
		t.Errorf("phones: %q", got.Phones)
	}
	if over := r.control("GET", "/private", ""); over.status != http.StatusOK || len(over.json["emails"].([]any)) != len(got.Emails) {
		t.Errorf("over HTTP: %d %.80s", over.status, over.raw)
	}
}

// TestResent counts refresh tokens that come again, unless they were only refused
// for a while.
func TestResent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		status, resent int
	}{{429, 0}, {500, 1}, {401, 1}} {
		r := newRig(t)
		_, refresh := r.install(shop)
		r.fault(sandbox.FaultRule{System: "accounts", Effect: sandbox.EffectStatus, Status: tt.status, Count: 1})
		r.refresh(refresh)
		if out := r.refresh(refresh); out.status != http.StatusOK {
			t.Errorf("after %d: %d", tt.status, out.status)
		}
		if got := r.Stats(); got.Resent != tt.resent || got.Reuses != 0 {
			t.Errorf("after %d: resent %d, used again %d; want %d, 0", tt.status, got.Resent, got.Reuses, tt.resent)
		}
	}
}

// TestTwice does what is asked twice.
func TestTwice(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fault(sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/organizations$", Effect: sandbox.EffectTwice, Count: 1})
	made := r.clerk("POST", "/organizations", `{"name":"Twins"}`)
	state := r.ClerkState().Organizations
	if made.status != http.StatusOK || len(state) != 2 || made.json["id"] != state[0].ID {
		t.Errorf("%d %s, %d organizations; want the first of two", made.status, made.raw, len(state))
	}
	if found := r.clerk("GET", "/organizations?"+url.Values{"query": {"Twins"}}.Encode(), ""); found.status != http.StatusOK {
		t.Errorf("afterwards: %d %s", found.status, found.raw)
	}
}
