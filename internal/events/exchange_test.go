package events

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/vault"
)

// codes is a bench whose Salla is the sandbox, in custom mode.
type codes struct {
	*bench
	outside  *sandbox.Server
	exchange *Exchange
}

func newCodes(t *testing.T, merchants ...int64) *codes {
	t.Helper()
	b := newBench(t)
	outside := sandbox.New(sandbox.Config{
		Seed: 1, PublicURL: "https://wosool.example", ClientID: "app", ClientSecret: "app-secret", WebhookSecret: "s", Log: dbtest.Log(t),
	})
	t.Cleanup(outside.Close)
	api := httptest.NewServer(outside.Handler())
	t.Cleanup(api.Close)
	for _, m := range merchants {
		outside.AddStore(sandbox.StoreSpec{Merchant: m, Products: 1, Customers: 1})
	}
	oauth := &salla.OAuth{AccountsURL: outside.AccountsURL(api.URL), ClientID: "app", ClientSecret: "app-secret"}
	b.applier.Vault = &vault.Vault{DB: b.db, Keys: b.keys, OAuth: oauth, Log: dbtest.Log(t)}
	b.applier.Probe = func(ctx context.Context, access string) error {
		_, err := (&salla.Client{BaseURL: outside.SallaURL(api.URL), Token: access}).StoreInfo(ctx)
		return err
	}
	return &codes{b, outside, &Exchange{
		Inbox: b.inbox, OAuth: oauth, Redirect: "https://wosool.example/salla/callback", Scopes: []string{"orders.read", "customers.read"},
	}}
}

// code has the merchant agree and returns the code that comes back.
func (c *codes) code(t *testing.T, merchant int64) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet,
		c.exchange.AuthorizeURL("0123456789abcdef")+"&merchant="+strconv.FormatInt(merchant, 10), nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	back, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || back.Query().Get("code") == "" || back.Query().Get("state") != "0123456789abcdef" {
		t.Fatalf("%s leads to %q", resp.Status, resp.Header.Get("Location"))
	}
	return back.Query().Get("code")
}

// install completes a flow and applies what it gave.
func (c *codes) install(t *testing.T, merchant int64) uuid.UUID {
	t.Helper()
	rec, err := c.exchange.Complete(t.Context(), c.code(t, merchant))
	if err != nil || rec.Duplicate {
		t.Fatalf("complete: %+v, %v", rec, err)
	}
	c.runAll(t, rec.Tasks)
	return rec.EventID
}

// lives tells whether the tenant's grant answers, renewed once.
func (c *codes) lives(t *testing.T, merchant int64) {
	t.Helper()
	ten, err := c.db.TenantByMerchant(t.Context(), merchant)
	if err != nil {
		t.Fatal(err)
	}
	c.outside.ExpireTokens(merchant)
	if err := c.applier.Vault.Do(t.Context(), ten.ID, c.applier.Probe); err != nil {
		t.Errorf("the grant of %d: %v", merchant, err)
	}
}

func TestACodeBecomesAnAuthorize(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	c := newCodes(t, merchant)
	e := c.event(t, c.install(t, merchant))

	if e.Status != store.EventApplied || e.Event != "app.store.authorize" || e.Merchant == nil || *e.Merchant != merchant || e.OccurredAt != nil {
		t.Errorf("the event: %+v %s", e, words(e))
	}
	if got := c.standing(t, merchant); got.Status != "provisioning" || got.Connection != "active" || !got.Installed {
		t.Errorf("the tenant: %+v", got)
	}
	if got := c.text(t, `SELECT array_to_string(scopes, ' ') FROM connections`); got != "orders.read customers.read offline_access" {
		t.Errorf("scopes: %s", got)
	}
	if got := c.text(t, `SELECT payload->>'via' || ' ' || (payload->'data'->>'access_token') || ' ' || (sealed IS NULL) FROM event_payloads`); got != "authorization_code [redacted] true" {
		t.Errorf("what is kept of it: %s", got)
	}
	c.lives(t, merchant)
}

func TestACodeIsTakenOnce(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	c := newCodes(t, merchant)
	code := c.code(t, merchant)
	if _, err := c.exchange.Complete(t.Context(), code); err != nil {
		t.Fatal(err)
	}
	_, err := c.exchange.Complete(t.Context(), code)
	if !errors.Is(err, fault.Forbidden) || strings.Contains(err.Error(), code) {
		t.Errorf("the second time: %v", err)
	}
	if n := c.count(t, `SELECT count(*) FROM events`); n != 1 {
		t.Errorf("%d events", n)
	}
}

// Whoever brought the code may go: it is used up, so what it gives is kept.
func TestACodeIsCompletedForAMerchantWhoHasGone(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	c := newCodes(t, merchant)
	code := c.code(t, merchant)
	gone, cancel := context.WithCancel(t.Context())
	cancel()

	if _, err := c.exchange.Complete(gone, code); err != nil {
		t.Error(err)
	}
}

func TestACodeAdoptsAndLiftsLikeAnAuthorize(t *testing.T) {
	t.Parallel()
	const byHand, gone, stopped = 11, 12, 13
	c := newCodes(t, byHand, gone, stopped)
	merchant := int64(byHand)
	made, _, err := c.db.CreateTenant(t.Context(), tenant.Given{
		Name: "Palm", Slug: "palm", OwnerEmail: "o@example.com", Merchant: &merchant,
	}, store.Actor{Name: "op"})
	if err != nil {
		t.Fatal(err)
	}
	c.install(t, byHand)
	if t2, err := c.db.TenantByMerchant(t.Context(), byHand); err != nil || t2.ID != made.ID {
		t.Errorf("the one made by hand is not adopted: %v, %v", t2.ID, err)
	}
	c.lives(t, byHand)

	for _, m := range []int64{gone, stopped} {
		c.install(t, m)
	}
	c.outside.RevokeTokens(gone)
	c.deliver(t, `{"event":"app.uninstalled","merchant":12,"created_at":"2026-11-01 12:00:00","data":{}}`)
	if got := c.standing(t, gone); got.SuspendedBy != "uninstall" || got.Connection != "revoked" {
		t.Fatalf("uninstalled: %+v", got)
	}
	operators, err := c.db.TenantByMerchant(t.Context(), stopped)
	if err != nil {
		t.Fatal(err)
	}
	if _, tasks, err := c.db.SuspendTenant(t.Context(), operators.ID, store.Actor{Name: "op"}); err != nil {
		t.Fatal(err)
	} else {
		c.runAll(t, tasks)
	}
	for _, m := range []int64{gone, stopped} {
		c.install(t, m)
	}
	if got := c.standing(t, gone); got.Status != "provisioning" || got.Connection != "active" || !got.Installed {
		t.Errorf("installed again: %+v", got)
	}
	if got := c.standing(t, stopped); got.SuspendedBy != "operator" || got.Connection != "active" {
		t.Errorf("an operator's suspension is lifted: %+v", got)
	}
}

// Salla tells whose store it is a little later: the tokens are in hand until then.
func TestFaultSallaIsSlowToNameTheMerchant(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	c := newCodes(t, merchant)
	if _, err := c.outside.Fault(sandbox.FaultRule{System: "accounts", Path: "/oauth2/user/info", Effect: sandbox.EffectStatus, Status: 503, Count: 1}); err != nil {
		t.Fatal(err)
	}
	c.install(t, merchant)
	c.lives(t, merchant)
	if rules := c.outside.Faults(); len(rules) > 0 && rules[0].Struck != 1 {
		t.Errorf("the fault struck %d times", rules[0].Struck)
	}
}

// Whatever user info answers instead, it is asked again, and the API tells else.
func TestFaultSallaAnswersOddlyWhoseStoreItIs(t *testing.T) {
	t.Parallel()
	for name, odd := range map[string]string{"empty": "", "HTML": "<html>", "cut off": `{"data":{"merch`, "nameless": `{"data":{}}`} {
		for _, heals := range []bool{true, false} {
			t.Run(fmt.Sprint(name, heals), func(t *testing.T) {
				t.Parallel()
				var asked atomic.Int64
				them := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					switch {
					case r.URL.Path == "/oauth2/token":
						_, _ = io.WriteString(w, `{"access_token":"ory_at_a","refresh_token":"ory_rt_r","expires_in":1209600}`)
					case asked.Add(1) > 1 && heals:
						_, _ = io.WriteString(w, `{"data":{"merchant":{"id":77}}}`)
					default:
						_, _ = io.WriteString(w, odd)
					}
				}))
				t.Cleanup(them.Close)
				x := &Exchange{Inbox: newBench(t).inbox, OAuth: &salla.OAuth{AccountsURL: them.URL}}
				if !heals {
					x.Store = func(context.Context, string) (int64, error) { return 77, nil }
				}
				if _, err := x.Complete(t.Context(), "code"); err != nil {
					t.Errorf("the grant is dropped: %v", err)
				}
			})
		}
	}
}

// The time that a flow has is enough for the commit, whoever is silent before.
func TestFaultSallaThatIsSilentLeavesTimeToCommit(t *testing.T) {
	t.Parallel()
	silent := make(chan struct{})
	them := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/oauth2/token" {
			_, _ = io.WriteString(w, `{"access_token":"ory_at_a","refresh_token":"ory_rt_r"}`)
			return
		}
		<-silent
	}))
	t.Cleanup(them.Close)
	t.Cleanup(func() { close(silent) })
	x := &Exchange{OAuth: &salla.OAuth{AccountsURL: them.URL}}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()

	_, err := x.Complete(ctx, "code")

	if !errors.Is(err, fault.Unavailable) || ctx.Err() != nil || strings.Contains(err.Error(), "ory_") {
		t.Errorf("%v, while %v", err, ctx.Err())
	}
}

func TestFaultPostgresIsDownWhenACodeIsUsed(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	c := newCodes(t, merchant)
	spool, err := OpenSpool(t.TempDir(), c.keys, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	c.inbox.Spool = spool
	down, err := store.Open(t.Context(), "postgres://127.0.0.1:1/none", "test", 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(down.Close)
	without := *c.inbox
	without.DB = store.New(down)
	c.exchange.Inbox = &without

	if rec, err := c.exchange.Complete(t.Context(), c.code(t, merchant)); !errors.Is(err, fault.Unavailable) || !rec.Spooled {
		t.Fatalf("without PostgreSQL: %v, spooled %v", err, rec.Spooled)
	}
	if n := spool.State().Waiting; n != 1 {
		t.Fatalf("%d grants are spooled", n)
	}
	var tasks []store.Task
	c.inbox.drain(t.Context(), func(_ context.Context, todo []store.Task) { tasks = append(tasks, todo...) })
	c.runAll(t, tasks)
	c.lives(t, merchant)
}

// text reads one text of the database.
func (c *codes) text(t *testing.T, sql string) (s string) {
	t.Helper()
	if err := c.pool.QueryRow(t.Context(), sql).Scan(&s); err != nil {
		t.Fatal(err)
	}
	return s
}
