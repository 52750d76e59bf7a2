package events

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
)

// bench is an inbox and an applier on a real database, with a Salla that knows
// which access tokens live.
type bench struct {
	db      *store.DB
	pool    *pgxpool.Pool
	keys    *vault.Keys
	inbox   *Inbox
	applier *Applier

	mu      sync.Mutex
	dead    map[string]bool // access tokens that Salla refuses
	down    error           // what Salla answers instead
	probed  []string
	applied []Live
	store   func(Live) ([]store.Want, error)
}

func newBench(t testing.TB) *bench {
	t.Helper()
	return benchOn(t, dbtest.Control(t))
}

func benchOn(t testing.TB, pool *pgxpool.Pool) *bench {
	t.Helper()
	encoded, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := vault.OpenKeys(encoded)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{pool: pool, keys: keys, dead: map[string]bool{}}
	b.db = store.New(b.pool)
	b.inbox = &Inbox{DB: b.db, Keys: keys, Strategy: StrategySignature, Secrets: []string{"s"}}
	b.applier = &Applier{
		DB: b.db, Keys: keys, Log: dbtest.Log(t),
		Vault:   &vault.Vault{DB: b.db, Keys: keys, OAuth: invalidGrant{}, Log: dbtest.Log(t)},
		Probe:   b.probe,
		Follows: func(name string) bool { return name == "order.created" || name == "order.updated" },
		Store:   b.live,
	}
	return b
}

// invalidGrant is Salla's OAuth server for a store that revoked everything.
type invalidGrant struct{}

func (invalidGrant) Refresh(ctx context.Context, token string) (salla.Token, error) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"error":"invalid_grant"}`))
	}))
	defer server.Close()
	return (&salla.OAuth{AccountsURL: server.URL}).Refresh(ctx, token)
}

func (b *bench) probe(_ context.Context, access string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probed = append(b.probed, access)
	if b.down != nil {
		return b.down
	}
	if b.dead[access] {
		return &salla.Error{Status: http.StatusUnauthorized, Message: "The access token is invalid"}
	}
	return nil
}

func (b *bench) live(_ context.Context, e Live) ([]store.Want, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.store != nil {
		return b.store(e)
	}
	b.applied = append(b.applied, e)
	return nil, nil
}

// fromSalla is a delivery of Salla.
func fromSalla(body string) Delivery {
	return Delivery{Source: SourceSalla, Header: http.Header{}, Body: []byte(body), ReceivedAt: time.Now()}
}

// deliver records a delivery and applies what is runnable; it returns the event's id.
func (b *bench) deliver(t *testing.T, body string) uuid.UUID {
	t.Helper()
	rec, err := b.inbox.Record(t.Context(), fromSalla(body))
	if err != nil {
		t.Fatal(err)
	}
	b.runAll(t, rec.Tasks)
	return rec.EventID
}

// runAll runs event tasks, and those that they let go on, as workers would.
func (b *bench) runAll(t *testing.T, tasks []store.Task) {
	t.Helper()
	for len(tasks) > 0 {
		task := tasks[0]
		tasks = slices.Clone(tasks[1:])
		switch task.Kind {
		case store.KindEventApply:
			tasks = append(tasks, b.run(t, task)...)
		case store.KindTenantResume, store.KindTenantSuspend:
			tasks = append(tasks, b.runTenant(t, task)...)
		}
	}
}

// run runs one event task as a worker would, and returns what comes next.
func (b *bench) run(t *testing.T, task store.Task) []store.Task {
	t.Helper()
	ctx := t.Context()
	l, taken, err := b.db.Take(ctx, task, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if taken != store.TakenOurs {
		return nil
	}
	next, err := b.applier.Apply(ctx, l)
	if w, ok := errors.AsType[*fault.Wait](err); ok {
		if err := b.db.Postpone(ctx, l, w.Until, w.For); err != nil {
			t.Fatal(err)
		}
		return next
	}
	if err != nil {
		if err := b.applier.GiveUp(ctx, l, err.Error()); err != nil {
			t.Fatal(err)
		}
		return next
	}
	if err := b.db.Finish(ctx, l); err != nil && !errors.Is(err, fault.ErrLost) {
		t.Fatal(err)
	}
	return next
}

// runTenant does what the provisioner would for a tenant that has no database.
func (b *bench) runTenant(t *testing.T, task store.Task) (next []store.Task) {
	t.Helper()
	l, taken, err := b.db.Take(t.Context(), task, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if taken != store.TakenOurs {
		return nil
	}
	if task.Kind == store.KindTenantResume {
		next, err = b.db.Resumed(t.Context(), l)
	} else {
		err = b.db.Finish(t.Context(), l)
	}
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// ready makes a ready tenant of a merchant. A status other than "" replaces ready.
func (b *bench) ready(t *testing.T, merchant int64, status string) uuid.UUID {
	t.Helper()
	id := uuid.Must(uuid.NewV7())
	if status == "" {
		status = "ready"
	}
	b.exec(t, `
		INSERT INTO tenants (id, merchant, slug, name, status, suspended_by, resume_status, installed)
		VALUES ($1, $2::bigint, 'store-' || $2::bigint, 'x', $3, CASE $3 WHEN 'suspended' THEN 'operator' END,
		        CASE $3 WHEN 'suspended' THEN 'ready' END, true)`, id, merchant, status)
	return id
}

func (b *bench) exec(t *testing.T, sql string, args ...any) {
	t.Helper()
	if _, err := b.pool.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) count(t *testing.T, sql string, args ...any) int {
	t.Helper()
	var n int
	if err := b.pool.QueryRow(t.Context(), sql, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func (b *bench) event(t *testing.T, id uuid.UUID) store.Event {
	t.Helper()
	e, err := b.db.Event(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// words gives why an event ended as it did, "" if it does not say.
func words(e store.Event) string {
	if e.Error == nil {
		return ""
	}
	return *e.Error
}
