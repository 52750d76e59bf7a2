// Package systemtest walks the whole way with real processes: one api, several
// workers, PostgreSQL, Redis, and the sandbox as the outside world. What it sees
// it sees as an operator would: by the API, the command line, and psql.
package systemtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
)

// bin is where TestMain built the programs.
var bin string //nolint:gochecknoglobals // set once, before any test runs

// raceDetector names the setting that has the programs built with the race detector:
// make faults and make soak set it. Their packages' own tests always have it; whole
// systems are several times slower with it.
const raceDetector = "RACE_PROGRAMS"

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "wosool-system-")
	if err == nil {
		bin = folder
		race := os.Getenv(raceDetector) != ""
		build := exec.Command("go", "build", fmt.Sprintf("-race=%t", race), "-tags", tags(), "-o", folder, "../../cmd/...") //nolint:noctx // go test ends it
		if !race {
			build.Env = append(os.Environ(), "CGO_ENABLED=0") // as the image builds them
		}
		build.Stderr = os.Stderr
		err = build.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "build the programs:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// tags are the build tags of this test: the programs get the same.
func tags() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "-tags" {
				return s.Value
			}
		}
	}
	return ""
}

// The secrets of a test's system: none may ever be found in the clear.
const (
	clientSecret  = "client-secret-5b1f0c2a7d9e4b63"
	webhookSecret = "webhook-secret-0d4c8e1f6a2b5937"
	clerkKey      = "sk_test_3f9a1c7e5d2b8046f1a9c3e7"
	clerkHook     = "whsec_c3lzdGVtLXRlc3Qtc2VjcmV0LXN5c3RlbS10ZXN0"
	apiKey        = "operator-key-2e7b9d4f6a1c8350"
)

const publicURL = "https://wosool.example"

// system is one whole Wosool.
type system struct {
	t       *testing.T
	pool    *pgxpool.Pool // the control database
	sandbox *sandbox.Server
	tenants string // admin URL of the server that holds the tenants' databases
	base    string // of the api
	redis   string // URL of the Redis itself
	control string // URL of the control database itself
	env     []string

	mu        sync.Mutex
	processes map[string]*process
	logs      map[string]*logged
}

// logged keeps what a process writes while it is read.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type process struct {
	cmd  *exec.Cmd
	done chan struct{}
}

type options struct {
	databaseURL string // default: a database of the test's own
	redisURL    string // default: a Redis of the test's own
	tenantsURL  string // how the processes reach the tenants' databases; default: directly
	stores      []sandbox.StoreSpec
	workers     int
	rate        string
	env         []string
}

// newSystem migrates, and starts the sandbox, one api and the workers.
func newSystem(t *testing.T, o options) *system {
	t.Helper()
	s := &system{t: t, processes: map[string]*process{}, logs: map[string]*logged{}}
	s.tenants = dbtest.AdminURL(t)
	if o.databaseURL == "" {
		s.pool, o.databaseURL = dbtest.ControlURL(t)
	} else {
		pool, err := pgxpool.New(t.Context(), o.databaseURL)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(pool.Close)
		s.pool, s.tenants = pool, o.databaseURL
	}
	if o.tenantsURL != "" {
		s.tenants = o.tenantsURL
	}
	if o.redisURL == "" {
		o.redisURL = dbtest.Redis(t)
	}
	s.redis, s.control = o.redisURL, o.databaseURL
	keyset, err := vault.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	addr := freeAddr(t)
	s.base = "http://" + addr
	s.sandbox = sandbox.New(sandbox.Config{
		Seed: 11, PublicURL: publicURL, DeliverTo: s.base, ClientID: "client", ClientSecret: clientSecret,
		WebhookSecret: webhookSecret, ClerkKey: clerkKey, ClerkWebhookSecret: clerkHook,
		Rate: o.rate, RetryEvery: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	world := httptest.NewServer(s.sandbox.Handler())
	t.Cleanup(func() {
		s.sandbox.Close()
		world.Close()
	})
	for _, spec := range o.stores {
		s.sandbox.AddStore(spec)
	}
	s.env = append(os.Environ(),
		"DATABASE_URL="+o.databaseURL, "TENANT_DATABASE_URLS="+s.tenants, "REDIS_URL="+o.redisURL,
		"PUBLIC_URL="+publicURL, "SECRET_KEYSET="+keyset,
		"SALLA_CLIENT_ID=client", "SALLA_CLIENT_SECRET="+clientSecret, "SALLA_WEBHOOK_SECRET="+webhookSecret,
		"SALLA_API_URL="+s.sandbox.SallaURL(world.URL), "SALLA_ACCOUNTS_URL="+s.sandbox.AccountsURL(world.URL),
		"CLERK_SECRET_KEY="+clerkKey, "CLERK_WEBHOOK_SECRET="+clerkHook, "CLERK_ISSUER="+s.sandbox.Issuer(),
		"CLERK_API_URL="+s.sandbox.ClerkURL(world.URL), "ADMIN_API_KEY="+apiKey, "LOG_LEVEL=info",
		// A tenth of production, as the fault tests have it.
		"LEASE_DURATION=1500ms", "LEASE_RENEW_INTERVAL=500ms", "SWEEP_INTERVAL=500ms", "UNLEASED_AFTER=3s",
		"LEADER_LEASE=1s", "LEADER_RENEW_INTERVAL=300ms", "SCHEDULE_INTERVAL=3s", "SHUTDOWN_GRACE=5s",
		"CIRCUIT_PAUSE=500ms", "CIRCUIT_MAX_PAUSE=12s", "CIRCUIT_MAX_RETRY_AFTER=90s",
		"TASK_CHECK_INTERVAL=100ms", "DELAYED_CHECK_INTERVAL=200ms", "SPOOL_DIR="+filepath.Join(t.TempDir(), "spool"))
	s.env = append(s.env, o.env...)
	t.Cleanup(s.cleanup)
	if out, code := s.wosool("migrate"); code != 0 {
		t.Fatalf("wosool migrate: %d: %s", code, out)
	}
	s.startAPI()
	for i := range o.workers {
		s.startWorker(fmt.Sprintf("worker-%d", i+1))
	}
	s.awaitAPI()
	return s
}

// startAPI starts the api where it was before, with settings that replace others.
func (s *system) startAPI(env ...string) {
	s.t.Helper()
	s.start("api", "api", append([]string{"HTTP_ADDR=" + strings.TrimPrefix(s.base, "http://")}, env...)...)
}

// awaitAPI waits until the api answers.
func (s *system) awaitAPI() {
	s.t.Helper()
	dbtest.Eventually(s.t, 30*time.Second, "the api answers", func() bool {
		code, _ := s.get("/healthz")
		return code == http.StatusOK
	})
}

func (s *system) startWorker(name string) {
	s.t.Helper()
	s.start(name, "worker", "HTTP_ADDR=127.0.0.1:0")
}

// cleanup ends the processes and drops the tenants' databases.
func (s *system) cleanup() {
	s.mu.Lock()
	names := make([]string, 0, len(s.processes))
	for name := range s.processes {
		names = append(names, name)
	}
	s.mu.Unlock()
	for _, name := range names {
		s.signal(name, syscall.SIGTERM)
	}
	if s.t.Failed() {
		for name, log := range s.logs {
			s.t.Logf("--- %s\n%s", name, tail(log.String(), 60))
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	rows, err := s.pool.Query(ctx, `SELECT database_name, database_role FROM tenants WHERE database_name IS NOT NULL`)
	if err != nil {
		return // its own PostgreSQL is down, and gone with the test
	}
	type made struct{ Database, Role string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[made])
	if err != nil {
		return
	}
	for _, m := range all {
		dbtest.Cleanup(s.t, []string{m.Database}, []string{m.Role})
	}
}

func tail(text string, lines int) string {
	all := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed at once
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs a program until the test ends or signal is called.
func (s *system) start(name, program string, env ...string) {
	s.t.Helper()
	cmd := exec.Command(filepath.Join(bin, program)) //nolint:noctx // signal ends it
	cmd.Env = append(append([]string{}, s.env...), env...)
	s.mu.Lock()
	log := s.logs[name]
	if log == nil {
		log = &logged{} // one of a name goes on with the log of the one before
		s.logs[name] = log
	}
	s.mu.Unlock()
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	p := &process{cmd: cmd, done: make(chan struct{})}
	go func() {
		_ = cmd.Wait()
		close(p.done)
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.processes[name] = p
}

// signal ends a process and waits for it.
func (s *system) signal(name string, sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	p := s.processes[name]
	delete(s.processes, name)
	s.mu.Unlock()
	_ = p.cmd.Process.Signal(sig)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		s.t.Errorf("%s did not end within 20 s of %s", name, sig)
	}
}

// wosool runs the command line.
func (s *system) wosool(args ...string) (out string, code int) {
	s.t.Helper()
	cmd := exec.CommandContext(s.t.Context(), filepath.Join(bin, "wosool"), args...)
	cmd.Env = s.env
	raw, err := cmd.CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(raw), exit.ExitCode()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw), 0
}

func (s *system) get(path string) (int, []byte) { return s.call(http.MethodGet, path, "") }

// call makes one request to the api, with the operator's key.
func (s *system) call(method, path, body string) (int, []byte) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+apiKey)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil
	}
	return resp.StatusCode, raw
}

// tenantView is what the tests read of the operator API's tenant.
type tenantView struct {
	ID          string  `json:"id"`
	Status      string  `json:"status"`
	SuspendedBy *string `json:"suspended_by"`
	Connection  *struct {
		State string `json:"state"`
	} `json:"connection"`
	Clerk struct {
		Organization *string `json:"organization_id"`
		Owner        *string `json:"owner"`
	} `json:"clerk"`
	Database *struct {
		Server string `json:"server"`
		Name   string `json:"name"`
	} `json:"database"`
	Steps []struct {
		Name   string  `json:"name"`
		Status string  `json:"status"`
		Error  *string `json:"error"`
	} `json:"steps"`
	Imports []struct {
		Kind    string  `json:"kind"`
		Status  string  `json:"status"`
		Reason  *string `json:"reason"`
		Streams []struct {
			Resource                      string
			Status                        string
			Imported, Unchanged, Rejected int
		} `json:"streams"`
	} `json:"imports"`
}

// tenant returns the tenant of a merchant; ok is false while there is none.
func (s *system) tenant(merchant int64) (t tenantView, ok bool) {
	s.t.Helper()
	code, raw := s.get(fmt.Sprintf("/api/admin/v1/tenants?merchant=%d", merchant))
	var list struct {
		Data []tenantView `json:"data"`
	}
	if code != http.StatusOK || json.Unmarshal(raw, &list) != nil || len(list.Data) != 1 {
		return t, false
	}
	code, raw = s.get("/api/admin/v1/tenants/" + list.Data[0].ID)
	return t, code == http.StatusOK && json.Unmarshal(raw, &t) == nil
}

// install installs the app in a store, as a merchant would.
func (s *system) install(merchant int64) {
	s.t.Helper()
	if err := s.sandbox.Install(s.t.Context(), merchant); err != nil {
		s.t.Fatalf("install: %v", err)
	}
}

// holds tells whether a query of the control database gives a row. It is what
// waiting asks first: the api has better things to do.
func (s *system) holds(query string, args ...any) bool {
	s.t.Helper()
	var there bool
	err := s.pool.QueryRow(s.t.Context(), `SELECT EXISTS (`+query+`)`, args...).Scan(&there)
	return err == nil && there // PostgreSQL may be away
}

// awaitStatus waits until the merchant's tenant has a status.
func (s *system) awaitStatus(merchant int64, status string) tenantView {
	s.t.Helper()
	var last tenantView
	dbtest.Eventually(s.t, 60*time.Second, fmt.Sprintf("the tenant is %s", status), func() bool {
		if !s.holds(`SELECT FROM tenants WHERE merchant = $1 AND status = $2`, merchant, status) {
			return false
		}
		t, ok := s.tenant(merchant)
		last = t
		return ok && t.Status == status
	})
	return last
}

// awaitRun waits until the first import, details and all, is over.
func (s *system) awaitRun(merchant int64, within time.Duration) tenantView {
	s.t.Helper()
	var last tenantView
	dbtest.Eventually(s.t, within, "the import is over", func() bool {
		if !s.holds(`
			SELECT FROM runs AS r JOIN tenants AS t ON t.id = r.tenant_id
			WHERE t.merchant = $1 AND r.status IN ('complete', 'incomplete', 'failed', 'cancelled')`, merchant) {
			return false
		}
		t, ok := s.tenant(merchant)
		last = t
		if !ok || len(t.Imports) == 0 {
			return false
		}
		switch t.Imports[len(t.Imports)-1].Status {
		case "complete", "incomplete", "failed", "cancelled":
			return true
		}
		return false
	})
	return last
}

// counts are the live rows in the tenant's database.
func (s *system) counts(t tenantView) map[string]int {
	s.t.Helper()
	if t.Database == nil {
		s.t.Fatal("the tenant has no database")
	}
	servers, err := tenantdb.NewServers(s.t.Context(), []string{s.tenants}, slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	live, err := servers.LiveCounts(s.t.Context(), t.Database.Server, t.Database.Name)
	if err != nil {
		s.t.Fatal(err)
	}
	return live
}

// equal fails unless every count is the source's and the run says complete.
func (s *system) equal(merchant int64, t tenantView) {
	s.t.Helper()
	c := s.sandbox.Source(merchant)
	live := s.counts(t)
	want := map[string]int{"customers": c.Customers, "products": c.Products, "orders": c.Orders, "carts": c.Carts}
	for resource, n := range want {
		if live[resource] != n {
			s.t.Errorf("%s: %d live rows, the source has %d", resource, live[resource], n)
		}
	}
	run := t.Imports[len(t.Imports)-1]
	if run.Status != "complete" {
		reason := ""
		if run.Reason != nil {
			reason = *run.Reason
		}
		s.t.Errorf("the import is %s (%s), want complete", run.Status, reason)
	}
}
