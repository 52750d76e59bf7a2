package sandbox_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wosool/wosool/internal/sandbox"
)

const hook = publicURL + "/webhooks/salla"

// subscribe registers an event at the app and returns the webhook's id.
func (r *rig) subscribe(token, event string) int64 {
	r.t.Helper()
	out := r.salla("POST", token, "/webhooks/subscribe", fmt.Sprintf(`{"name":"x","event":%q,"url":%q,"version":2}`, event, hook))
	if out.status != http.StatusOK {
		r.t.Fatalf("subscribe %s: %d %s", event, out.status, out.raw)
	}
	return id(out.json["data"].(map[string]any))
}

// secure sets a webhook's strategy and secret.
func (r *rig) secure(token string, webhook int64, strategy, secret string) reply {
	r.t.Helper()
	return r.salla("PUT", token, fmt.Sprintf("/webhooks/%d", webhook), fmt.Sprintf(`{"security_strategy":%q,"secret":%q}`, strategy, secret))
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)

	out := r.salla("POST", access, "/webhooks/subscribe", fmt.Sprintf(
		`{"name":"Order created","event":"order.created","url":%q,"version":2,"rule":"total > 100","headers":[{"key":"Authorization","value":"abcd1234"},{"key":"Accept-Language","value":"AR"}]}`, hook))
	data := out.json["data"].(map[string]any)
	want := map[string]any{
		"id": data["id"], "name": "Order created", "event": "order.created", "type": "manual", "url": hook, "version": 2.0, "rule": "total > 100",
		"headers": map[string]any{"Authorization": "abcd1234", "Accept-Language": "AR"},
	}
	if diff := cmp.Diff(want, data); diff != "" {
		t.Errorf("subscribe (-want +got):\n%s", diff)
	}

	if again := r.subscribe(access, "order.created"); again != id(data) {
		t.Errorf("the same event and address again: id %d, want %d", again, id(data))
	}
	other := r.subscribe(access, "product.updated")
	records, pagination := r.list(access, "/webhooks")
	if len(records) != 2 || pagination["total"] != 2.0 || id(records[1]) != other {
		t.Errorf("list: %v %v", records, pagination)
	}
	if _, ok := records[0]["security"]; ok {
		t.Error("the list tells security, which it is not known to do")
	}

	set := r.secure(access, other, "signature", "s3cret")
	security := set.json["data"].(map[string]any)["security"]
	if diff := cmp.Diff(map[string]any{"strategy": "signature", "secret": "s3cret"}, security); set.status != http.StatusOK || diff != "" {
		t.Errorf("PUT: %d %s", set.status, set.raw)
	}
	r.SetOptions(sandbox.Options{ListSecurity: true})
	records, _ = r.list(access, "/webhooks")
	if records[1]["security"].(map[string]any)["strategy"] != "signature" {
		t.Errorf("with ListSecurity: %v", records[1])
	}
}

func TestSubscribeRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	for name, where := range map[string]string{
		"not https": "http://wosool.example/webhooks/salla", "localhost": "https://localhost/webhooks/salla",
		"loopback": "https://127.0.0.1:8080/x", "test host": "https://test.wosool.example/x", "private": "https://10.0.0.4/x",
		"no host": "https:///x", "no address": "nonsense", "bare name": "https://wosool/x",
	} {
		out := r.salla("POST", access, "/webhooks/subscribe", fmt.Sprintf(`{"event":"order.created","url":%q}`, where))
		var v struct {
			Error struct {
				Code, Message string
				Fields        map[string][]string
			}
		}
		if err := json.Unmarshal(out.raw, &v); err != nil || out.status != http.StatusUnprocessableEntity ||
			v.Error.Message != "alert.invalid_fields" || len(v.Error.Fields["url"]) != 1 {
			t.Errorf("%s: %d %s", name, out.status, out.raw)
		}
	}
	out := r.salla("POST", access, "/webhooks/subscribe", `{"event":"order.exploded","url":"http://localhost/x"}`)
	if fields := out.json["error"].(map[string]any)["fields"].(map[string]any); len(fields) != 2 {
		t.Errorf("both wrong: %s", out.raw)
	}
	n := r.subscribe(access, "order.created")
	if out := r.salla("PUT", access, fmt.Sprintf("/webhooks/%d", n), `{"security_strategy":"signature"}`); out.status != http.StatusUnprocessableEntity {
		t.Errorf("signature without a secret: status %d, want 422", out.status)
	}
	if out := r.secure(access, n, "none", "x"); out.status != http.StatusUnprocessableEntity {
		t.Errorf("a strategy PUT does not know: status %d, want 422", out.status)
	}
	if out := r.secure(access, 1, "token", "x"); out.status != http.StatusNotFound {
		t.Errorf("PUT of none: status %d, want 404", out.status)
	}
}

func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	first := r.subscribe(access, "order.created")
	r.subscribe(access, "order.updated")
	r.subscribe(access, "product.updated")

	if out := r.salla("DELETE", access, fmt.Sprintf("/webhooks/unsubscribe?id=%d", first), ""); out.status != http.StatusAccepted {
		t.Errorf("by id: %d %s", out.status, out.raw)
	}
	if n := len(r.Subscriptions(shop)); n != 2 {
		t.Errorf("%d left after one by id, want 2", n)
	}
	if out := r.salla("DELETE", access, "/webhooks/unsubscribe?url="+url.QueryEscape(hook), ""); out.status != http.StatusAccepted {
		t.Errorf("by address: %d %s", out.status, out.raw)
	}
	if n := len(r.Subscriptions(shop)); n != 0 {
		t.Errorf("%d left after all by address", n)
	}
	if out := r.salla("DELETE", access, "/webhooks/unsubscribe", ""); out.status != http.StatusUnprocessableEntity {
		t.Errorf("neither: status %d, want 422", out.status)
	}
	if out := r.salla("DELETE", access, "/webhooks/unsubscribe?id=5", ""); out.status != http.StatusNotFound {
		t.Errorf("none: status %d, want 404", out.status)
	}
}

func TestWebhookEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	events, _ := r.list(access, "/webhooks/events")
	known := map[string]bool{}
	for _, e := range events {
		known[e["event"].(string)] = e["label"] != "" && id(e) > 0
	}
	for _, e := range []string{"order.status.updated", "abandoned.cart.purchased", "product.quantity.low", "customer.updated"} {
		if !known[e] {
			t.Errorf("%s is not among the events", e)
		}
	}
}
