package web

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/wosool/wosool/internal/store"
)

// withAdminKey lets only who knows the operators' key pass. An address that
// keeps guessing is refused without its key being looked at.
func (s *Server) withAdminKey(next http.Handler) http.Handler {
	guesses := newThrottle(10, time.Minute)
	want := sha256.Sum256([]byte(s.AdminKey))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := r.Context().Value(keyAddress).(netip.Addr)
		if wait := guesses.blocked(from, time.Now()); wait > 0 {
			s.fail(w, r, &problem{
				Status: http.StatusTooManyRequests, Code: codeLimited, Retry: wait,
				Message: "too many attempts with a wrong key from this address: wait a minute",
			})
			return
		}
		scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(key)))
		// The digests are compared in constant time, and also when no key is set.
		same := subtle.ConstantTimeCompare(got[:], want[:]) == 1
		if !same || s.AdminKey == "" || !strings.EqualFold(scheme, "Bearer") {
			if key != "" {
				guesses.failed(from, time.Now())
			}
			s.fail(w, r, &problem{
				Status: http.StatusUnauthorized, Code: codeUnauthorised,
				Message: "send the operators' API key as Authorization: Bearer KEY",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
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

// actor is who acts, for the audit.
func actor(ctx context.Context) store.Actor {
	return store.Actor{Name: "api key", Address: address(ctx)}
}
