package provision

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenant"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
)

const (
	publicURL = "https://wosool.example"
	secret    = "the secret of the webhooks"
	clerkKey  = "sk_test_provision"
)

// world is everything that provisioning touches, for one test.
type world struct {
	t       *testing.T
	pool    *pgxpool.Pool
	db      *store.DB
	sandbox *sandbox.Server
	servers *tenantdb.Servers
	access  *testAccess
	wire    *wire
	p       *Provisioner
}

func newWorld(t *testing.T) *world {
	t.Helper()
	pool := dbtest.Control(t)
	servers, err := tenantdb.NewServers(t.Context(), []string{dbtest.AdminURL(t)}, dbtest.Log(t))
	if err != nil {
		t.Fatal(err)
	}
	box := sandbox.New(sandbox.Config{Seed: 1, PublicURL: publicURL, ClerkKey: clerkKey, WebhookSecret: secret})
	t.Cleanup(box.Close)
	server := httptest.NewServer(box.Handler())
	t.Cleanup(server.Close)
	encoded, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := vault.OpenKeys(encoded)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, pool: pool, db: store.New(pool), sandbox: box, servers: servers, wire: &wire{}}
	pools := tenantdb.NewPools(servers, 8, dbtest.Log(t))
	t.Cleanup(pools.Close)
	client := &http.Client{Transport: w.wire, Timeout: 10 * time.Second}
	w.access = &testAccess{db: w.db, keys: keys, pools: pools, base: box.SallaURL(server.URL), http: client, tokens: map[uuid.UUID]string{}}
	w.p = &Provisioner{
		DB: w.db, Access: w.access, Clerk: &clerk.Client{BaseURL: box.ClerkURL(server.URL), Key: clerkKey, HTTP: client},
		Servers: servers, Keys: keys, Log: dbtest.Log(t),
		PublicURL: publicURL, Strategy: "signature", Secret: secret, Settle: time.Nanosecond,
	}
	return w
}

// testAccess reaches Salla with the tokens that the sandbox has granted.
type testAccess struct {
	db    *store.DB
	keys  *vault.Keys
	pools *tenantdb.Pools
	base  string
	http  *http.Client

	mu     sync.Mutex
	tokens map[uuid.UUID]string
}

func (a *testAccess) Do(ctx context.Context, id uuid.UUID, _ int64, class budget.Class, fn func(context.Context, *salla.Client) error) error {
	a.mu.Lock()
	token := a.tokens[id]
	a.mu.Unlock()
	if token == "" || class != budget.Provisioning {
		return fault.WaitFor("grant: the store has to install the app again")
	}
	return fn(ctx, &salla.Client{BaseURL: a.base, HTTP: a.http, Token: token})
}

func (a *testAccess) Open(ctx context.Context, id uuid.UUID) (*tenantdb.DB, error) {
	t, err := a.db.Tenant(ctx, id)
	if err != nil {
		return nil, err
	}
	password, err := a.keys.Open(t.DatabasePassword, passwordAD(t))
	if err != nil {
		return nil, err
	}
	return a.pools.Open(ctx, tenantdb.Target{
		Server: *t.DatabaseServer, Database: *t.DatabaseName, Role: *t.DatabaseRole, Password: string(password),
	})
}

// wire is where every call to Salla and Clerk passes. After is called once the
// call was answered, with how many there were so far; an error of its loses the
// reply. It is called by one at a time.
type wire struct {
	mu    sync.Mutex
	calls int
	after func(n int, r *http.Request) error
}

var errReplyLost = errors.New("the reply was lost")

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	w.mu.Lock()
	w.calls++
	defer w.mu.Unlock()
	if w.after != nil && err == nil {
		if lost := w.after(w.calls, r); lost != nil {
			_ = resp.Body.Close()
			return nil, lost
		}
	}
	return resp, err
}

func (w *wire) onCall(after func(n int, r *http.Request) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls, w.after = 0, after
}

// installed adds a store and the tenant that its installation makes, on the way
// to ready, and returns the tenant's task.
func (w *world) installed(spec sandbox.StoreSpec) store.Task {
	w.t.Helper()
	spec.Name = cmp.Or(spec.Name, "Roses")
	w.sandbox.AddStore(spec)
	made, _, err := w.db.CreateTenant(w.t.Context(), tenant.Given{
		Name: tenant.NameOf(spec.Merchant), Slug: tenant.SlugOf(spec.Merchant), OwnerEmail: "x@example.com", Merchant: &spec.Merchant,
	}, store.Actor{Name: "test"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.exec(`UPDATE tenants SET by_hand = false, owner_email = NULL WHERE id = $1`, made.ID)
	w.track(made.ID)
	w.grant(made.ID, spec.Merchant)
	return store.Task{Kind: store.KindTenantProvision, ID: made.ID, Epoch: made.Epoch, Lane: "provisioning"}
}

// track removes the tenant's database at the end.
func (w *world) track(id uuid.UUID) {
	w.t.Helper()
	name := tenantdb.Name(id)
	dbtest.Cleanup(w.t, []string{name}, []string{name})
}

// grant installs the app in a store and keeps the access token of its authorize.
func (w *world) grant(id uuid.UUID, merchant int64) {
	w.t.Helper()
	w.sandboxInstall(id, merchant)
	w.exec(`UPDATE tenants SET installed = true, lifecycle_at = now() WHERE id = $1`, id)
	w.exec(`INSERT INTO connections (id, status) VALUES ($1, 'active') ON CONFLICT (id) DO UPDATE SET status = 'active'`, id)
}

func (w *world) sandboxInstall(id uuid.UUID, merchant int64) {
	w.t.Helper()
	if err := w.sandbox.Install(w.t.Context(), merchant); err != nil {
		w.t.Fatal(err)
	}
	var event struct {
		Data struct {
			Token string `json:"access_token"`
		} `json:"data"`
	}
	for _, d := range w.sandbox.Deliveries() {
		if d.Merchant == merchant && d.Event == "app.store.authorize" {
			if err := json.Unmarshal(d.Body, &event); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.access.mu.Lock()
	w.access.tokens[id] = event.Data.Token
	w.access.mu.Unlock()
}

// event records a life-cycle event of a merchant and ends it as its handler does.
func (w *world) event(name string, merchant int64, end func(store.Lease, store.LifecycleEnd) (bool, []store.Task, error)) []store.Task {
	w.t.Helper()
	id := uuid.Must(uuid.NewV7())
	w.exec(`INSERT INTO events (id, source, event, merchant, lane) VALUES ($1, 'salla', $2, $3, 'provisioning')`, id, name, merchant)
	lease, _, err := w.db.Take(w.t.Context(), store.Task{Kind: store.KindEventApply, ID: id, Epoch: 1}, time.Minute)
	if err != nil {
		w.t.Fatal(err)
	}
	seen, err := w.db.Installation(w.t.Context(), merchant, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	at := time.Now()
	stale, tasks, err := end(lease, store.LifecycleEnd{Merchant: merchant, At: &at, Seen: seen})
	if err != nil || stale {
		w.t.Fatalf("%s: %v, stale: %v", name, err, stale)
	}
	return tasks
}

// of returns the task of a kind.
func (w *world) of(tasks []store.Task, kind string) store.Task {
	w.t.Helper()
	for _, task := range tasks {
		if task.Kind == kind {
			return task
		}
	}
	w.t.Fatalf("no task %s among %v", kind, tasks)
	return store.Task{}
}

// byHand registers a tenant as an operator does.
func (w *world) byHand(slug string, merchant *int64) store.Task {
	w.t.Helper()
	made, tasks, err := w.db.CreateTenant(w.t.Context(), tenant.Given{
		Name: "Given by hand", Slug: slug, OwnerEmail: slug + "@example.com", Merchant: merchant,
	}, store.Actor{Name: "op"})
	if err != nil {
		w.t.Fatal(err)
	}
	w.track(made.ID)
	return tasks[0]
}

// attempt takes a row, runs its handler and answers as the queue's door does. It
// returns the handler's error.
func (w *world) attempt(ctx context.Context, task store.Task) error {
	w.t.Helper()
	handler := map[string]func(context.Context, store.Lease) ([]store.Task, error){
		store.KindTenantProvision: w.p.Run,
		store.KindTenantSuspend:   w.p.Suspend,
		store.KindTenantResume:    w.p.Resume,
		store.KindSchemaBootstrap: w.p.Bootstrap,
	}[task.Kind]
	lease, taken, err := w.db.Take(w.t.Context(), task, time.Minute)
	if err != nil || taken != store.TakenOurs {
		w.t.Fatalf("take %s epoch %d: %v, %v", task.Kind, task.Epoch, taken, err)
	}
	_, failed := handler(ctx, lease)
	wait, waits := errors.AsType[*fault.Wait](failed)
	switch ctx := w.t.Context(); {
	case failed == nil:
		err = w.db.Finish(ctx, lease)
	case errors.Is(failed, fault.ErrLost), errors.Is(failed, context.Canceled):
		// The process is gone, or somebody else has the row: its lease runs out.
		w.exec(`UPDATE tenants SET lease_until = now() - interval '1 s' WHERE id = $1`, task.ID)
	case waits:
		err = w.db.Postpone(ctx, lease, wait.Until, wait.For)
	case errors.Is(failed, fault.ErrHandBack):
		err = w.db.HandBack(ctx, lease)
	case errors.Is(failed, fault.ErrGaveUp), errors.Is(failed, fault.Invalid), errors.Is(failed, fault.NotFound),
		errors.Is(failed, fault.Conflict), errors.Is(failed, fault.Forbidden):
		err = w.p.GiveUp(ctx, lease, failed.Error())
	default:
		err = w.db.Retry(ctx, lease, 0, failed.Error())
	}
	if err != nil && !errors.Is(err, fault.ErrLost) {
		w.t.Fatal(err)
	}
	return failed
}

// untilReady attempts a tenant's provisioning until it is ready.
func (w *world) untilReady(task store.Task) store.Tenant {
	w.t.Helper()
	var err error
	for range 8 {
		if err = w.attempt(w.t.Context(), task); err == nil {
			return w.ready(task.ID)
		}
	}
	w.t.Fatalf("not ready after 8 attempts: %v", err)
	return store.Tenant{}
}

// ready returns the tenant, which must be ready.
func (w *world) ready(id uuid.UUID) store.Tenant {
	w.t.Helper()
	got := w.tenant(id)
	if got.Status != "ready" {
		w.t.Fatalf("the tenant is %s, want ready; steps %v", got.Status, w.steps(id))
	}
	return got
}

func (w *world) tenant(id uuid.UUID) store.Tenant {
	w.t.Helper()
	got, err := w.db.Tenant(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// steps returns "name status" of every step.
func (w *world) steps(id uuid.UUID) []string {
	w.t.Helper()
	var all []string
	for _, s := range w.stepRows(id) {
		all = append(all, s.Name+" "+s.Status)
	}
	return all
}

func (w *world) stepRows(id uuid.UUID) []store.Step {
	w.t.Helper()
	steps, err := w.db.Steps(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return steps
}

// step returns one step's row.
func (w *world) step(id uuid.UUID, name tenant.Step) store.Step {
	w.t.Helper()
	for _, s := range w.stepRows(id) {
		if s.Name == string(name) {
			return s
		}
	}
	w.t.Fatalf("no step %s", name)
	return store.Step{}
}

// whole fails the test unless exactly one of everything was made for the tenant.
func (w *world) whole(got store.Tenant, mark string) {
	w.t.Helper()
	if n := len(w.marked(mark)); n != 1 {
		w.t.Errorf("%d organizations carry the mark %s, want 1", n, mark)
	}
	facts, err := w.servers.Inspect(w.t.Context(), *got.DatabaseServer, *got.DatabaseName, *got.DatabaseRole)
	if err != nil {
		w.t.Fatal(err)
	}
	if p := facts.Problems(); len(p) > 0 || !facts.RoleCanLogin {
		w.t.Errorf("database: %v, may sign in: %v", p, facts.RoleCanLogin)
	}
	if got.Merchant == nil {
		return
	}
	seen := map[string]int{}
	for _, s := range w.sandbox.Subscriptions(*got.Merchant) {
		if s.URL == publicURL+"/webhooks/salla" && s.Strategy == "signature" && s.Secret {
			seen[s.Event]++
		}
	}
	for _, event := range Events() {
		if seen[event] != 1 {
			w.t.Errorf("%s is sent %d times and signed, want once", event, seen[event])
		}
	}
	if n := len(w.sandbox.Subscriptions(*got.Merchant)); n != len(Events()) {
		w.t.Errorf("%d subscriptions, want %d", n, len(Events()))
	}
}

// marked returns the organizations that carry a mark, whatever they are called.
func (w *world) marked(mark string) []clerk.Organization {
	w.t.Helper()
	var found []clerk.Organization
	seen := map[string]bool{}
	for _, part := range []string{"e", "و"} { // some of it is in every name here
		orgs, err := w.p.Clerk.OrganizationsByName(w.t.Context(), part)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, o := range orgs {
			if o.PrivateMetadata.Text(storeID) == mark && !seen[o.ID] {
				seen[o.ID] = true
				found = append(found, o)
			}
		}
	}
	return found
}

// users returns who has an address at Clerk.
func (w *world) users(email string) []clerk.User {
	w.t.Helper()
	found, err := w.p.Clerk.UsersByEmail(w.t.Context(), email)
	if err != nil {
		w.t.Fatal(err)
	}
	return found
}

// members returns "user role" of an organization's members.
func (w *world) members(org string) []string {
	w.t.Helper()
	found, err := w.p.Clerk.Members(w.t.Context(), org)
	if err != nil {
		w.t.Fatal(err)
	}
	var all []string
	for _, m := range found {
		all = append(all, m.User.ID+" "+m.Role)
	}
	return all
}

// read reads a tenant's database as the tenant's own role.
func (w *world) read(id uuid.UUID) error {
	db, err := w.access.Open(w.t.Context(), id)
	if err != nil {
		return err
	}
	_, err = db.VerifySeed(w.t.Context(), tenantdb.Seed{Company: tenantdb.Company{Name: "any"}})
	return err
}

// fault makes calls fail until the returned func is called.
func (w *world) fault(rule sandbox.FaultRule) func() {
	w.t.Helper()
	id, err := w.sandbox.Fault(rule)
	if err != nil {
		w.t.Fatal(err)
	}
	return func() { w.sandbox.ClearFault(id) }
}

// called counts the answered calls of an endpoint.
func (w *world) called(endpoint string) int {
	n := 0
	for name, by := range w.sandbox.Stats().Calls {
		if strings.HasPrefix(name, endpoint) {
			for _, times := range by {
				n += times
			}
		}
	}
	return n
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	if _, err := w.pool.Exec(w.t.Context(), sql, args...); err != nil {
		w.t.Fatal(err)
	}
}
