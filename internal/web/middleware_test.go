package web

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/telemetry"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, given string
		kept        bool
	}{
		{"well formed", "0f8fad5b-d9cb-469f-a165-70867728950e", true},
		{"none", "", false},
		{"short", "abc", false},
		{"long", strings.Repeat("a", 65), false},
		{"a line break", "0123456789abcdef\nforged=1", false},
		{"a quote", `0123456789abcdef"`, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header["X-Request-Id"] = []string{tt.given}
			w := httptest.NewRecorder()

			withRequestID(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)

			got := w.Header().Get("X-Request-Id")
			if (got == tt.given) != tt.kept || !wellFormed(got) {
				t.Errorf("id %q from %q, kept must be %t", got, tt.given, tt.kept)
			}
		})
	}
}

func TestClientAddress(t *testing.T) {
	t.Parallel()
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}
	tests := []struct {
		name, peer string
		forwarded  []string
		want       string
	}{
		{"no proxy", "203.0.113.7:9", nil, "203.0.113.7"},
		{"a stranger's header", "203.0.113.7:9", []string{"198.51.100.1"}, "203.0.113.7"},
		{"one proxy", "10.0.0.1:9", []string{"198.51.100.1"}, "198.51.100.1"},
		{"two proxies", "10.0.0.1:9", []string{"198.51.100.1, 10.0.0.2"}, "198.51.100.1"},
		{"a forged first hop", "10.0.0.1:9", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1"},
		{"two headers", "10.0.0.1:9", []string{"192.0.2.66", "198.51.100.1"}, "198.51.100.1"},
		{"rubbish", "10.0.0.1:9", []string{"198.51.100.1, unknown"}, "10.0.0.1"},
		{"all are proxies", "10.0.0.1:9", []string{"10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"version 6", "[fd00::1]:9", []string{"2001:db8::1"}, "2001:db8::1"},
		{"version 4 in 6", "[::ffff:10.0.0.1]:9", []string{"198.51.100.1"}, "198.51.100.1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()

			got := clientAddress(tt.peer, tt.forwarded, proxies)

			if got.String() != tt.want {
				t.Errorf("clientAddress(%s, %q) = %s, want %s", tt.peer, tt.forwarded, got, tt.want)
			}
		})
	}
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	th := newThrottle(2, time.Minute)
	a, neighbour := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("2001:db8::2")
	other := netip.MustParseAddr("2001:db8:0:1::1")

	th.failed(a, now)
	if wait := th.blocked(a, now); wait != 0 {
		t.Errorf("blocked for %s after one failure of two", wait)
	}
	th.failed(neighbour, now.Add(20*time.Second))
	if wait := th.blocked(a, now.Add(20*time.Second)); wait != 40*time.Second {
		t.Errorf("blocked for %s, want 40s: a /64 is one guesser", wait)
	}
	if wait := th.blocked(other, now); wait != 0 {
		t.Errorf("another network is blocked for %s", wait)
	}
	if wait := th.blocked(a, now.Add(time.Minute)); wait != 0 {
		t.Errorf("blocked for %s after the window", wait)
	}
}

func TestThrottleIsBounded(t *testing.T) {
	t.Parallel()
	th := newThrottle(1, time.Minute)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a := netip.MustParseAddr("1.0.0.0")
	for range throttleSize + 10 {
		a = a.Next()
		th.failed(a, now)
	}
	if n := len(th.seen); n > throttleSize {
		t.Errorf("%d addresses are remembered, want at most %d", n, throttleSize)
	}
}

func TestAccessLogHasNoSecrets(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	s := &Server{Log: telemetry.NewLogger(&out, slog.LevelInfo, "json", "api"), Metrics: prometheus.NewRegistry()}
	r := chi.NewRouter()
	r.Use(withRequestID, s.withAddress, s.withAccessLog(s.requestSeconds()), s.withRecovery)
	r.Post("/things/{id}", func(http.ResponseWriter, *http.Request) { panic("secret-panic is logged once, by recovery") })
	req := httptest.NewRequest(http.MethodPost, "/things/secret-id?code=secret-code", strings.NewReader("secret-body"))
	req.Header.Set("Authorization", "Bearer secret-key")
	w := httptest.NewRecorder()

	r.ServeHTTP(w, req)

	if w.Code != http.StatusInternalServerError {
		t.Errorf("status = %d, want 500", w.Code)
	}
	log := out.String()
	for _, secret := range []string{"secret-id", "secret-code", "secret-body", "secret-key"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log has %s: %s", secret, log)
		}
	}
	for _, want := range []string{`"route":"/things/{id}"`, `"status":500`, `"request_id":"` + w.Header().Get("X-Request-Id")} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s: %s", want, log)
		}
	}
}
