package vault

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// refresher is a Salla whose OAuth server the test plays.
type refresher func(ctx context.Context, token string) (salla.Token, error)

func (f refresher) Refresh(ctx context.Context, token string) (salla.Token, error) {
	return f(ctx, token)
}

// A refresh that took so long that its grant was parked, and of which it turns out
// that its token was certainly not used, gives the grant back, and what waited for it
// goes on.
func TestFaultUnusedTokenIsGoodAgainAfterItWasParked(t *testing.T) {
	t.Parallel()
	for name, late := range map[string]refresher{
		"a limit": func(context.Context, string) (salla.Token, error) {
			return salla.Token{}, &salla.Error{Status: http.StatusTooManyRequests, RetryAfter: time.Second}
		},
		"not sent": (&salla.OAuth{AccountsURL: "http://127.0.0.1:1", ClientID: "id", ClientSecret: "the-client-secret"}).Refresh,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, -time.Minute)
			const merchant = 1234509876
			b.exec(t, `
				INSERT INTO events (id, source, event, merchant, tenant_id, lane, status, waiting_for, state, due_at)
				VALUES ($1, 'salla', 'order.created', $2, $3, 'events', 'waiting', 'grant', 'waiting', NULL)`, uuid.Must(uuid.NewV7()), merchant, b.tenant)
			b.exec(t, `UPDATE connections SET state = 'failed'`)
			var rung []store.Task
			b.Enqueue = func(_ context.Context, tasks []store.Task) { rung = append(rung, tasks...) }
			up := b.OAuth
			b.OAuth = refresher(func(ctx context.Context, token string) (salla.Token, error) {
				b.exec(t, `UPDATE connections SET attempt_until = now()`)
				if _, err := b.Token(ctx, b.tenant); !parked(err) || b.row(t).Status != store.ConnectionParked {
					t.Errorf("while it takes long: %v, %s", err, b.row(t).Status)
				}
				return late(ctx, token)
			})

			_, err := b.Token(t.Context(), b.tenant)

			if w, waits := waitOf(err); !waits || w.Until.IsZero() {
				t.Errorf("got %v, want to come again", err)
			}
			c := b.row(t)
			if c.Status != store.ConnectionActive || c.Version != 1 || c.ParkedReason != nil || c.RefreshUnknownAt != nil || c.Attempt != nil {
				t.Errorf("the grant is %s, version %d, %v; want it as it was before", c.Status, c.Version, c.ParkedReason)
			}
			if len(rung) != 1 || rung[0].Kind != store.KindEventApply {
				t.Errorf("rung for %v, want what waited for the grant", rung)
			}
			b.OAuth = up
			if g, err := b.Token(t.Context(), b.tenant); err != nil || !strings.HasPrefix(g.Access, "access-1-") || b.accounts.calls.Load() != 1 {
				t.Errorf("afterwards: %v after %d calls, want one refresh", err, b.accounts.calls.Load())
			}
		})
	}
}

// What somebody else has decided meanwhile stays: a revoked grant, a newer one, and a
// token that Salla has refused.
func TestFaultCancelledRefreshUndoesNoDecision(t *testing.T) {
	t.Parallel()
	for name, meanwhile := range map[string]string{
		"revoked":         `UPDATE connections SET status = 'revoked', version = 2, attempt = NULL`,
		"newer":           `UPDATE connections SET version = 2`,
		"another attempt": `UPDATE connections SET attempt = gen_random_uuid(), parked_reason = 'x'`,
		"parked by another": `UPDATE connections SET status = 'needs_reauthorisation', attempt = gen_random_uuid(),
			parked_reason = 'Salla refused the refresh token (invalid_grant)'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, -time.Minute)
			attempt, ok, err := b.db.BeginRefresh(t.Context(), b.tenant, 1, time.Minute)
			if err != nil || !ok {
				t.Fatal(ok, err)
			}
			b.exec(t, meanwhile)
			before := b.row(t)

			tasks, err := b.db.CancelRefresh(t.Context(), b.tenant, attempt, 1)

			after := b.row(t)
			if err != nil || len(tasks) != 0 || after.Status != before.Status || after.Version != before.Version {
				t.Errorf("%v, tasks %v: %s version %d, was %s version %d", err, tasks, after.Status, after.Version, before.Status, before.Version)
			}
		})
	}
}
