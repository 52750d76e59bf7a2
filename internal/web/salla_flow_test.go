package web

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
)

// A merchant's browser walks through Salla and back, whoever begins the flow: one
// code is taken, and one grant is committed, sealed.
func TestAMerchantInstallsByCode(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	for _, tt := range []struct {
		name  string
		begin func(outside *sandbox.Server, callback string) (string, error)
	}{
		{"from our address", func(_ *sandbox.Server, callback string) (string, error) {
			return strings.TrimSuffix(callback, "callback") + "install", nil
		}},
		{"from Salla", func(outside *sandbox.Server, callback string) (string, error) {
			return outside.StartInstall(merchant, callback)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			x := newSite(t)
			us := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { x.h.ServeHTTP(w, r) }))
			t.Cleanup(us.Close)
			outside := sandbox.New(sandbox.Config{
				Seed: 1, PublicURL: us.URL, ClientID: "app", ClientSecret: "app-secret", WebhookSecret: "s", Log: dbtest.Log(t),
			})
			t.Cleanup(outside.Close)
			them := httptest.NewServer(outside.Handler())
			t.Cleanup(them.Close)
			outside.AddStore(sandbox.StoreSpec{Merchant: merchant, Products: 1, Customers: 1})
			callback := us.URL + "/salla/callback"
			x.s.PublicURL, x.s.Install = us.URL, &events.Exchange{
				Inbox: x.s.Inbox, Redirect: callback, Scopes: []string{"orders.read"},
				OAuth: &salla.OAuth{AccountsURL: outside.AccountsURL(them.URL), ClientID: "app", ClientSecret: "app-secret"},
			}
			x.h = x.s.Handler()

			address, err := tt.begin(outside, callback)
			if err != nil {
				t.Fatal(err)
			}
			page := visit(t, address)

			if !strings.Contains(page, "<span>Your store is connected</span>") {
				t.Errorf("the merchant sees %s", page)
			}
			if got := one[string](x, `
				SELECT string_agg(e.event || ' ' || e.merchant || ' ' || (p.sealed IS NOT NULL) || ' ' || (p.payload->>'via'), ', ')
				FROM events AS e
				JOIN event_payloads AS p ON p.event_id = e.id`); got != "app.store.authorize 1305146709 true authorization_code" {
				t.Errorf("committed: %s", got)
			}
			if one[bool](x, `SELECT bool_or(position('ory_' in payload::text) > 0) FROM event_payloads`) {
				t.Error("a token is in the clear")
			}
		})
	}
}

// visit opens an address as a browser with cookies does.
func visit(t *testing.T, address string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := (&http.Client{Jar: jar}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}
