package vault

import (
	"context"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// While the OAuth server is known to be down nothing is claimed and nothing sent;
// afterwards the refresh goes through with the same token.
func TestFaultRefreshWaitsForTheOAuthServer(t *testing.T) {
	t.Parallel()
	b := newBench(t, -time.Minute)
	wait := fault.WaitUntil(time.Now().Add(time.Minute), "Salla's OAuth server")
	down := true
	answer := func(context.Context) error {
		if down {
			return wait
		}
		return nil
	}
	unclaimed := func(what string) {
		t.Helper()
		_, err := b.Token(t.Context(), b.tenant)
		if w, ok := waitOf(err); !ok || time.Until(w.Until) < 50*time.Second {
			t.Fatalf("%s: got %v, want to wait for the server", what, err)
		}
		if c := b.row(t); c.Status != store.ConnectionActive || c.Version != 1 || c.RefreshUnknownAt != nil || b.accounts.calls.Load() != 0 {
			t.Fatalf("%s: %s, version %d, %d calls; want it as before", what, c.Status, c.Version, b.accounts.calls.Load())
		}
	}

	b.Ready = answer
	unclaimed("before the claim")
	oauth, ok := b.OAuth.(*salla.OAuth)
	if !ok {
		t.Fatal("the bench has another client")
	}
	b.Ready = nil
	oauth.Guard = func(ctx context.Context, call func(context.Context) error) error {
		if err := answer(ctx); err != nil {
			return err
		}
		return call(ctx)
	}
	unclaimed("after the claim")

	down = false
	if g, err := b.Token(t.Context(), b.tenant); err != nil || g.Version != 2 || b.accounts.calls.Load() != 1 {
		t.Errorf("afterwards: %v, version %d, %d calls; want one refresh", err, g.Version, b.accounts.calls.Load())
	}
}
