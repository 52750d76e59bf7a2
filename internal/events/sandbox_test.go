package events

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
)

// TestLifeOfAGrant walks a grant through its life at the sandbox: install, fifty
// callers at once with a token that is over, uninstall, reinstall, and every old
// delivery once more.
func TestLifeOfAGrant(t *testing.T) {
	t.Parallel()
	const merchant = 1305146709
	b := newBench(t)
	outside := sandbox.New(sandbox.Config{
		Seed: 1, PublicURL: "https://wosool.example", ClientID: "app", ClientSecret: "app-secret", WebhookSecret: "s", Log: dbtest.Log(t),
	})
	t.Cleanup(outside.Close)
	api := httptest.NewServer(outside.Handler())
	t.Cleanup(api.Close)
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = b.inbox.VerifySalla(r.Header, body)
		}
		if err != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		rec, err := b.inbox.Record(r.Context(), Delivery{Source: SourceSalla, Header: r.Header, Body: body, ReceivedAt: time.Now()})
		if err != nil {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		b.runAll(t, rec.Tasks)
	}))
	t.Cleanup(hook.Close)
	outside.SetDeliverTo(hook.URL)
	outside.AddStore(sandbox.StoreSpec{Merchant: merchant, Products: 1, Customers: 1})

	newVault := func() *vault.Vault { // of one process
		return &vault.Vault{DB: b.db, Keys: b.keys, Log: dbtest.Log(t), OAuth: &salla.OAuth{
			AccountsURL: outside.AccountsURL(api.URL), ClientID: "app", ClientSecret: "app-secret",
		}}
	}
	storeInfo := func(ctx context.Context, access string) error {
		_, err := (&salla.Client{BaseURL: outside.SallaURL(api.URL), Token: access}).StoreInfo(ctx)
		return err
	}
	b.applier.Vault, b.applier.Probe = newVault(), storeInfo
	act := func(what string, fn func(context.Context, int64) error) {
		t.Helper()
		if err := fn(t.Context(), merchant); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if err := outside.Settle(t.Context()); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}

	act("install", outside.Install)
	if got := b.standing(t, merchant); got.Status != "provisioning" || got.Connection != "active" || !got.Installed {
		t.Fatalf("installed: %+v", got)
	}
	tenant, err := b.db.TenantByMerchant(t.Context(), merchant)
	if err != nil {
		t.Fatal(err)
	}

	if outside.ExpireTokens(merchant) == 0 {
		t.Fatal("there is no token to expire")
	}
	vaults := []*vault.Vault{newVault(), newVault(), newVault()}
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			for {
				err := vaults[i%3].Do(t.Context(), tenant.ID, storeInfo)
				if w, ok := errors.AsType[*fault.Wait](err); ok && !w.Until.IsZero() {
					select {
					case <-time.After(time.Until(w.Until)):
						continue
					case <-t.Context().Done():
					}
				}
				if err != nil {
					t.Errorf("a caller: %v", err)
				}
				return
			}
		})
	}
	wg.Wait()
	if s := outside.Stats(); s.Refreshes != 1 || s.Reuses != 0 {
		t.Errorf("%d refreshes, %d reuses of a refresh token", s.Refreshes, s.Reuses)
	}

	act("uninstall", outside.Uninstall)
	if got := b.standing(t, merchant); got.Status != "suspended" || got.SuspendedBy != "uninstall" || got.Connection != "revoked" || got.Token != "" {
		t.Errorf("uninstalled: %+v", got)
	}
	act("reinstall", outside.Install)
	if got := b.standing(t, merchant); got.Status != "provisioning" || got.Connection != "active" || !got.Installed {
		t.Errorf("reinstalled: %+v", got)
	}

	// Everything that was ever sent comes again, newest first: nothing changes.
	before := b.standing(t, merchant)
	page, err := b.db.Events(t.Context(), store.EventFilter{Limit: 200})
	if err != nil || len(page.Events) < 5 {
		t.Fatalf("%d events, %v", len(page.Events), err)
	}
	for _, e := range page.Events {
		_, tasks, err := b.db.ReplayEvent(t.Context(), e.ID, store.Actor{Name: "op"})
		if err != nil {
			t.Fatal(err)
		}
		b.runAll(t, tasks)
	}
	if after := b.standing(t, merchant); after != before {
		t.Errorf("after replays: %+v, before: %+v", after, before)
	}
	if err := b.applier.Vault.Do(t.Context(), tenant.ID, storeInfo); err != nil {
		t.Errorf("the grant after all: %v", err)
	}
	if s := outside.Stats(); s.Reuses != 0 {
		t.Errorf("%d reuses of a refresh token", s.Reuses)
	}
}
