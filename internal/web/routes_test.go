package web

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
)

// Every route of the operator API refuses whoever has no key, before anything
// else; so does an address that does not exist, which tells nothing.
func TestOperatorRoutesNeedTheKey(t *testing.T) {
	t.Parallel()
	s := bareServer(t)
	h := s.Handler()
	paths := map[string][]string{"/api/admin/v1/nothing": {http.MethodGet}, "/api/admin/v1": {http.MethodGet}}
	for method, route := range routes(t, h) {
		if strings.HasPrefix(route, "/api/admin/") {
			path := strings.ReplaceAll(route, "{id}", uuid.NewString())
			paths[path] = append(paths[path], strings.Fields(method)[0], http.MethodDelete)
		}
	}
	if len(paths) < 10 {
		t.Fatalf("only %d paths are walked", len(paths))
	}
	refused := map[string]string{
		"nothing": "", "a wrong key": "Bearer wrong", "no scheme": adminKey, "another scheme": "Basic " + adminKey,
		"a part of the key": "Bearer " + adminKey[:10], "an empty key": "Bearer ",
	}
	for path, methods := range paths {
		for _, method := range methods {
			for name, header := range refused {
				fresh := s.Handler() // its throttle has seen nobody
				a := send(fresh, method, path, nil, map[string]string{"Authorization": header})
				if a.Code != http.StatusUnauthorized || a.code() != "unauthorised" || a.Header.Get("WWW-Authenticate") == "" {
					t.Errorf("%s %s with %s: %d %s, want 401 unauthorised", method, path, name, a.Code, a.Body)
				}
			}
		}
	}
}

func TestNoKeySetRefusesEverybody(t *testing.T) {
	t.Parallel()
	s := bareServer(t)
	s.AdminKey = ""

	a := send(s.Handler(), http.MethodGet, "/api/admin/v1/tenants", nil, map[string]string{"Authorization": "Bearer "})

	if a.Code != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", a.Code)
	}
}

func TestGuessingIsThrottled(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	var codes []int
	for range 12 {
		codes = append(codes, send(h, http.MethodGet, "/api/admin/v1/nothing", nil, map[string]string{"Authorization": "Bearer guess"}).Code)
	}
	right := send(h, http.MethodGet, "/api/admin/v1/nothing", nil, map[string]string{"Authorization": "Bearer " + adminKey})

	if codes[9] != http.StatusUnauthorized || codes[10] != http.StatusTooManyRequests {
		t.Errorf("codes = %v, want ten times 401 and then 429", codes)
	}
	if right.Code != http.StatusTooManyRequests || right.code() != "limited" || right.Header.Get("Retry-After") == "" {
		t.Errorf("the right guess: %d %s, want 429 limited with Retry-After", right.Code, right.Body)
	}
}

func TestAddressesWithoutARoute(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	key := map[string]string{"Authorization": "Bearer " + adminKey}
	tests := []struct {
		method, path string
		want         int
		allow        string
	}{
		{http.MethodGet, "/api/v1/tenant", http.StatusNotFound, ""},
		{http.MethodGet, "/api/v1", http.StatusNotFound, ""},
		{http.MethodGet, "/api", http.StatusNotFound, ""},
		{http.MethodGet, "/", http.StatusNotFound, ""},
		{http.MethodGet, "/api/admin/v1/nothing", http.StatusNotFound, ""},
		{http.MethodGet, "/webhooks/salla", http.StatusMethodNotAllowed, "POST"},
		{http.MethodPut, "/webhooks/clerk", http.StatusMethodNotAllowed, "POST"},
		{http.MethodPost, "/healthz", http.StatusMethodNotAllowed, "GET"},
		{http.MethodDelete, "/api/admin/v1/tenants", http.StatusMethodNotAllowed, "GET POST"},
		{http.MethodGet, "/api/admin/v1/tenants/" + uuid.NewString() + "/retry", http.StatusMethodNotAllowed, "POST"},
		{http.MethodPost, "/api/admin/v1/stats", http.StatusMethodNotAllowed, "GET"},
	}
	for _, tt := range tests {
		a := send(h, tt.method, tt.path, nil, key)

		if a.Code != tt.want || a.code() == "no JSON" {
			t.Errorf("%s %s: %d %s, want %d as JSON", tt.method, tt.path, a.Code, a.Body, tt.want)
		}
		if got := strings.Join(a.Header.Values("Allow"), " "); got != tt.allow {
			t.Errorf("%s %s: Allow %q, want %q", tt.method, tt.path, got, tt.allow)
		}
	}
}

func TestEveryAnswerHasItsHeaders(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	for _, path := range []string{"/healthz", "/nothing", "/api/admin/v1/tenants", "/metrics"} {
		a := send(h, http.MethodGet, path, nil, nil)
		for name, want := range map[string]string{
			"X-Content-Type-Options":  "nosniff",
			"X-Frame-Options":         "DENY",
			"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
			"Referrer-Policy":         "no-referrer",
			"Cache-Control":           "no-store",
		} {
			if got := a.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if a.Header.Get("X-Request-Id") == "" {
			t.Errorf("%s: no X-Request-Id", path)
		}
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	h := bareServer(t).Handler()
	key := map[string]string{"Authorization": "Bearer " + adminKey}
	send(h, http.MethodGet, "/api/admin/v1/tenants/no-id", nil, key)
	send(h, "FORGED", "/somewhere/else", nil, nil)

	a := send(h, http.MethodGet, "/metrics", nil, nil)

	for _, want := range []string{
		`wosool_http_request_duration_seconds_count{method="GET",route="/api/admin/v1/tenants/{id}",status="4xx"} 1`,
		`wosool_http_request_duration_seconds_count{method="other",route="unmatched",status="4xx"} 1`,
	} {
		if !strings.Contains(string(a.Body), want) {
			t.Errorf("metrics lack %s:\n%s", want, a.Body)
		}
	}
}

// routes gives every route of h as "METHOD number" to pattern.
func routes(t *testing.T, h http.Handler) map[string]string {
	t.Helper()
	found := map[string]string{}
	var patterns []string
	if err := chi.Walk(h.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		found[fmt.Sprintf("%s %d", method, len(found))] = route
		patterns = append(patterns, method+" "+route)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(patterns)
	if len(slices.Compact(patterns)) != len(found) {
		t.Errorf("a route is there twice: %v", patterns)
	}
	return found
}
