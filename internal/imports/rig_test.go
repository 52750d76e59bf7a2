package imports_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

const (
	shop     = int64(1305146709)
	leaseFor = 15 * time.Second
)

// rig is one ready tenant with a shop in the sandbox, and a door that runs its
// work one task at a time.
type rig struct {
	*imports.Importer

	t       *testing.T
	pool    *pgxpool.Pool
	tenant  uuid.UUID
	tdb     *tenantdb.DB
	shop    *sandbox.Server
	access  *access
	dead    []string // reasons of dead letters
	retries int
}

// access calls the sandbox with the shop's token. before, if set, may refuse a call;
// after, if set, comes between its answer and what is made of it.
type access struct {
	base, token string

	mu     sync.Mutex
	calls  int
	before func(class budget.Class) error
	after  func()
}

func (a *access) Do(ctx context.Context, _ uuid.UUID, _ int64, class budget.Class, fn func(context.Context, *salla.Client) error) error {
	a.mu.Lock()
	before, after := a.before, a.after
	a.mu.Unlock()
	if after != nil {
		defer after()
	}
	if before != nil {
		if err := before(class); err != nil {
			return err
		}
	}
	a.mu.Lock()
	a.calls++
	a.mu.Unlock()
	return fn(ctx, &salla.Client{BaseURL: a.base, Token: a.token})
}

func (a *access) hook(before func(class budget.Class) error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.before = before
}

func (a *access) then(after func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.after = after
}

func (a *access) made() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls
}

func newRig(t *testing.T, spec sandbox.StoreSpec) *rig {
	t.Helper()
	spec.Merchant = shop
	tokens := make(chan string, 1)
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var event struct {
			Event string
			Data  struct {
				AccessToken string `json:"access_token"`
			}
		}
		body, err := io.ReadAll(r.Body)
		if err == nil && json.Unmarshal(body, &event) == nil && event.Event == "app.store.authorize" {
			tokens <- event.Data.AccessToken
		}
	}))
	t.Cleanup(app.Close)
	box := sandbox.New(sandbox.Config{
		Seed: 11, PublicURL: "https://wosool.example", DeliverTo: app.URL, ClientID: "c", ClientSecret: "s", WebhookSecret: "w",
	})
	t.Cleanup(box.Close)
	served := httptest.NewServer(box.Handler())
	t.Cleanup(served.Close)
	box.AddStore(spec)
	if err := box.Authorize(t.Context(), shop); err != nil {
		t.Fatal(err)
	}
	r := &rig{
		t: t, pool: dbtest.Control(t), tenant: uuid.Must(uuid.NewV7()), shop: box,
		access: &access{base: box.SallaURL(served.URL), token: <-tokens},
	}
	r.tdb = newTenantDB(t, r.tenant)
	r.Importer = &imports.Importer{
		DB: store.New(r.pool), Access: r.access, Log: dbtest.Log(t),
		Open: func(context.Context, uuid.UUID) (*tenantdb.DB, error) { return r.tdb, nil },
	}
	r.exec(`INSERT INTO tenants (id, merchant, slug, name, status, installed) VALUES ($1, $2, 'shop', 'Shop', 'ready', true)`, r.tenant, shop)
	r.exec(`INSERT INTO connections (id, status) VALUES ($1, 'active')`, r.tenant)
	return r
}

// tenantServers are the same for all tests: to read the migrations and to look for
// the template takes longer than a test's own database.
var tenantServers = func() func(url string) (*tenantdb.Servers, error) { //nolint:gochecknoglobals // made once, never changed
	var once sync.Once
	var servers *tenantdb.Servers
	var err error
	return func(url string) (*tenantdb.Servers, error) {
		once.Do(func() {
			ctx := context.Background()
			if servers, err = tenantdb.NewServers(ctx, []string{url}, slog.New(slog.DiscardHandler)); err == nil {
				_, err = servers.EnsureTemplate(ctx, servers.Names()[0])
			}
		})
		return servers, err
	}
}()

func newTenantDB(t *testing.T, tenant uuid.UUID) *tenantdb.DB {
	t.Helper()
	servers, err := tenantServers(dbtest.AdminURL(t))
	if err != nil {
		t.Fatal(err)
	}
	server, name := servers.Names()[0], tenantdb.Name(tenant)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := servers.Drop(ctx, server, name, name); err != nil {
			t.Error(err)
		}
	})
	if err := servers.Create(t.Context(), server, name, name, "a-long-enough-password"); err != nil {
		t.Fatal(err)
	}
	pools := tenantdb.NewPools(servers, 4, dbtest.Log(t))
	t.Cleanup(pools.Close)
	db, err := pools.Open(t.Context(), tenantdb.Target{Server: server, Database: name, Role: name, Password: "a-long-enough-password"})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	if _, err := r.pool.Exec(r.t.Context(), query, args...); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
}

// value reads one value of the control database as text.
func (r *rig) value(query string, args ...any) string {
	r.t.Helper()
	var v *string
	if err := r.pool.QueryRow(r.t.Context(), `SELECT (`+query+`)::text`, args...).Scan(&v); err != nil {
		r.t.Fatalf("%s: %v", query, err)
	}
	if v == nil {
		return "<null>"
	}
	return *v
}

// open opens the run that a ready tenant is due.
func (r *rig) open() {
	r.t.Helper()
	tasks, err := r.DB.ReconcileDue(r.t.Context(), 0, 10)
	if err != nil || len(tasks) != 1 || tasks[0].Kind != store.KindImportStart {
		r.t.Fatalf("open a run: got %v, %v", tasks, err)
	}
}

// manual opens a run by hand.
func (r *rig) manual(since *time.Time, resources ...string) {
	r.t.Helper()
	if _, _, err := r.DB.ImportTenant(r.t.Context(), r.tenant, resources, since, store.Actor{Name: "test"}); err != nil {
		r.t.Fatal(err)
	}
}

// next gives the tasks that are due; where all wait for a time, that time has come.
func (r *rig) next() []store.Task {
	r.t.Helper()
	if now := r.due(); len(now) > 0 {
		return now
	}
	tag, err := r.pool.Exec(r.t.Context(), `
		WITH r AS (UPDATE runs SET due_at = now() WHERE state = 'runnable' AND due_at > now() RETURNING id),
			p AS (UPDATE pages SET due_at = now() WHERE state = 'runnable' AND due_at > now() RETURNING id),
			e AS (UPDATE entity_reads SET due_at = now() WHERE state = 'runnable' AND due_at > now() RETURNING id)
		SELECT FROM r UNION ALL SELECT FROM p UNION ALL SELECT FROM e`)
	if err != nil {
		r.t.Fatal(err)
	}
	if tag.RowsAffected() == 0 {
		return nil
	}
	return r.due()
}

// due gives the tasks of rows that may run now, as Redis would be told of them.
func (r *rig) due() []store.Task {
	r.t.Helper()
	var all []store.Task
	for _, table := range []string{"runs", "pages", "entity_reads"} {
		batch, err := r.DB.SweepBatch(r.t.Context(), table, 0, 100)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, row := range batch {
			all = append(all, row.Task)
		}
	}
	return all
}

// work runs tasks until none is due; waits with a time are over at once.
func (r *rig) work() {
	r.t.Helper()
	for range 2000 {
		due := r.next()
		if len(due) == 0 {
			return
		}
		for _, task := range due {
			r.step(task)
		}
	}
	r.t.Fatal("the work has no end")
}

// step does one task as the door does.
func (r *rig) step(task store.Task) {
	r.t.Helper()
	if l, ok := r.take(task); ok {
		r.settle(l, r.handle(l))
	}
}

func (r *rig) take(task store.Task) (store.Lease, bool) {
	r.t.Helper()
	l, taken, err := r.DB.Take(r.t.Context(), task, leaseFor)
	if err != nil {
		r.t.Fatal(err)
	}
	return l, taken == store.TakenOurs
}

func (r *rig) handle(l store.Lease) error {
	var err error
	switch l.Kind {
	case store.KindImportStart:
		_, err = r.Start(r.t.Context(), l)
	case store.KindImportPage:
		_, err = r.Page(r.t.Context(), l)
	case store.KindImportFinish:
		_, err = r.Finish(r.t.Context(), l)
	case store.KindEntityRead:
		_, err = r.Read(r.t.Context(), l)
	}
	return err
}

func (r *rig) settle(l store.Lease, err error) {
	r.t.Helper()
	ctx := r.t.Context()
	wait, waits := errors.AsType[*fault.Wait](err)
	permanent := false
	for _, kind := range []error{fault.ErrGaveUp, fault.Invalid, fault.NotFound, fault.Conflict, fault.Forbidden} {
		permanent = permanent || errors.Is(err, kind)
	}
	var written error
	switch {
	case err == nil:
		written = r.DB.Finish(ctx, l)
	case errors.Is(err, fault.ErrLost):
	case errors.Is(err, fault.ErrHandBack):
		written = r.DB.HandBack(ctx, l)
	case waits:
		written = r.DB.Postpone(ctx, l, wait.Until, wait.For)
	case permanent || l.Attempts >= 4:
		r.dead = append(r.dead, err.Error())
		giveUp := map[string]func(context.Context, store.Lease, string) error{
			store.KindImportStart: r.GiveUpRun, store.KindImportFinish: r.GiveUpRun, store.KindImportPage: r.GiveUpPage,
		}[l.Kind]
		if giveUp == nil {
			giveUp = r.DB.GiveUp
		}
		written = giveUp(ctx, l, err.Error())
	default:
		r.retries++
		written = r.DB.Retry(ctx, l, 0, err.Error())
	}
	if written != nil && !errors.Is(written, fault.ErrLost) {
		r.t.Fatal(written)
	}
}

// last gives the newest run.
func (r *rig) last() store.Run {
	r.t.Helper()
	runs, err := r.DB.Runs(r.t.Context(), r.tenant)
	if err != nil || len(runs) == 0 {
		r.t.Fatalf("read runs: %d, %v", len(runs), err)
	}
	return runs[0]
}

// wantComplete fails unless the newest run is complete.
func (r *rig) wantComplete() store.Run {
	r.t.Helper()
	run := r.last()
	if run.Status != "complete" {
		reason := ""
		if run.Reason != nil {
			reason = *run.Reason
		}
		r.t.Fatalf("the run is %s: %s; dead letters %q", run.Status, reason, r.dead)
	}
	return run
}

// totals gives imported, unchanged and rejected of a resource.
func totals(run store.Run, resource string) [3]int64 {
	for _, s := range run.Streams {
		if s.Resource == resource {
			return [3]int64{s.Imported, s.Unchanged, s.Rejected}
		}
	}
	return [3]int64{-1, -1, -1}
}

// live counts the live records of each list.
func (r *rig) live() map[string]int {
	r.t.Helper()
	counts := map[string]int{}
	for _, resource := range []string{tenantdb.Customers, tenantdb.Products, tenantdb.Orders, tenantdb.Carts} {
		n, err := r.tdb.Counts(r.t.Context(), resource, uuid.Nil)
		if err != nil {
			r.t.Fatal(err)
		}
		counts[resource] = n.Live
	}
	return counts
}

// ids gives the ids that a list of the shop has now.
func (r *rig) ids(resource salla.Resource) []string {
	r.t.Helper()
	client := &salla.Client{BaseURL: r.access.base, Token: r.access.token}
	var ids []string
	for q := (salla.PageQuery{Number: 1, PerPage: 60}); ; q.Number++ {
		page, err := client.Page(r.t.Context(), resource, q)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, raw := range page.Records {
			var doc struct{ ID json.Number }
			if err := json.Unmarshal(raw, &doc); err != nil {
				r.t.Fatal(err)
			}
			ids = append(ids, doc.ID.String())
		}
		if !page.HasNext {
			return ids
		}
		q.Cursor = page.NextCursor
	}
}

// stored gives what is stored of a record, and its row.
func (r *rig) stored(resource, id string) (tenantdb.StoredRecord, map[string]any) {
	r.t.Helper()
	s, err := r.tdb.StoredRecord(r.t.Context(), resource, id)
	if err != nil {
		r.t.Fatal(err)
	}
	var row map[string]any
	if err := json.Unmarshal(s.Row, &row); err != nil {
		r.t.Fatal(err)
	}
	return s, row
}

// wantSame fails unless exactly the shop's records are live.
func (r *rig) wantSame(resource salla.Resource) {
	r.t.Helper()
	ids := r.ids(resource)
	for _, id := range ids {
		if s, _ := r.stored(string(resource), id); s.DeletedAt != nil {
			r.t.Errorf("%s %s is a tombstone", resource, id)
		}
	}
	if n := r.live()[string(resource)]; n != len(ids) {
		r.t.Errorf("%d %s are live, want %d", n, resource, len(ids))
	}
}

// liveEvent is one of the shop's webhooks as it is applied.
func liveEvent(tenant uuid.UUID, e sandbox.Event, received time.Time) (imports.LiveEvent, error) {
	var doc struct {
		Event     string
		CreatedAt string `json:"created_at"`
		Data      json.RawMessage
	}
	if err := json.Unmarshal(e.Body, &doc); err != nil {
		return imports.LiveEvent{}, err
	}
	at, ok := salla.ParseTime(doc.CreatedAt)
	if !ok {
		return imports.LiveEvent{}, fmt.Errorf("the time %q cannot be read", doc.CreatedAt)
	}
	return imports.LiveEvent{
		TenantID: tenant, Name: doc.Event, Payload: doc.Data, OccurredAt: &at, ReceivedAt: received,
	}, nil
}

// event applies one of the shop's webhooks and the reads that it asks for, if now.
func (r *rig) event(e sandbox.Event, now bool) {
	r.t.Helper()
	received, err := r.DB.Clock(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	ev, err := liveEvent(r.tenant, e, received)
	if err != nil {
		r.t.Fatal(err)
	}
	wants, err := r.ApplyEvent(r.t.Context(), ev)
	if err != nil {
		r.t.Fatalf("apply %s: %v", ev.Name, err)
	}
	if _, err := r.DB.WantReads(r.t.Context(), r.tenant, wants); err != nil {
		r.t.Fatal(err)
	}
	if now {
		r.work()
	}
}

func (r *rig) events(c sandbox.Change, err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range c.Events {
		r.event(e, false)
	}
	r.work()
}

func number(t *testing.T, id string) int64 {
	t.Helper()
	var n int64
	if _, err := fmt.Sscan(id, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func mustUUID(t *testing.T, s string) uuid.UUID {
	t.Helper()
	id, err := uuid.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
