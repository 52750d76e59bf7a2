package sandbox_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

func TestSallaErrors(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Scopes: "products.read offline_access"})
	access, _ := r.install(shop)
	narrow, _ := r.install(2)
	tests := []struct {
		name    string
		out     reply
		status  int
		fixture string
	}{
		{"no token", r.salla("GET", "", "/orders", ""), 401, "error_401_invalid_token"},
		{"wrong token", r.salla("GET", "nonsense", "/orders", ""), 401, "error_401_invalid_token"},
		{"missing scope", r.salla("GET", narrow, "/orders", ""), 401, "error_401_missing_scope"},
		{"no such order", r.salla("GET", access, "/orders/1", ""), 404, ""},
		{"unknown path", r.salla("GET", access, "/nonsense", ""), 404, ""},
		{"wrong method", r.salla("DELETE", access, "/orders", ""), 405, ""},
		{"missing entity", r.salla("GET", access, "/settings", ""), 422, ""},
		{"unknown entity", r.salla("GET", access, "/settings?entity=x", ""), 422, ""},
		{"missing order_id", r.salla("GET", access, "/orders/items", ""), 422, ""},
		{"items of no order", r.salla("GET", access, "/orders/items?order_id=5", ""), 404, ""},
		{"broken JSON", r.salla("POST", access, "/webhooks/subscribe", "{"), 400, ""},
	}
	for _, tt := range tests {
		if tt.out.status != tt.status || tt.out.json["success"] != false || tt.out.json["status"] != float64(tt.status) {
			t.Errorf("%s: %d %s, want %d in the envelope", tt.name, tt.out.status, tt.out.raw, tt.status)
		}
		if tt.fixture == "" {
			continue
		}
		want, err := os.ReadFile("testdata/salla/" + tt.fixture + ".json")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(compact(t, want), compact(t, tt.out.raw)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
	}
}

func TestNotFoundHasBothForms(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	kinds := map[string]bool{}
	for _, path := range []string{"/orders/1", "/orders/12"} {
		code := r.salla("GET", access, path, "").json["error"].(map[string]any)["code"]
		b, _ := json.Marshal(code)
		kinds[string(b)] = true
	}
	if !kinds["404"] || !kinds[`"error"`] {
		t.Errorf("codes %v, want a number and a text", kinds)
	}
}

func TestWriteScopeReads(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop) // has webhooks.read_write, not webhooks.read
	if out := r.salla("GET", access, "/webhooks", ""); out.status != http.StatusOK {
		t.Errorf("status %d: %s", out.status, out.raw)
	}
}

func TestStoreAndSettings(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Name: "دار العود", Email: "a@b.example", Plan: "special", Currency: "KWD"})
	access, _ := r.install(2)

	info := r.get(access, "/store/info")["data"].(map[string]any)
	if info["name"] != "دار العود" || info["email"] != "a@b.example" || info["plan"] != "special" || info["currency"] != "KWD" || id(info) != 2 {
		t.Errorf("store info: %v", info)
	}
	raw := string(r.salla("GET", access, "/settings?entity=store", "").raw)
	if !strings.Contains(raw, "Asia/Riyadh") || !strings.Contains(raw, `"value":"KWD"`) {
		t.Errorf("settings: %s", raw)
	}
}

func TestLimitsByPlan(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRig(t, func(c *sandbox.Config) { c.Rate, c.Now = "documented", at.now })
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Plan: "plus"})
	access, _ := r.install(2)

	for i := range 120 {
		out := r.salla("GET", access, "/store/info", "")
		if out.status != http.StatusOK || out.header.Get("X-RateLimit-Limit") != "120" {
			t.Fatalf("call %d: status %d, limit %s", i+1, out.status, out.header.Get("X-RateLimit-Limit"))
		}
	}
	out := r.salla("GET", access, "/store/info", "")
	if out.status != http.StatusTooManyRequests || out.header.Get("Retry-After") != "1" || out.header.Get("X-RateLimit-Remaining") != "0" {
		t.Fatalf("call 121: %d, Retry-After %q, headers %v", out.status, out.header.Get("Retry-After"), out.header)
	}
	want, err := os.ReadFile("testdata/salla/error_429.json")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(compact(t, want), compact(t, out.raw)); diff != "" {
		t.Errorf("429 (-want +got):\n%s", diff)
	}

	at.add(time.Second) // one a second until the minute is over
	if out := r.salla("GET", access, "/store/info", ""); out.status != http.StatusOK {
		t.Errorf("a second later: status %d", out.status)
	}
	if out := r.salla("GET", access, "/store/info", ""); out.status != http.StatusTooManyRequests {
		t.Errorf("twice in that second: status %d, want 429", out.status)
	}
	at.add(time.Minute)
	if out := r.salla("GET", access, "/store/info", ""); out.header.Get("X-RateLimit-Remaining") != "119" {
		t.Errorf("a minute later %s remain, want 119", out.header.Get("X-RateLimit-Remaining"))
	}
	if rate := r.Stats().Rates[2]; rate.Limited != 2 || rate.Most != 121 || rate.Limit != 120 {
		t.Errorf("stats: %+v", rate)
	}
}

func TestCustomersLimitIsPerAddress(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRig(t, func(c *sandbox.Config) { c.Rate, c.Now = "documented", at.now })
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Plan: "special"})
	r.AddStore(sandbox.StoreSpec{Merchant: 3, Plan: "special"})
	a, _ := r.install(2)
	b, _ := r.install(3)

	for i := range 250 { // two stores, one address
		for _, token := range []string{a, b} {
			if out := r.salla("GET", token, "/customers", ""); out.status != http.StatusOK {
				t.Fatalf("round %d: status %d", i, out.status)
			}
		}
	}
	out := r.salla("GET", a, "/customers/1", "")
	if out.status != http.StatusTooManyRequests || out.header.Get("Retry-After") != "600" {
		t.Errorf("call 501: status %d, Retry-After %q", out.status, out.header.Get("Retry-After"))
	}
	if out := r.salla("GET", a, "/products", ""); out.status != http.StatusOK {
		t.Errorf("products: status %d", out.status)
	}
	at.add(10 * time.Minute)
	if out := r.salla("GET", b, "/customers", ""); out.status != http.StatusOK {
		t.Errorf("ten minutes later: status %d", out.status)
	}
}

func TestLimitsOffAreAnnounced(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	out := r.salla("GET", access, "/store/info", "")
	if out.header.Get("X-RateLimit-Limit") != "60000" || out.header.Get("X-RateLimit-Remaining") == "" || out.header.Get("X-RateLimit-Reset") == "" {
		t.Errorf("headers: %v", out.header)
	}
}
