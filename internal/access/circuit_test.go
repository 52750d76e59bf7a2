package access

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
)

const merchant = 1234509876

// reach is access to one store, whose answers the test decides.
type reach struct {
	*Access

	tenant uuid.UUID
	calls  atomic.Int32
	answer atomic.Pointer[http.HandlerFunc]
}

func newReach(t *testing.T, redisURL string, pause time.Duration) *reach {
	t.Helper()
	pool := dbtest.Control(t)
	db, log := store.New(pool), slog.New(slog.DiscardHandler)
	encoded, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := vault.OpenKeys(encoded)
	if err != nil {
		t.Fatal(err)
	}
	rdb, err := tasks.OpenRedis(redisURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	r := &reach{tenant: uuid.Must(uuid.NewV7())}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		r.calls.Add(1)
		(*r.answer.Load())(w, q)
	}))
	t.Cleanup(srv.Close)
	servers, err := tenantdb.NewServers(t.Context(), []string{"postgres://wosool@127.0.0.1:1/postgres"}, log)
	if err != nil {
		t.Fatal(err)
	}
	pools := tenantdb.NewPools(servers, 5, log)
	t.Cleanup(pools.Close)
	grants := &vault.Vault{DB: db, Keys: keys, Log: log}
	r.Access = &Access{
		DB: db, Vault: grants, Keys: keys, Budget: budget.New(rdb), APIURL: srv.URL, HTTP: srv.Client(), Pools: pools,
		Circuits: circuit.New(db, circuit.Settings{Pause: pause, MaxPause: pause}, log),
	}
	password, err := keys.Seal([]byte("x"), PasswordAD(r.tenant))
	if err != nil {
		t.Fatal(err)
	}
	g, err := grants.SealGrant(t.Context(), r.tenant, salla.Token{
		Access: strings.Repeat("a", 20), Refresh: strings.Repeat("r", 20), ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Exec(t.Context(), `
		WITH t AS (
			INSERT INTO tenants (id, merchant, slug, name, status, database_server, database_name, database_role, database_password)
			VALUES ($1, $2, 'palm', 'Palm', 'ready', '127.0.0.1:1', 'x', 'x', $3)
			RETURNING id
		)
		INSERT INTO connections (id, status, access_token, refresh_token, expires_at, refresh_at, granted_at)
		SELECT id, 'active', $4, $5, $6, $7, now() FROM t`,
		r.tenant, int64(merchant), password, g.Access, g.Refresh, g.ExpiresAt, g.RefreshAt); err != nil {
		t.Fatal(err)
	}
	r.says(200, `{"status":200,"success":true,"data":{"id":7}}`)
	return r
}

// says sets what the store answers from now on.
func (r *reach) says(status int, body string) {
	h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	})
	r.answer.Store(&h)
}

func (r *reach) call(t *testing.T) error {
	t.Helper()
	return r.Do(t.Context(), r.tenant, merchant, budget.Live, func(ctx context.Context, c *salla.Client) error {
		_, err := c.Product(ctx, "7")
		return err
	})
}

// left is what remains of the store's budget.
func (r *reach) left(t *testing.T) int {
	t.Helper()
	n := 0
	for {
		if _, err := r.Budget.Take(t.Context(), merchant, budget.Live, 0); err != nil {
			return n
		}
		n++
	}
}

// A store that fails is left alone: work waits, no call is made and none counted.
func TestFaultRefusedCallEatsNoBudget(t *testing.T) {
	t.Parallel()
	r, whole := newReach(t, dbtest.Redis(t), time.Minute), newReach(t, dbtest.Redis(t), time.Minute)
	if err := r.call(t); err != nil {
		t.Fatal(err)
	}
	r.says(500, "")
	for range 5 {
		if err := r.call(t); !circuit.Is(err) {
			t.Fatalf("got %v, want an outage", err)
		}
	}
	made := int(r.calls.Load())
	for range 50 {
		err := r.call(t)
		if wait, ok := errors.AsType[*fault.Wait](err); !ok || wait.Until.IsZero() {
			t.Fatalf("got %v, want a wait", err)
		}
	}
	if n := int(r.calls.Load()); n != made {
		t.Errorf("%d calls were made through an open circuit", n-made)
	}
	if all, left := whole.left(t), r.left(t); all-left > made+2 { // time gives a little back
		t.Errorf("of %d calls %d are left after %d that were made", all, left, made)
	}
}

// The circuit of a store closes by a call that is answered, whatever the answer.
func TestFaultStoreAnswersAgain(t *testing.T) {
	t.Parallel()
	r := newReach(t, dbtest.Redis(t), 300*time.Millisecond)
	r.says(200, "<html>maintenance</html>")
	for range 5 {
		_ = r.call(t)
	}
	r.says(404, `{"status":404,"success":false,"error":{"code":404,"message":"none"}}`)
	dbtest.Eventually(t, 10*time.Second, "it is asked again", func() bool { return errors.Is(r.call(t), fault.NotFound) })
	r.says(200, `{"status":200,"success":true,"data":{"id":7}}`)
	if err := r.call(t); err != nil {
		t.Error(err)
	}
}

// A Redis that is down tells no budget: work waits for it, and Salla is not asked.
func TestFaultWithoutRedisWorkWaits(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnRedis(t)
	r := newReach(t, server.URL(), 300*time.Millisecond)
	server.Stop()
	err := r.call(t)
	wait, ok := errors.AsType[*fault.Wait](err)
	if !ok || wait.Until.IsZero() || !strings.Contains(wait.For, "Redis") || errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v, want to wait for Redis", err)
	}
	if n := r.calls.Load(); n != 0 {
		t.Errorf("%d calls were made without a budget", n)
	}
	server.Start()
	dbtest.Eventually(t, 10*time.Second, "calls are made again", func() bool { return r.call(t) == nil })
}

// A server of tenant databases that is down makes work wait after a few attempts.
func TestFaultTenantDatabaseServerIsDown(t *testing.T) {
	t.Parallel()
	r := newReach(t, dbtest.Redis(t), time.Minute)
	var err error
	for range 5 {
		if _, err = r.Open(t.Context(), r.tenant); !circuit.Is(err) || !errors.Is(err, fault.Unavailable) {
			t.Fatalf("got %v, want an outage", err)
		}
	}
	wait, ok := errors.AsType[*fault.Wait](err)
	if !ok || !strings.Contains(wait.For, "127.0.0.1:1, which has not answered since") || !strings.Contains(wait.For, "connection refused") {
		t.Errorf("got %v, want to wait for the server", err)
	}
	if _, err = r.Open(t.Context(), r.tenant); errors.Is(err, fault.Unavailable) || !circuit.Is(err) {
		t.Errorf("got %v, want a wait without an attempt", err)
	}
}

// What Salla says of itself while it is unwell ends no wait early.
func TestFaultRetryAfterOfSalla(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		status int
		after  string
		least  time.Duration
	}{
		{"429", 429, "", 500 * time.Millisecond},
		{"429 with a time", 429, "30", 29 * time.Second},
		{"429 with a date", 429, time.Now().Add(time.Minute).UTC().Format(http.TimeFormat), 50 * time.Second},
		{"503 with a time", 503, "30", 29 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newReach(t, dbtest.Redis(t), 300*time.Millisecond)
			body, _ := json.Marshal(map[string]any{"status": tt.status, "success": false, "error": map[string]any{"code": "x"}})
			h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if tt.after != "" {
					w.Header().Set("Retry-After", tt.after)
				}
				w.WriteHeader(tt.status)
				_, _ = w.Write(body)
			})
			r.answer.Store(&h)
			err := r.call(t)
			if wait, ok := errors.AsType[*fault.Wait](err); !ok || time.Until(wait.Until) < tt.least {
				t.Errorf("got %v, want a wait of %s", err, tt.least)
			}
		})
	}
}
