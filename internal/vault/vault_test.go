package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
)

// accounts is an OAuth server whose refresh tokens are good once; a second use
// revokes everything, as Salla's does.
type accounts struct {
	mu      sync.Mutex
	good    string
	n       int
	calls   atomic.Int64
	revoked bool
	// instead, if set, answers in place of the grant; used tells whether the token
	// is consumed all the same.
	instead func(w http.ResponseWriter, r *http.Request)
	used    bool
	expires int // of the tokens it gives, in seconds
}

func (a *accounts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.calls.Add(1)
	a.mu.Lock()
	defer a.mu.Unlock()
	given := r.FormValue("refresh_token")
	if a.instead != nil {
		if a.used {
			a.rotate()
		}
		a.instead(w, r)
		return
	}
	if a.revoked || given != a.good {
		a.revoked = true
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprint(w, `{"error":"invalid_grant","error_description":"used before"}`)
		return
	}
	a.rotate()
	_ = json.NewEncoder(w).Encode(map[string]any{
		"access_token": fmt.Sprintf("access-%d-%s", a.n, strings.Repeat("x", 20)), "refresh_token": a.good,
		"expires_in": a.expires, "scope": "orders.read offline_access",
	})
}

func (a *accounts) rotate() {
	a.n++
	a.good = fmt.Sprintf("refresh-%d-%s", a.n, strings.Repeat("y", 20))
}

type bench struct {
	*Vault
	db       *store.DB
	pool     *pgxpool.Pool
	accounts *accounts
	server   *httptest.Server
	tenant   uuid.UUID
}

// newBench makes a vault with one tenant whose access token ends after ttl.
func newBench(t *testing.T, ttl time.Duration) *bench {
	t.Helper()
	pool := dbtest.Control(t)
	db := store.New(pool)
	b := &bench{db: db, pool: pool, accounts: &accounts{good: "refresh-0-" + strings.Repeat("y", 20), expires: 1209599}, tenant: uuid.Must(uuid.NewV7())}
	b.server = httptest.NewServer(b.accounts)
	t.Cleanup(b.server.Close)
	b.Vault = b.vault(t, newKeys(t))
	if _, err := pool.Exec(t.Context(), `
		INSERT INTO tenants (id, merchant, slug, name, status)
		VALUES ($1, 1234509876, 'store-1234509876', 'x', 'ready')`, b.tenant); err != nil {
		t.Fatal(err)
	}
	g, err := b.SealGrant(t.Context(), b.tenant, salla.Token{
		Access: "access-0-" + strings.Repeat("x", 20), Refresh: b.accounts.good, ExpiresAt: time.Now().Add(ttl),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `
		WITH c AS (
			INSERT INTO connections (id, status, access_token, refresh_token, expires_at, refresh_at, granted_at)
			VALUES ($1, 'active', $2, $3, $4, $5, now())
		)
		INSERT INTO known_tokens (hash, tenant_id) VALUES ($6, $1)`,
		b.tenant, g.Access, g.Refresh, g.ExpiresAt, g.RefreshAt, g.RefreshHash); err != nil {
		t.Fatal(err)
	}
	return b
}

func newKeys(t *testing.T) *Keys {
	t.Helper()
	encoded, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := OpenKeys(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// vault is the vault of one process.
func (b *bench) vault(t *testing.T, keys *Keys) *Vault {
	return &Vault{
		DB: b.db, Keys: keys, Log: dbtest.Log(t),
		OAuth: &salla.OAuth{AccountsURL: b.server.URL, ClientID: "id", ClientSecret: "the-client-secret"},
	}
}

func (b *bench) row(t *testing.T) store.Connection {
	t.Helper()
	c, err := b.db.Connection(t.Context(), b.tenant)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := b.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func waitOf(err error) (*fault.Wait, bool) { return errors.AsType[*fault.Wait](err) }

func TestFiftyCallersMakeOneRefresh(t *testing.T) {
	t.Parallel()
	b := newBench(t, -time.Minute)
	vaults := []*Vault{b.Vault, b.vault(t, b.Keys), b.vault(t, b.Keys)} // three processes
	var wg sync.WaitGroup
	var wrong atomic.Int64
	for i := range 50 {
		wg.Go(func() {
			for range 100 {
				g, err := vaults[i%3].Token(t.Context(), b.tenant)
				if w, ok := waitOf(err); ok && !w.Until.IsZero() {
					select {
					case <-time.After(time.Until(w.Until)):
					case <-t.Context().Done():
					}
					continue
				}
				if err != nil || !strings.HasPrefix(g.Access, "access-1-") || g.Version != 2 {
					t.Errorf("Token: %v, version %d", err, g.Version)
					wrong.Add(1)
				}
				return
			}
			wrong.Add(1)
		})
	}
	wg.Wait()
	if n := b.accounts.calls.Load(); n != 1 || wrong.Load() != 0 || b.accounts.revoked {
		t.Errorf("%d refresh calls, %d wrong answers, revoked %v; want one call", n, wrong.Load(), b.accounts.revoked)
	}
	c := b.row(t)
	if c.Status != store.ConnectionActive || c.Attempt != nil || c.RefreshedAt == nil || len(c.Scopes) != 2 {
		t.Errorf("after a refresh: %s, attempt %v, scopes %v", c.Status, c.Attempt, c.Scopes)
	}
	if ahead := c.RefreshAt.Sub(c.Now); ahead < 6*24*time.Hour || ahead > 8*24*time.Hour {
		t.Errorf("the next refresh is in %v, want half of fourteen days", ahead)
	}
}

func TestOutcomesOfARefresh(t *testing.T) {
	t.Parallel()
	status := func(code int, header, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			if header != "" {
				w.Header().Set("Retry-After", header)
			}
			w.WriteHeader(code)
			fmt.Fprint(w, body)
		}
	}
	hangUp := func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = conn.Close()
		}
	}
	for _, tt := range []struct {
		name    string
		answer  func(http.ResponseWriter, *http.Request)
		status  string
		unknown bool // and the outcome is not known
	}{
		{"429", status(429, "3", `{"status":429,"success":false,"error":{"code":"too_many_requests"}}`), "active", false},
		{"invalid_grant 401", status(401, "", `{"error":"invalid_grant"}`), "needs_reauthorisation", false},
		{"invalid_grant 400", status(400, "", `{"error":"invalid_grant"}`), "needs_reauthorisation", false},
		{"500", status(500, "", ``), "refreshing", true},
		{"503", status(503, "", `{"error":"temporarily_unavailable"}`), "refreshing", true},
		{"unreadable 200", status(200, "", `<html>`), "refreshing", true},
		{"half a token", status(200, "", `{"access_token":"only"}`), "refreshing", true},
		{"hang up", hangUp, "refreshing", true},
		{"401 of something else", status(401, "", `{"error":"invalid_client"}`), "refreshing", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, time.Hour)
			b.exec(t, `UPDATE connections SET refresh_at = now()`)
			b.accounts.instead, b.accounts.used = tt.answer, true
			_, err := b.Refresh(t.Context(), store.Lease{Kind: store.KindTokenRefresh, ID: b.tenant})
			c := b.row(t)
			if c.Status != tt.status || (c.RefreshUnknownAt != nil) != tt.unknown {
				t.Fatalf("the connection is %s, unknown since %v (%v)", c.Status, c.RefreshUnknownAt, err)
			}
			w, postponed := waitOf(err)
			if tt.status == "active" && (!postponed || w.Until.IsZero() || c.Attempt != nil) || tt.status != "active" && err != nil {
				t.Errorf("error = %v, attempt %v", err, c.Attempt)
			}
			if b.accounts.calls.Load() != 1 {
				t.Errorf("%d calls", b.accounts.calls.Load())
			}
			if !tt.unknown {
				return
			}
			// Nobody refreshes again; the old access token is used until it is over.
			g, err := b.Token(t.Context(), b.tenant)
			if err != nil || !strings.HasPrefix(g.Access, "access-0-") {
				t.Fatalf("the old access token: %v", err)
			}
			b.exec(t, `UPDATE connections SET expires_at = now() - interval '1 second'`)
			_, err = b.Token(t.Context(), b.tenant)
			if w, ok := waitOf(err); !ok || !w.Until.IsZero() || b.row(t).Status != store.ConnectionParked {
				t.Errorf("after its end: %v, %s", err, b.row(t).Status)
			}
			if tasks, err := b.db.RefreshDue(t.Context(), 10); err != nil || len(tasks) != 0 || b.accounts.calls.Load() != 1 {
				t.Errorf("refreshed again: %v %v, %d calls", tasks, err, b.accounts.calls.Load())
			}
		})
	}
}

func TestRefreshThatWasNotSentIsTakenBack(t *testing.T) {
	t.Parallel()
	b := newBench(t, -time.Minute)
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // nobody listens on it a moment later
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	_ = l.Close()
	good := b.Vault.OAuth
	b.Vault.OAuth = &salla.OAuth{AccountsURL: "http://" + address, ClientID: "id", ClientSecret: "s"}
	_, err = b.Token(t.Context(), b.tenant)
	if w, ok := waitOf(err); !ok || w.Until.IsZero() {
		t.Fatalf("error = %v, want a wait with a time", err)
	}
	if c := b.row(t); c.Status != store.ConnectionActive || c.Attempt != nil {
		t.Fatalf("the connection is %s, attempt %v", c.Status, c.Attempt)
	}
	b.Vault.OAuth = good
	if g, err := b.Token(t.Context(), b.tenant); err != nil || g.Version != 2 {
		t.Errorf("later: %v, version %d", err, g.Version)
	}
}

func TestLosersWaitOnlyForTheAttempt(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Hour)
	if _, ok, err := b.db.BeginRefresh(t.Context(), b.tenant, 1, time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	// T1 is committed, and the process is gone.
	_, err := b.Token(t.Context(), b.tenant)
	if w, ok := waitOf(err); !ok || w.Until.IsZero() || time.Until(w.Until) > 3*time.Second {
		t.Fatalf("while it may be answered: %v", err)
	}
	if err := b.Refused(t.Context(), b.tenant, 1); err == nil {
		t.Fatal("a refused token was refreshed while another refresh is under way")
	}
	b.exec(t, `UPDATE connections SET attempt_until = now()`)
	if g, err := b.Token(t.Context(), b.tenant); err != nil || !strings.HasPrefix(g.Access, "access-0-") {
		t.Fatalf("after it: %v", err)
	}
	if c := b.row(t); c.Status != store.ConnectionRefreshing || c.RefreshUnknownAt == nil || c.ParkedReason == nil {
		t.Errorf("the operator is not told: %s, %v", c.Status, c.RefreshUnknownAt)
	}
	err = b.Refused(t.Context(), b.tenant, 1)
	if w, ok := waitOf(err); !ok || !w.Until.IsZero() || b.row(t).Status != store.ConnectionParked {
		t.Errorf("when it is refused: %v, %s", err, b.row(t).Status)
	}
	if b.accounts.calls.Load() != 0 {
		t.Errorf("%d refresh calls", b.accounts.calls.Load())
	}
}

func TestLateAnswerHeals(t *testing.T) {
	t.Parallel()
	b := newBench(t, -time.Minute)
	attempt, _, err := b.db.BeginRefresh(t.Context(), b.tenant, 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	b.exec(t, `UPDATE connections SET attempt_until = now()`)
	if _, err := b.Token(t.Context(), b.tenant); err == nil || b.row(t).Status != store.ConnectionParked {
		t.Fatalf("not parked: %v", err)
	}
	g, err := b.SealGrant(t.Context(), b.tenant, salla.Token{Access: "late", Refresh: "late-refresh", ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []bool{true, false} { // the second time the attempt is over
		stored, _, err := b.db.CompleteRefresh(t.Context(), b.tenant, attempt, 1, g)
		if err != nil || stored != want {
			t.Fatalf("answer %d: stored %v, %v", i, stored, err)
		}
	}
	if got, err := b.Token(t.Context(), b.tenant); err != nil || got.Access != "late" {
		t.Errorf("after the late answer: %v", err)
	}
}

func TestKnownRefreshTokenIsNeverStored(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Hour)
	attempt, _, err := b.db.BeginRefresh(t.Context(), b.tenant, 1, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	g, err := b.SealGrant(t.Context(), b.tenant, salla.Token{Access: "new", Refresh: b.accounts.good, ExpiresAt: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	stored, _, err := b.db.CompleteRefresh(t.Context(), b.tenant, attempt, 1, g)
	if c := b.row(t); err != nil || stored || c.Status != store.ConnectionRefreshing || c.RefreshUnknownAt == nil {
		t.Errorf("stored %v, %v; %s", stored, err, c.Status)
	}
}

func TestRefreshOutlivesItsTask(t *testing.T) {
	t.Parallel()
	b := newBench(t, -time.Minute)
	arrived, release := make(chan struct{}), make(chan struct{})
	b.accounts.instead = func(w http.ResponseWriter, _ *http.Request) {
		close(arrived)
		<-release
		fmt.Fprint(w, `{"access_token":"after all","refresh_token":"next","expires_in":3600}`)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	if _, err := b.Token(ctx, b.tenant); !errors.Is(err, context.Canceled) {
		t.Fatalf("error = %v", err)
	}
	close(release)
	if err := b.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if g, err := b.Token(t.Context(), b.tenant); err != nil || g.Access != "after all" {
		t.Errorf("the answer was lost: %v", err)
	}
}

func TestDoRenewsARefusedToken(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Hour)
	var seen []string
	refuse := &salla.Error{Status: http.StatusUnauthorized, Code: "Unauthorized", Message: "The access token is invalid"}
	err := b.Do(t.Context(), b.tenant, func(_ context.Context, access string) error {
		seen = append(seen, access[:9])
		if len(seen) == 1 {
			return refuse
		}
		return nil
	})
	if err != nil || strings.Join(seen, " ") != "access-0- access-1-" {
		t.Errorf("calls with %v: %v", seen, err)
	}
	scope := &salla.Error{Status: http.StatusUnauthorized, Message: "The access token should have access to one of those scopes: orders.read"}
	err = b.Do(t.Context(), b.tenant, func(context.Context, string) error { return scope })
	if !salla.IsMissingScope(err) || b.accounts.calls.Load() != 1 {
		t.Errorf("a missing scope: %v, %d refresh calls", err, b.accounts.calls.Load())
	}
}

func TestRefreshDue(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Hour)
	if tasks, err := b.db.RefreshDue(t.Context(), 10); err != nil || len(tasks) != 0 {
		t.Fatalf("too early: %v %v", tasks, err)
	}
	b.exec(t, `UPDATE connections SET refresh_at = now() - interval '1 second'`)
	tasks, err := b.db.RefreshDue(t.Context(), 10)
	if err != nil || len(tasks) != 1 {
		t.Fatalf("due: %v %v", tasks, err)
	}
	if again, err := b.db.RefreshDue(t.Context(), 10); err != nil || len(again) != 0 {
		t.Fatalf("twice: %v %v", again, err)
	}
	l, taken, err := b.db.Take(t.Context(), tasks[0], time.Minute)
	if err != nil || taken != store.TakenOurs {
		t.Fatal(taken, err)
	}
	if _, err := b.Refresh(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if err := b.db.Finish(t.Context(), l); err != nil {
		t.Fatal(err)
	}
	if c := b.row(t); c.Version != 2 || !c.RefreshAt.After(c.Now) {
		t.Errorf("version %d, next %v", c.Version, c.RefreshAt)
	}
	drained := make(chan struct{})
	close(drained)
	b.exec(t, `UPDATE connections SET refresh_at = now()`)
	if _, err := b.Refresh(fault.WithDrain(t.Context(), drained), l); !errors.Is(err, fault.ErrHandBack) {
		t.Errorf("while draining: %v", err)
	}
}

func TestNoGrantWaits(t *testing.T) {
	t.Parallel()
	b := newBench(t, time.Hour)
	for _, status := range []string{"revoked", "needs_reauthorisation"} {
		b.exec(t, `UPDATE connections SET status = $1`, status)
		_, err := b.Token(t.Context(), b.tenant)
		if w, ok := waitOf(err); !ok || !w.Until.IsZero() || !strings.HasPrefix(w.For, "grant: ") {
			t.Errorf("%s: %v", status, err)
		}
	}
	_, err := b.Token(t.Context(), uuid.New())
	if w, ok := waitOf(err); !ok || !w.Until.IsZero() {
		t.Errorf("no connection: %v", err)
	}
}

func TestRefreshAt(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct{ lifetime, want time.Duration }{
		{14 * 24 * time.Hour, 7 * 24 * time.Hour},
		{60 * 24 * time.Hour, 10 * 24 * time.Hour},
		{-time.Hour, 0},
	} {
		if got := refreshAt(now, now.Add(tt.lifetime)).Sub(now); got != tt.want {
			t.Errorf("a lifetime of %v: refreshed after %v, want %v", tt.lifetime, got, tt.want)
		}
	}
}
