package sandbox_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
)

func (r *rig) refresh(token string) reply {
	return r.form(url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {token}, "client_id": {"client"}, "client_secret": {"client-secret"},
	})
}

func TestAuthorizeEvent(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRig(t, func(c *sandbox.Config) { c.Now = at.now })
	r.install(shop)

	m := r.app.event(t, "app.store.authorize")[0]
	v := m.json(t)
	data := v["data"].(map[string]any)
	if got, want := data["expires"], float64(at.now().Add(14*24*time.Hour).Unix()); got != want {
		t.Errorf("expires is %v, want the moment %v", got, want)
	}
	if v["merchant"] != float64(shop) || v["created_at"] != "2026-11-20 15:00:00" {
		t.Errorf("envelope: merchant %v at %v", v["merchant"], v["created_at"])
	}
	if !strings.HasPrefix(data["access_token"].(string), "ory_at_") || !strings.HasPrefix(data["refresh_token"].(string), "ory_rt_") {
		t.Error("the tokens do not look like Salla's")
	}
	if got, want := m.header.Get("X-Salla-Signature"), sandbox.SallaSignature(appSecret, m.body); got != want || len(got) != 64 {
		t.Errorf("signature %q, want %q", got, want)
	}
	if m.header.Get("X-Salla-Security-Strategy") != "Signature" || m.path != "/webhooks/salla" {
		t.Errorf("strategy %q to %s", m.header.Get("X-Salla-Security-Strategy"), m.path)
	}
}

func TestRefreshOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	access, refresh := r.install(shop)

	second := r.refresh(refresh)
	if second.status != http.StatusOK {
		t.Fatalf("refresh: status %d: %s", second.status, second.raw)
	}
	if second.json["expires_in"] != 1209599.0 || second.json["expires"] != nil || second.json["token_type"] != "bearer" {
		t.Errorf("refresh reply: %s", second.raw)
	}
	newer := second.json["access_token"].(string)
	for name, token := range map[string]string{"older": access, "newer": newer} {
		if out := r.salla("GET", token, "/store/info", ""); out.status != http.StatusOK {
			t.Errorf("%s access token: status %d", name, out.status)
		}
	}

	again := r.refresh(refresh)
	if again.status != http.StatusUnauthorized || again.json["error"] != "invalid_grant" || again.json["success"] != nil {
		t.Fatalf("second use: %d %s, want a bare 401 invalid_grant", again.status, again.raw)
	}
	for name, token := range map[string]string{"older": access, "newer": newer} {
		if out := r.salla("GET", token, "/store/info", ""); out.status != http.StatusUnauthorized {
			t.Errorf("%s access token after the reuse: status %d, want 401", name, out.status)
		}
	}
	if out := r.refresh(second.json["refresh_token"].(string)); out.status != http.StatusUnauthorized {
		t.Errorf("the newer refresh token after the reuse: status %d, want 401", out.status)
	}
	if stats := r.Stats(); stats.Refreshes != 1 || stats.Reuses != 1 {
		t.Errorf("stats: %d refreshes, %d reuses", stats.Refreshes, stats.Reuses)
	}

	repaired, _ := r.install(shop)
	if out := r.salla("GET", repaired, "/store/info", ""); out.status != http.StatusOK {
		t.Errorf("after a new authorize: status %d", out.status)
	}
}

func TestParallelRefreshRevokes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, refresh := r.install(shop)

	var wg sync.WaitGroup
	replies := make([]reply, 5)
	for i := range replies {
		wg.Go(func() { replies[i] = r.refresh(refresh) })
	}
	wg.Wait()

	var good []reply
	for _, p := range replies {
		if p.status == http.StatusOK {
			good = append(good, p)
		}
	}
	if len(good) != 1 {
		t.Fatalf("%d of 5 parallel refreshes were answered, want 1", len(good))
	}
	if out := r.salla("GET", good[0].json["access_token"].(string), "/store/info", ""); out.status != http.StatusUnauthorized {
		t.Errorf("the winner's token: status %d, want 401 as the losers reused", out.status)
	}
}

func TestTokenRequestsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	_, refresh := r.install(shop)
	good := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}, "client_id": {"client"}, "client_secret": {"client-secret"}}
	with := func(k, v string) url.Values {
		out := url.Values{}
		for name, values := range good {
			out[name] = values
		}
		out.Set(k, v)
		return out
	}
	tests := []struct {
		name   string
		out    reply
		status int
		code   string
	}{
		{"wrong secret", r.form(with("client_secret", "x")), 401, "invalid_client"},
		{"wrong client", r.form(with("client_id", "x")), 401, "invalid_client"},
		{"unknown token", r.form(with("refresh_token", "x")), 401, "invalid_grant"},
		{"unknown grant", r.form(with("grant_type", "password")), 400, "unsupported_grant_type"},
		{"JSON body", r.do("POST", r.AccountsURL(r.base)+"/oauth2/token", "", "application/json", `{}`), 400, "invalid_request"},
	}
	for _, tt := range tests {
		if tt.out.status != tt.status || tt.out.json["error"] != tt.code {
			t.Errorf("%s: %d %s, want %d %s", tt.name, tt.out.status, tt.out.raw, tt.status, tt.code)
		}
	}
	if out := r.refresh(refresh); out.status != http.StatusOK {
		t.Errorf("the token was used up by refused requests: %d", out.status)
	}
}

func TestAccessTokensEnd(t *testing.T) {
	t.Parallel()
	at := newClock()
	r := newRig(t, func(c *sandbox.Config) { c.Now = at.now })
	access, refresh := r.install(shop)

	at.add(14*24*time.Hour - time.Second)
	if out := r.salla("GET", access, "/store/info", ""); out.status != http.StatusOK {
		t.Fatalf("in its last second: status %d", out.status)
	}
	at.add(time.Second)
	out := r.salla("GET", access, "/store/info", "")
	if out.status != http.StatusUnauthorized || !strings.Contains(string(out.raw), "The access token is invalid") {
		t.Fatalf("after 14 days: %d %s", out.status, out.raw)
	}
	newer := r.refresh(refresh).json["access_token"].(string)
	if n := r.ExpireTokens(shop); n != 1 {
		t.Errorf("expired %d tokens, want 1", n)
	}
	if out := r.salla("GET", newer, "/store/info", ""); out.status != http.StatusUnauthorized {
		t.Errorf("an expired token: status %d, want 401", out.status)
	}
}

func TestOfflineAccess(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.AddStore(sandbox.StoreSpec{Merchant: 2, Scopes: "orders.read"})
	if _, refresh := r.install(2); refresh != "" {
		t.Error("a grant without offline_access has a refresh token")
	}
}

func TestAuthorizationCode(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	callback := publicURL + "/salla/callback"
	ask := func(q url.Values) reply {
		return r.do("GET", r.AccountsURL(r.base)+"/oauth2/auth?"+q.Encode(), "", "", "")
	}
	q := url.Values{
		"client_id": {"client"}, "response_type": {"code"}, "redirect_uri": {callback},
		"scope": {"orders.read offline_access"}, "state": {"s-12-34"}, "merchant": {"1305146709"},
	}
	out := ask(q)
	back, err := url.Parse(out.header.Get("Location"))
	if err != nil || out.status != http.StatusFound || back.Query().Get("state") != "s1234" {
		t.Fatalf("authorize: %d to %q", out.status, out.header.Get("Location"))
	}
	redeem := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Query().Get("code")}, "redirect_uri": {callback},
		"client_id": {"client"}, "client_secret": {"client-secret"},
	}

	first := r.form(redeem)
	if first.status != http.StatusOK || first.json["expires"] != 1209599.0 || first.json["expires_in"] != nil || first.json["scope"] != "orders.read offline_access" {
		t.Errorf("code reply: %d %s", first.status, first.raw)
	}
	if out := r.form(redeem); out.json["error"] != "invalid_grant" {
		t.Errorf("a code twice: %d %s", out.status, out.raw)
	}
	if out := r.salla("GET", first.json["access_token"].(string), "/orders", ""); out.status != http.StatusOK {
		t.Errorf("the code's token: status %d", out.status)
	}
	r.settle()
	if len(r.app.event(t, "app.installed")) != 1 || len(r.app.event(t, "app.store.authorize")) != 0 {
		t.Error("custom mode delivers app.installed and no authorize")
	}

	q.Set("redirect_uri", "https://elsewhere.example/callback")
	if out := ask(q); out.status != http.StatusBadRequest {
		t.Errorf("a foreign redirect_uri: status %d, want 400", out.status)
	}
}

func TestSallaStartsTheCodeFlow(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const callback = publicURL + "/salla/callback"
	first, err := r.StartInstall(shop, callback)
	if err != nil {
		t.Fatal(err)
	}
	second, err := r.StartInstall(shop, callback)
	if err != nil {
		t.Fatal(err)
	}
	one, two := query(t, first), query(t, second)
	if !strings.HasPrefix(first, callback+"?") || len(one.Get("state")) < 16 || one.Get("state") == two.Get("state") || one.Get("code") == two.Get("code") {
		t.Errorf("the browser is sent to %q, then to %q", first, second)
	}
	redeem := url.Values{
		"grant_type": {"authorization_code"}, "code": {one.Get("code")}, "redirect_uri": {callback},
		"client_id": {"client"}, "client_secret": {"client-secret"},
	}
	if out := r.form(redeem); out.status != http.StatusOK || out.json["refresh_token"] == nil {
		t.Errorf("its code: %d %s", out.status, out.raw)
	}
	if out := r.form(redeem); out.json["error"] != "invalid_grant" {
		t.Errorf("its code twice: %d %s", out.status, out.raw)
	}
	redeem.Set("code", two.Get("code"))
	redeem.Set("redirect_uri", callback+"/elsewhere")
	if out := r.form(redeem); out.json["error"] != "invalid_grant" {
		t.Errorf("a code with another redirect_uri: %d %s", out.status, out.raw)
	}
	if _, err := r.StartInstall(404, callback); err == nil {
		t.Error("a store that is not there agreed")
	}
}

func query(t *testing.T, address string) url.Values {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Query()
}
