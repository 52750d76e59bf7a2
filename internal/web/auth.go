package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
)

// withAdminKey lets only pass who knows the key of the settings, which may do
// everything, or one that an admin made, as far as its scopes go. An address that
// keeps guessing is refused without its key being looked at.
func (s *Server) withAdminKey(next http.Handler) http.Handler {
	guesses := newThrottle(10, time.Minute)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := r.Context().Value(keyAddress).(netip.Addr)
		if wait := guesses.blocked(from, time.Now()); wait > 0 {
			s.fail(w, r, &problem{
				Status: http.StatusTooManyRequests, Code: codeLimited, Retry: wait,
				Message: "too many attempts with a wrong key from this address: wait a minute",
			})
			return
		}
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		token = strings.TrimSpace(token)
		key, err := s.keyOf(r.Context(), scheme, token)
		switch {
		case errors.Is(err, fault.NotFound):
			if token != "" {
				guesses.failed(from, time.Now())
			}
			s.fail(w, r, &problem{
				Status: http.StatusUnauthorized, Code: codeUnauthorised,
				Message: "send a key of the operator API as Authorization: Bearer KEY; one that has expired or was revoked opens nothing",
			})
		case err != nil:
			s.fail(w, r, err)
		case !key.May(scopeOf(r)):
			s.fail(w, r, scopeMissing(key, scopeOf(r)))
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), apiKeyKey{}, key)))
		}
	})
}

// apiKeyKey is where a request of the operator API has its key. The one of the
// settings is no row: it has no id.
type apiKeyKey struct{}

// keyOf returns the key of a token, or fault.NotFound.
func (s *Server) keyOf(ctx context.Context, scheme, token string) (store.APIKey, error) {
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.AdminKey))
	// The digests are compared in constant time, and also when no key is set.
	same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
	switch {
	case token == "" || !strings.EqualFold(scheme, "Bearer"):
		return store.APIKey{}, fault.New(fault.NotFound, "there is no key")
	case same && s.AdminKey != "":
		return store.APIKey{Scopes: store.Scopes()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	return s.DB.UseAPIKey(ctx, token, address(ctx))
}

// scopeOf is what a request needs: whatever does not only look is an act.
func scopeOf(r *http.Request) store.Scope {
	if isAct(r) {
		return store.ScopeAct
	}
	return store.ScopeRead
}

func scopeMissing(key store.APIKey, needed store.Scope) error {
	return &problem{
		Status: http.StatusForbidden, Code: codeForbidden,
		Message: "this needs the scope " + string(needed) + ", which the key " + key.String() +
			" does not have, so nothing was done: use a key that has it, or ask an admin to make one",
		Details: map[string]any{"scope": string(needed)},
	}
}

// throttle counts failures by address in windows of a fixed length. It is
// bounded: it forgets the windows that are over, and, when it is full of open
// ones, starts anew.
type throttle struct {
	limit  int
	window time.Duration
	v6     int // how many bits of an IPv6 address one guesser holds

	mu   sync.Mutex
	seen map[netip.Prefix]attempts
}

type attempts struct {
	failed int
	until  time.Time
}

// throttleSize bounds how many addresses are remembered.
const throttleSize = 10_000

func newThrottle(limit int, window time.Duration) *throttle {
	return &throttle{limit: limit, window: window, v6: 64, seen: make(map[netip.Prefix]attempts)}
}

// blocked returns for how long from is to be refused, 0 where it is not.
func (t *throttle) blocked(from netip.Addr, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.seen[t.network(from)]
	if a.failed < t.limit || !now.Before(a.until) {
		return 0
	}
	return a.until.Sub(now)
}

// failed notes a failure of from.
func (t *throttle) failed(from netip.Addr, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := t.network(from)
	a := t.seen[key]
	if !now.Before(a.until) {
		a = attempts{until: now.Add(t.window)}
	}
	a.failed++
	if len(t.seen) >= throttleSize {
		t.forget(now)
	}
	t.seen[key] = a
}

func (t *throttle) forget(now time.Time) {
	for key, a := range t.seen {
		if !now.Before(a.until) {
			delete(t.seen, key)
		}
	}
	if len(t.seen) >= throttleSize {
		clear(t.seen)
	}
}

// network is what one guesser holds: an IPv4 address, or an IPv6 network.
func (t *throttle) network(a netip.Addr) netip.Prefix { return network(a, t.v6) }

// network is an IPv4 address, or the IPv6 network of so many bits.
func network(a netip.Addr, v6 int) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = v6
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// actor is who acts, for the audit: the key by its name, or the one of the settings.
func actor(ctx context.Context) store.Actor {
	by := store.Actor{Name: "api key", Address: address(ctx)}
	if key, _ := ctx.Value(apiKeyKey{}).(store.APIKey); key.ID != uuid.Nil {
		by.Name += " " + key.String()
	}
	return by
}
