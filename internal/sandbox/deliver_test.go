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

func TestStrategies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, strategy, secret string
		options                sandbox.Options
		signature, bearer      string // "" for none; S for the right signature
	}{
		{name: "unset is unsigned"},
		{name: "unset, the other reading", options: sandbox.Options{UnsetStrategy: "signature"}, signature: appSecret},
		{name: "signature", strategy: "signature", secret: "own", signature: "own"},
		{name: "token", strategy: "token", secret: "own", bearer: "own"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, func(c *sandbox.Config) { c.Options = tt.options })
			access, _ := r.install(shop)
			n := r.subscribe(access, "order.created")
			if tt.strategy != "" {
				r.secure(access, n, tt.strategy, tt.secret)
			}
			change, err := r.CreateOrder(shop)
			if err != nil {
				t.Fatal(err)
			}
			r.settle()

			m := r.app.event(t, "order.created")[0]
			if diff := cmp.Diff(string(change.Events[0].Body), string(m.body)); diff != "" {
				t.Errorf("the body that was sent is not the one returned:\n%.300s", diff)
			}
			want := ""
			if tt.signature != "" {
				want = sandbox.SallaSignature(tt.signature, m.body)
			}
			if got := m.header.Get("X-Salla-Signature"); got != want {
				t.Errorf("signature %q, want %q", got, want)
			}
			if got := m.header.Get("Authorization"); got != tt.bearer {
				t.Errorf("Authorization %q, want %q", got, tt.bearer)
			}
		})
	}
}

func TestAppTokenStrategy(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sandbox.Config) { c.Strategy = "token" })
	r.install(shop)
	m := r.app.event(t, "app.installed")[0]
	if m.header.Get("Authorization") != appSecret || m.header.Get("X-Salla-Security-Strategy") != "Token" || m.header.Get("X-Salla-Signature") != "" {
		t.Errorf("headers: %v", m.header)
	}
}

func TestCustomHeadersAndBytes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, _ := r.install(shop)
	r.salla("POST", access, "/webhooks/subscribe", `{"event":"customer.created","url":"`+hook+`","headers":[{"key":"X-Shop","value":"one"}]}`)
	if _, err := r.CreateCustomer(shop); err != nil {
		t.Fatal(err)
	}
	r.settle()

	m := r.app.event(t, "customer.created")[0]
	if m.header.Get("X-Shop") != "one" {
		t.Errorf("custom header %q", m.header.Get("X-Shop"))
	}
	raw := string(m.body)
	if !strings.Contains(raw, `https:\/\/`) || !strings.Contains(raw, `\u06`) || strings.ContainsAny(raw, "أبتا") {
		t.Errorf("the body is not written as PHP writes it: %.300s", raw)
	}
	v := m.json(t)
	if _, err := time.Parse("Mon Jan 02 2006 15:04:05 GMT-0700", v["created_at"].(string)); err != nil {
		t.Errorf("created_at: %v", err)
	}
}

func TestResends(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		fail  int // how many first attempts fail
		with  int
		tries int
		state string
	}{
		{"201 is success", 0, 201, 1, sandbox.DeliveryDelivered},
		{"second time", 1, 500, 2, sandbox.DeliveryDelivered},
		{"last time", 3, 404, 4, sandbox.DeliveryDelivered},
		{"given up", 9, 503, 4, sandbox.DeliveryFailed},
		{"204 is a failure", 1, 204, 2, sandbox.DeliveryDelivered},
		{"a redirect is a failure", 1, 302, 2, sandbox.DeliveryDelivered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.app.answers(func(n int, _ message) int {
				if n <= tt.fail {
					return tt.with
				}
				return http.StatusCreated
			})
			if err := r.Uninstall(t.Context(), shop); err != nil {
				t.Fatal(err)
			}
			r.app.await(t, "the last attempt", func() bool { return r.Deliveries()[0].State != sandbox.DeliveryPending })

			d, got := r.Deliveries()[0], r.app.messages()
			if d.State != tt.state || len(d.Attempts) != tt.tries || len(got) != tt.tries {
				t.Fatalf("%s after %d attempts, %d received; want %s after %d", d.State, len(d.Attempts), len(got), tt.state, tt.tries)
			}
			for _, m := range got {
				if string(m.body) != string(got[0].body) || m.header.Get("X-Salla-Signature") != got[0].header.Get("X-Salla-Signature") {
					t.Error("a resend is not byte for byte the same")
				}
			}
		})
	}
}

func TestInstallReturnsThoughTheAppIsDown(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.app.answers(func(n int, _ message) int {
		if n <= 2 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	if err := r.Install(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	if n := len(r.app.messages()); n < 2 {
		t.Fatalf("%d webhooks when Install returned, want both tried", n)
	}
	r.app.await(t, "both resent", func() bool {
		return r.Stats().Deliveries[sandbox.DeliveryDelivered] == 2
	})
}

func TestInstallOrderAndUpdate(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	names := func() (out []string) {
		for _, m := range r.app.messages() {
			out = append(out, m.json(t)["event"].(string))
		}
		return out
	}
	older, _ := r.install(shop)
	r.SetOptions(sandbox.Options{AuthorizeFirst: true})
	newer, _ := r.install(shop)

	want := []string{"app.installed", "app.store.authorize", "app.store.authorize", "app.updated"}
	if diff := cmp.Diff(want, names()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	for _, token := range []string{older, newer} {
		if out := r.salla("GET", token, "/store/info", ""); out.status != http.StatusOK {
			t.Errorf("a grant after an update: status %d", out.status)
		}
	}
}

func TestUninstall(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, refresh := r.install(shop)
	r.subscribe(access, "order.created")
	if err := r.Uninstall(t.Context(), shop); err != nil {
		t.Fatal(err)
	}

	if out := r.salla("GET", access, "/store/info", ""); out.status != http.StatusUnauthorized {
		t.Errorf("the token: status %d, want 401", out.status)
	}
	if out := r.refresh(refresh); out.status != http.StatusUnauthorized {
		t.Errorf("a refresh: status %d, want 401", out.status)
	}
	if r.Stats().Reuses != 0 {
		t.Error("a refresh of a revoked grant was taken for a reuse")
	}
	if _, err := r.CreateOrder(shop); err != nil {
		t.Fatal(err)
	}
	r.settle()
	if len(r.app.event(t, "app.uninstalled")) != 1 || len(r.app.event(t, "order.created")) != 0 {
		t.Error("want app.uninstalled, and no store event after it")
	}
	if err := r.Install(t.Context(), 99); err == nil {
		t.Error("installing in a store that is not there is no error")
	}
}

func TestRedeliverAndRaw(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.install(shop)
	d := r.Deliveries()[1]

	status, err := r.Redeliver(t.Context(), d.ID)
	if err != nil || status != http.StatusOK {
		t.Fatalf("redeliver: %d %v", status, err)
	}
	got := r.app.messages()
	if last := got[len(got)-1]; string(last.body) != string(d.Body) || last.header.Get("X-Salla-Signature") == "" {
		t.Error("redelivered something else")
	}
	if _, err := r.Redeliver(t.Context(), 999); err == nil {
		t.Error("redelivering nothing is no error")
	}

	for _, raw := range []sandbox.RawDelivery{
		{Body: "not json"},
		{Body: "{}", Strategy: "none"},
		{Body: "{}", Secret: "wrong"},
		{Body: "{}", Headers: map[string]string{"X-Salla-Signature": "beef"}},
		{Body: "{}", System: "clerk"},
	} {
		if _, err := r.SendRaw(t.Context(), raw); err != nil {
			t.Fatal(err)
		}
	}
	got = r.app.messages()[len(got):]
	if s := got[0].header.Get("X-Salla-Signature"); s != sandbox.SallaSignature(appSecret, []byte("not json")) {
		t.Errorf("raw: signature %q", s)
	}
	if got[1].header.Get("X-Salla-Signature") != "" || got[2].header.Get("X-Salla-Signature") != sandbox.SallaSignature("wrong", []byte("{}")) {
		t.Error("raw: strategy and secret are not as asked")
	}
	if got[3].header.Get("X-Salla-Signature") != "beef" || got[4].path != "/webhooks/clerk" || got[4].header.Get("svix-signature") == "" {
		t.Error("raw: headers or system are not as asked")
	}
}

func TestNowhereToDeliver(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(c *sandbox.Config) { c.DeliverTo = "" })
	if err := r.Install(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	for _, d := range r.Deliveries() {
		if d.State != sandbox.DeliveryLost {
			t.Errorf("%s is %s, want lost", d.Event, d.State)
		}
	}
	r.SetDeliverTo(r.app.url)
	r.install(shop)
}

func TestSvixVector(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/clerk/svix_vector.json")
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]string
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	if got := sandbox.SvixSignature(v["secret"], v["svix-id"], v["svix-timestamp"], []byte(v["body"])); got != v["svix-signature"] {
		t.Errorf("signature %q, want %q", got, v["svix-signature"])
	}
	if got := sandbox.SvixSignature("whsec_", "a", "1", nil); got != "" {
		t.Errorf("an empty secret signs: %q", got)
	}
}
