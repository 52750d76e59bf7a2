package sandbox_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

func (r *rig) fault(rule sandbox.FaultRule) int64 {
	r.t.Helper()
	n, err := r.Fault(rule)
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// try sends a request that may get no answer.
func (r *rig) try(method, address, token, kind, body string, timeout time.Duration) error {
	req, err := http.NewRequestWithContext(r.t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	req.Header.Set("Content-Type", kind)
	client := &http.Client{Timeout: timeout}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.ReadAll(resp.Body)
	return err
}

func TestFaultConditions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Orders: 3})
	one, _ := r.install(shop)
	two, _ := r.install(2)
	tests := []struct {
		name    string
		rule    sandbox.FaultRule
		struck  []string // "token path"
		spared  []string
		clerkly bool
	}{
		{"system", sandbox.FaultRule{System: "salla"}, []string{"1 /orders", "2 /products"}, nil, false},
		{"merchant", sandbox.FaultRule{Merchant: 2}, []string{"2 /orders"}, []string{"1 /orders"}, false},
		{"method", sandbox.FaultRule{Method: "POST"}, nil, []string{"1 /orders"}, false},
		{"prefix", sandbox.FaultRule{Path: "/orders"}, []string{"1 /orders", "1 /orders/items?order_id=1"}, []string{"1 /products"}, false},
		{"exact", sandbox.FaultRule{Path: "/orders$"}, []string{"1 /orders?page=2"}, []string{"1 /orders/5"}, false},
		{"pattern", sandbox.FaultRule{Path: "/orders/*"}, []string{"1 /orders/5"}, []string{"1 /orders", "1 /products/5"}, false},
		{"query", sandbox.FaultRule{Contains: "page=3"}, []string{"1 /orders?page=3"}, []string{"1 /orders?page=2"}, false},
		{"another system", sandbox.FaultRule{System: "clerk"}, nil, []string{"1 /orders"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.rule.Effect, tt.rule.Status = sandbox.EffectStatus, 503
			r.fault(tt.rule)
			defer r.ClearFaults()
			status := func(call string) int {
				who, path, _ := strings.Cut(call, " ")
				token := one
				if who == "2" {
					token = two
				}
				return r.salla("GET", token, path, "").status
			}
			for _, call := range tt.struck {
				if got := status(call); got != 503 {
					t.Errorf("%s: status %d, want 503", call, got)
				}
			}
			for _, call := range tt.spared {
				if got := status(call); got == 503 {
					t.Errorf("%s was struck", call)
				}
			}
			if got := r.clerk("GET", "/users", "").status; (got == 503) != tt.clerkly {
				t.Errorf("clerk: status %d", got)
			}
		})
	}
}

func TestFaultCounts(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	statuses := func(n int) (out []int) {
		for range n {
			out = append(out, r.salla("GET", access, "/store/info", "").status)
		}
		return out
	}

	r.fault(sandbox.FaultRule{Effect: "status", Status: 500, Skip: 1, Count: 2})
	if got := fmt.Sprint(statuses(5)); got != "[200 500 500 200 200]" {
		t.Errorf("skip 1, count 2: %s", got)
	}
	r.ClearFaults()
	n := r.fault(sandbox.FaultRule{Effect: "status", Status: 500, Probability: 0.5})
	struck := 0
	for _, s := range statuses(200) {
		if s == 500 {
			struck++
		}
	}
	if struck < 60 || struck > 140 || r.Faults()[0].Struck != struck {
		t.Errorf("probability 0.5: %d of 200, counted %d", struck, r.Faults()[0].Struck)
	}
	if !r.ClearFault(n) || r.ClearFault(n) || len(r.Faults()) != 0 {
		t.Error("clearing one rule")
	}
	for _, bad := range []sandbox.FaultRule{{Effect: "explode"}, {Effect: "status"}, {Effect: "malform"}} {
		if _, err := r.Fault(bad); err == nil {
			t.Errorf("%+v is no error", bad)
		}
	}
}

func TestFaultBodies(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	tests := []struct {
		name   string
		rule   sandbox.FaultRule
		status int
		body   func(b []byte) bool
	}{
		{"own envelope", sandbox.FaultRule{Effect: "status", Status: 500}, 500, func(b []byte) bool {
			return strings.Contains(string(b), `"success":false`) && json.Valid(b)
		}},
		{"page", sandbox.FaultRule{Effect: "status", Status: 502, Body: "html"}, 502, func(b []byte) bool { return strings.HasPrefix(string(b), "<html>") }},
		{"nothing", sandbox.FaultRule{Effect: "status", Status: 503, Body: "empty"}, 503, func(b []byte) bool { return len(b) == 0 }},
		{"half", sandbox.FaultRule{Effect: "status", Status: 500, Body: "truncated"}, 500, func(b []byte) bool { return len(b) > 0 && !json.Valid(b) }},
		{"given", sandbox.FaultRule{Effect: "status", Status: 403, Body: `{"x":1}`}, 403, func(b []byte) bool { return string(b) == `{"x":1}` }},
		{"empty success", sandbox.FaultRule{Effect: "empty"}, 200, func(b []byte) bool { return len(b) == 0 }},
		{"success that is none", sandbox.FaultRule{Effect: "error_200"}, 200, func(b []byte) bool { return strings.Contains(string(b), `"success":false`) }},
		{"half of the answer", sandbox.FaultRule{Effect: "truncate"}, 200, func(b []byte) bool { return len(b) > 50 && !json.Valid(b) }},
	}
	for _, tt := range tests {
		tt.rule.RetryAfter, tt.rule.System = "7", "salla"
		r.fault(tt.rule)
		out := r.salla("GET", access, "/store/info", "")
		if out.status != tt.status || !tt.body(out.raw) {
			t.Errorf("%s: %d %q", tt.name, out.status, out.raw)
		}
		if tt.rule.Effect == "status" && out.header.Get("Retry-After") != "7" {
			t.Errorf("%s: no Retry-After", tt.name)
		}
		r.ClearFaults()
	}
}

func TestFaultMalform(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	n := r.SourceIDs(shop, "orders")[125] // among the newest
	r.fault(sandbox.FaultRule{System: "salla", Path: "/orders", Effect: "malform", Record: n, Field: "total.amount", Value: json.RawMessage(`{"x":[]}`)})

	find := func() map[string]any {
		records, _ := r.list(access, "/orders?per_page=60")
		for _, o := range records {
			if id(o) == n {
				return o
			}
		}
		return nil
	}
	if _, ok := find()["total"].(map[string]any)["amount"].(map[string]any); !ok {
		t.Errorf("the amount is %v", find()["total"])
	}
	if struck := r.Faults()[0].Struck; struck == 0 {
		t.Error("a strike was not counted")
	}
	r.ClearFaults()

	r.fault(sandbox.FaultRule{System: "salla", Path: "/orders/*", Effect: "malform", Record: n, Value: json.RawMessage(`"gone wrong"`), Count: 1})
	other := r.SourceIDs(shop, "orders")[0]
	r.get(access, fmt.Sprintf("/orders/%d?format=light", other)) // not the record: nothing is counted
	if got := r.get(access, fmt.Sprintf("/orders/%d?format=light", n))["data"]; got != "gone wrong" {
		t.Errorf("the record is %v", got)
	}
	if got := r.get(access, fmt.Sprintf("/orders/%d?format=light", n))["data"]; got == "gone wrong" {
		t.Error("the rule struck twice")
	}
}

func TestFaultConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, effect := range []string{sandbox.EffectDrop, sandbox.EffectTimeoutAfter, sandbox.EffectDropAfter} {
		r.fault(sandbox.FaultRule{System: "clerk", Method: "POST", Path: "/organizations", Effect: effect, Count: 1})
		name := "Store of " + effect
		err := r.try("POST", r.ClerkURL(r.base)+"/organizations", clerkKey, "application/json", `{"name":"`+name+`"}`, 300*time.Millisecond)
		if err == nil {
			t.Errorf("%s: an answer came", effect)
		}
		found := r.clerk("GET", "/organizations?query="+url.QueryEscape(name), "").json["total_count"].(float64) == 1
		if found != (effect != sandbox.EffectDrop) {
			t.Errorf("%s: the organization was made: %v", effect, found)
		}
	}
}

func TestFaultOnRefresh(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, refresh := r.install(shop)
	r.fault(sandbox.FaultRule{System: "accounts", Merchant: shop, Effect: sandbox.EffectDropAfter, Count: 1})
	values := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"client"}, "client_secret": {"client-secret"}}

	if err := r.try("POST", r.AccountsURL(r.base)+"/oauth2/token", "", "application/x-www-form-urlencoded", values.Encode(), time.Second); err == nil {
		t.Fatal("an answer came")
	}
	if out := r.refresh(refresh); out.json["error"] != "invalid_grant" || r.Stats().Reuses != 1 {
		t.Errorf("the token was not used up by the lost answer: %d %s", out.status, out.raw)
	}
}

func TestFaultExpireToken(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	r.fault(sandbox.FaultRule{System: "salla", Path: "/products", Effect: sandbox.EffectExpireToken, Count: 1})
	if out := r.salla("GET", access, "/products", ""); out.status != http.StatusUnauthorized {
		t.Errorf("status %d, want 401", out.status)
	}
}

func TestFaultLatency(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	r.fault(sandbox.FaultRule{System: "salla", Effect: sandbox.EffectLatency, Latency: 80 * time.Millisecond})
	start := time.Now()
	r.get(access, "/store/info")
	if took := time.Since(start); took < 80*time.Millisecond {
		t.Errorf("answered after %v", took)
	}
}

func TestDeliveryFaults(t *testing.T) {
	t.Parallel()
	tests := []struct {
		effect   string
		received int
		attempts int
		state    string
	}{
		{sandbox.EffectDuplicate, 4, 1, sandbox.DeliveryDelivered},
		{sandbox.EffectTimeoutAfter, 2, 2, sandbox.DeliveryDelivered},
		{sandbox.EffectDrop, 1, 2, sandbox.DeliveryDelivered},
		{sandbox.EffectStatus, 1, 2, sandbox.DeliveryDelivered},
		{sandbox.EffectLose, 0, 0, sandbox.DeliveryLost},
		{sandbox.EffectReorder, 1, 1, sandbox.DeliveryDelivered},
		{sandbox.EffectBadSignature, 1, 1, sandbox.DeliveryDelivered},
	}
	for _, tt := range tests {
		t.Run(tt.effect, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.fault(sandbox.FaultRule{
				System: "delivery", Event: "app.*", Merchant: shop, Effect: tt.effect, Count: 1,
				Times: 3, Status: 500, Latency: 10 * time.Millisecond,
			})
			if err := r.Uninstall(t.Context(), shop); err != nil {
				t.Fatal(err)
			}
			r.app.await(t, "the end of the delivery", func() bool { return r.Deliveries()[0].State != sandbox.DeliveryPending })

			d, got := r.Deliveries()[0], r.app.messages()
			if d.State != tt.state || len(d.Attempts) != tt.attempts || len(got) != tt.received {
				t.Errorf("%s, %d attempts, %d received; want %s, %d, %d", d.State, len(d.Attempts), len(got), tt.state, tt.attempts, tt.received)
			}
			if tt.effect == sandbox.EffectBadSignature && got[0].header.Get("X-Salla-Signature") == sandbox.SallaSignature(appSecret, got[0].body) {
				t.Error("the signature is right")
			}
		})
	}
}

func TestCloseLetsGoOfHeldRequests(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	r.fault(sandbox.FaultRule{System: "salla", Path: "/store/info", Effect: sandbox.EffectTimeoutAfter})
	ended := make(chan error, 1)
	go func() {
		err := r.try("GET", r.SallaURL(r.base)+"/store/info", access, "", "", time.Minute)
		ended <- err
	}()
	r.app.await(t, "the request to be held", func() bool { return r.Faults()[0].Struck == 1 })
	r.Close()
	select {
	case err := <-ended:
		if err == nil {
			t.Error("an answer came")
		}
	case <-time.After(5 * time.Second):
		t.Fatal("the request is still held")
	}
}
