package web

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/migrations"
)

const (
	adminKey    = "test-key-0123456789abcdef" // the operators' key in tests
	sallaSecret = "salla-webhook-secret"
	rotated     = "salla-webhook-secret-of-before"
)

// clerkSecret is 24 bytes that nobody else has.
func clerkSecret() string {
	return "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567"))
}

// site is a server on a database of its own, and what it rang.
type site struct {
	t    testing.TB
	s    *Server
	h    http.Handler
	pool *pgxpool.Pool
	bell *bell
}

func newSite(t testing.TB) *site {
	t.Helper()
	return siteOn(t, dbtest.Control(t))
}

func siteOn(t testing.TB, pool *pgxpool.Pool) *site {
	t.Helper()
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := vault.OpenKeys(keyset)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := clerk.NewVerifier(clerkSecret())
	if err != nil {
		t.Fatal(err)
	}
	schema, err := migrations.Version()
	if err != nil {
		t.Fatal(err)
	}
	db, b := store.New(pool), &bell{}
	s := &Server{
		DB: db,
		Inbox: &events.Inbox{
			DB: db, Keys: keys, Strategy: events.StrategySignature, Secrets: []string{sallaSecret, rotated},
			Clerk: func(h http.Header, body []byte) error { return verifier.Verify(h, body, time.Now()) },
		},
		Queue:     b,
		PingRedis: func(context.Context) error { return b.err },
		Schema:    schema,
		Metrics:   prometheus.NewRegistry(),
		Log:       dbtest.Log(t),
		AdminKey:  adminKey,
	}
	return &site{t: t, s: s, h: s.Handler(), pool: pool, bell: b}
}

// bareServer is enough for what asks no database.
func bareServer(t *testing.T) *Server {
	t.Helper()
	return &Server{AdminKey: adminKey, Metrics: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)}
}

// bell is a queue that notes what it was rung for, or fails.
type bell struct {
	err error // set before the first call

	mu   sync.Mutex
	refs []tasks.Ref
}

func (b *bell) Enqueue(_ context.Context, refs ...tasks.Ref) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refs = append(b.refs, refs...)
	return b.err
}

func (b *bell) Wake(ctx context.Context, refs ...tasks.Ref) error { return b.Enqueue(ctx, refs...) }

func (b *bell) Lanes(context.Context) ([]tasks.LaneStat, error) {
	return []tasks.LaneStat{{Lane: tasks.LaneImports, Pending: 3, Active: 2, Retry: 1, Archived: 4, Oldest: 1500 * time.Millisecond}}, b.err
}

func (b *bell) Pause(context.Context, string, bool) error { return b.err }

// kinds are the kinds of task that were rung for, in order.
func (b *bell) kinds() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var kinds []string
	for _, r := range b.refs {
		kinds = append(kinds, r.Kind)
	}
	return kinds
}

// answer is what a request was answered.
type answer struct {
	Code   int
	Header http.Header
	Body   []byte
}

// code is the code of the error in an answer.
func (a answer) code() string {
	var body struct {
		Error struct {
			Code string `json:"code"`
		} `json:"error"`
	}
	if json.Unmarshal(a.Body, &body) != nil {
		return "no JSON"
	}
	return body.Error.Code
}

func (x *site) send(method, path, body string, header map[string]string) answer {
	return send(x.h, method, path, strings.NewReader(body), header)
}

func send(h http.Handler, method, path string, body io.Reader, header map[string]string) answer {
	r := httptest.NewRequest(method, path, body)
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{Code: w.Code, Header: w.Header(), Body: w.Body.Bytes()}
}

// api calls the operator API with the key, and fails the test where the answer
// has another status than want.
func (x *site) api(want int, method, path, body string) answer {
	x.t.Helper()
	a := x.send(method, "/api/admin/v1"+path, body, map[string]string{"Authorization": "Bearer " + adminKey})
	if a.Code != want {
		x.t.Fatalf("%s %s: status %d, want %d: %s", method, path, a.Code, want, a.Body)
	}
	return a
}

// read decodes an answer.
func (x *site) read(a answer, into any) {
	x.t.Helper()
	if err := json.Unmarshal(a.Body, into); err != nil {
		x.t.Fatalf("answer %s: %v", a.Body, err)
	}
}

// exec writes to the database behind the server's back.
func (x *site) exec(sql string, args ...any) {
	x.t.Helper()
	if _, err := x.pool.Exec(x.t.Context(), sql, args...); err != nil {
		x.t.Fatal(err)
	}
}

// one reads one value of the database.
func one[T any](x *site, sql string, args ...any) T {
	x.t.Helper()
	var v T
	if err := x.pool.QueryRow(x.t.Context(), sql, args...).Scan(&v); err != nil {
		x.t.Fatal(err)
	}
	return v
}

// register makes a tenant by the API and returns its id.
func (x *site) register(slug string) uuid.UUID {
	x.t.Helper()
	var t struct {
		ID uuid.UUID `json:"id"`
	}
	x.read(x.api(http.StatusAccepted, http.MethodPost, "/tenants",
		`{"name":"Palm","slug":"`+slug+`","owner_email":"owner@example.com"}`), &t)
	return t.ID
}
