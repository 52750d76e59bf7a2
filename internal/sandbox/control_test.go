package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

// TestControl drives a store's life over HTTP only.
func TestControl(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	ok := func(method, path, body string) reply {
		t.Helper()
		out := r.control(method, path, body)
		if out.status != http.StatusOK {
			t.Fatalf("%s %s: %d %s", method, path, out.status, out.raw)
		}
		return out
	}

	made := ok("POST", "/stores", `{"merchant":5,"name":"ركن الهدايا","plan":"plus","products":4,"orders":9,"customers":3,"carts":2,"cursor":{"carts":true}}`)
	if made.json["orders"] != 9.0 || made.json["carts"] != 2.0 {
		t.Errorf("new store: %s", made.raw)
	}
	ok("POST", "/stores/5/install", "")
	access := r.app.event(t, "app.store.authorize")[0].json(t)["data"].(map[string]any)["access_token"].(string)
	r.subscribe(access, "order.created")
	if out := ok("GET", "/stores/5/subscriptions", ""); len(decode(t, out.raw).([]any)) != 1 {
		t.Errorf("subscriptions: %s", out.raw)
	}

	change := ok("POST", "/stores/5/mutate", `{"act":"create_order","times":3}`)
	ok("POST", "/settle", "")
	if n := len(r.app.event(t, "order.created")); n != 3 || change.json["id"] == nil {
		t.Errorf("%d orders were told, want 3: %s", n, change.raw)
	}
	source := ok("GET", "/stores/5/source?documents=orders", "")
	if ids := source.json["ids"].([]any); len(ids) != 12 || source.json["orders"] != 12.0 {
		t.Errorf("source: %s", source.raw)
	}
	order := source.json["ids"].([]any)[0].(float64)
	for _, act := range []string{
		`{"act":"update_order_status","id":%.0f,"status":"shipped"}`, `{"act":"refund_order","id":%.0f,"full":true}`,
		`{"act":"revise_order","id":%.0f}`, `{"act":"delete_order","id":%.0f}`,
	} {
		ok("POST", "/stores/5/mutate", fmt.Sprintf(act, order))
	}

	ok("POST", "/stores/5/authorize", "")
	ok("POST", "/stores/5/events", `{"event":"app.trial.started","data":{"plan_name":null}}`)
	if len(r.app.event(t, "app.trial.started")) != 1 {
		t.Error("the app event did not arrive")
	}
	if out := ok("POST", "/tokens/5/expire", ""); out.json["expired"] != 2.0 {
		t.Errorf("expire: %s", out.raw)
	}
	ok("POST", "/tokens/5/revoke", "")
	options := ok("POST", "/options", `{"user_info_unwrapped":true}`)
	if options.json["user_info_unwrapped"] != true || !r.Options().UserInfoUnwrapped || r.Options().Slugs {
		t.Errorf("options: %s", options.raw)
	}

	fault := ok("POST", "/faults", `{"system":"salla","effect":"status","status":500,"latency":"1ms"}`)
	var rules []sandbox.FaultRule
	if err := json.Unmarshal(ok("GET", "/faults", "").raw, &rules); err != nil || rules[0].Latency != time.Millisecond || rules[0].Status != 500 {
		t.Errorf("faults: %v %v", rules, err)
	}
	ok("DELETE", fmt.Sprintf("/faults/%.0f", fault.json["id"].(float64)), "")
	ok("DELETE", "/faults", "")

	user := ok("POST", "/clerk/users", `{"email":"somebody@shop.example"}`).json["id"].(string)
	org := r.createOrganization("Five")
	inv := r.clerk("POST", "/organizations/"+org+"/invitations", `{"email_address":"somebody@shop.example","role":"org:admin"}`).json["id"].(string)
	ok("POST", "/clerk/invitations/"+inv+"/accept", "")
	if out := ok("POST", "/clerk/sessions", `{"user":"`+user+`","org":"`+org+`"}`); out.json["token"] == "" {
		t.Errorf("session: %s", out.raw)
	}
	if out := ok("GET", "/clerk", ""); len(out.json["memberships"].([]any)) != 1 {
		t.Errorf("clerk: %s", out.raw)
	}

	list := decode(t, ok("GET", "/deliveries?merchant=5&event=app.installed", "").raw).([]any)
	if len(list) != 1 {
		t.Fatalf("%d deliveries, want 1", len(list))
	}
	if out := ok("POST", fmt.Sprintf("/deliveries/%.0f/redeliver", list[0].(map[string]any)["id"]), ""); out.json["status"] != 200.0 {
		t.Errorf("redeliver: %s", out.raw)
	}
	if out := ok("POST", "/deliveries/raw", `{"body":"{}","secret":"x"}`); out.json["status"] != 200.0 {
		t.Errorf("raw: %s", out.raw)
	}
	ok("POST", "/live", `{"on":true,"per_second":200,"merchants":[5]}`)
	r.app.await(t, "an order that arrives", func() bool { return r.Source(5).Orders > 12 })
	ok("POST", "/live", `{"on":false}`)
	ok("POST", "/stores/5/uninstall", "")
	if out := ok("GET", "/stores", ""); len(decode(t, out.raw).([]any)) != 2 {
		t.Errorf("stores: %s", out.raw)
	}
	stats := r.Stats()
	if stats.Calls["clerk POST /organizations/{id}/invitations"]["200"] != 1 || stats.Calls["salla POST /webhooks/subscribe"]["200"] != 1 {
		t.Errorf("calls: %v", stats.Calls)
	}
	if out := ok("GET", "/stats", ""); out.json["deliveries"] == nil || out.json["refreshes"] == nil {
		t.Errorf("stats: %s", out.raw)
	}
	ok("POST", "/deliver-to", `{"url":""}`)
}

func TestControlRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	for _, tt := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "/stores", `{"merchant":0}`, 422},
		{"POST", "/stores", `{"merchant":5,"orders":-1}`, 422},
		{"POST", "/stores", `{"merchant":5,"pruducts":1}`, 422},
		{"POST", "/stores/99/install", "", 404},
		{"POST", "/stores/x/install", "", 404},
		{"POST", fmt.Sprintf("/stores/%d/mutate", shop), `{"act":"explode"}`, 422},
		{"POST", fmt.Sprintf("/stores/%d/mutate", shop), `{"act":"delete_order","id":1}`, 422},
		{"POST", "/faults", `{"effect":"explode"}`, 422},
		{"POST", "/faults", `{"effect":"drop","sistem":"salla"}`, 422},
		{"POST", "/faults", `{"effect":"latency","latency":"soon"}`, 422},
		{"DELETE", "/faults/9", "", 404},
		{"POST", "/clerk/invitations/x/accept", "", 422},
		{"POST", "/deliveries/9/redeliver", "", 422},
	} {
		out := r.control(tt.method, tt.path, tt.body)
		if out.status != tt.status || out.json["error"] == nil {
			t.Errorf("%s %s %s: %d %s, want %d", tt.method, tt.path, tt.body, out.status, out.raw, tt.status)
		}
	}
}

func TestTwentyIsAlive(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	if out := r.do("GET", r.TwentyURL(r.base)+"/healthz", "", "", ""); out.status != http.StatusOK || out.json["status"] != "ok" {
		t.Errorf("%d %s", out.status, out.raw)
	}
}
