package deploytest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// The services of the compose file as processes: one api, its three workers, the
// roles of a new volume. While stores are imported one worker is stopped and one
// is killed; every store ends equal to its source, and alone in its database.
func TestTopology(t *testing.T) {
	t.Parallel()
	merchants := []int64{81001, 81002, 81003}
	y := newTopology(t, merchants)
	replicas := y.file.Services["worker"].Deploy.Replicas
	if replicas < 3 {
		t.Fatalf("the compose file has %d workers, this test is about three", replicas)
	}
	if _, err := y.sandbox.Fault(sandbox.FaultRule{System: "salla", Effect: sandbox.EffectLatency, Latency: 40 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, m := range merchants {
		if err := y.sandbox.Install(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}

	y.awaitCalls(60)
	y.end("worker-1", syscall.SIGTERM)
	y.awaitCalls(30)
	y.end("worker-2", syscall.SIGKILL)
	y.awaitCalls(10)
	y.sandbox.ClearFaults()

	for _, m := range merchants {
		y.equal(m)
	}
	y.isolated(len(merchants))
	y.workers(map[string]int{store.WorkerRunning: replicas - 2, store.WorkerStopped: 1, store.WorkerLost: 1})
	y.end("api", syscall.SIGTERM)
	y.end("worker-3", syscall.SIGTERM)
}

type topology struct {
	servers
	t       *testing.T
	file    composeFile
	base    string // of the api
	key     string
	sandbox *sandbox.Server
	running map[string]*running
}

type running struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error
	log  *log
}

func newTopology(t *testing.T, merchants []int64) *topology {
	t.Helper()
	env := complete()
	env["SECRET_KEYSET"] = newKeyset(t)
	y := &topology{t: t, key: env["ADMIN_API_KEY"], running: map[string]*running{}}
	addr := freeAddr(t)
	y.base = "http://" + addr
	y.sandbox = sandbox.New(sandbox.Config{
		Seed: 5, PublicURL: env["PUBLIC_URL"], DeliverTo: y.base, ClientID: env["SALLA_CLIENT_ID"], ClientSecret: env["SALLA_CLIENT_SECRET"],
		WebhookSecret: env["SALLA_WEBHOOK_SECRET"], ClerkKey: env["CLERK_SECRET_KEY"], ClerkWebhookSecret: env["CLERK_WEBHOOK_SECRET"],
		RetryEvery: 2 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	world := httptest.NewServer(y.sandbox.Handler())
	t.Cleanup(func() {
		y.sandbox.Close()
		world.Close()
	})
	for _, m := range merchants {
		y.sandbox.AddStore(sandbox.StoreSpec{
			Merchant: m, Name: fmt.Sprintf("متجر %d", m), Email: fmt.Sprintf("owner%d@shop.example", m), Plan: "pro", Currency: "SAR",
			Products: 60, Orders: 240, Customers: 120, Carts: 8,
		})
	}
	env["SALLA_API_URL"], env["SALLA_ACCOUNTS_URL"] = y.sandbox.SallaURL(world.URL), y.sandbox.AccountsURL(world.URL)
	env["CLERK_API_URL"], env["CLERK_JWKS_URL"] = y.sandbox.ClerkURL(world.URL), y.sandbox.JWKSURL(world.URL)
	env["CLERK_ISSUER"] = y.sandbox.Issuer()
	y.file = compose(t, env)
	y.file.Services["api"].Environment["SPOOL_DIR"] = filepath.Join(t.TempDir(), "spool")
	y.servers = newServers(t, env)

	t.Cleanup(y.stop)
	migrate := exec.CommandContext(t.Context(), y.program("migrate"), y.file.Services["migrate"].Entrypoint[1:]...)
	migrate.Env = y.environment(y.file, "migrate")
	if out, err := migrate.CombinedOutput(); err != nil {
		t.Fatalf("migrate: %v: %s", err, out)
	}
	y.start("api", "api", addr)
	for i := range y.file.Services["worker"].Deploy.Replicas {
		y.start(fmt.Sprintf("worker-%d", i+1), "worker", freeAddr(t))
	}
	return y
}

// program is what a service runs.
func (y *topology) program(service string) string {
	return filepath.Join(image, "build", filepath.Base(y.file.Services[service].Entrypoint[0]))
}

// start runs a service and waits until its own health check says that it lives.
func (y *topology) start(name, service, addr string) {
	y.t.Helper()
	env := append(y.environment(y.file, service), "HTTP_ADDR="+addr,
		// A tenth of production, as the fault tests have it.
		"LEASE_DURATION=1500ms", "LEASE_RENEW_INTERVAL=500ms", "SWEEP_INTERVAL=500ms", "UNLEASED_AFTER=3s",
		"LEADER_LEASE=1s", "LEADER_RENEW_INTERVAL=300ms", "SCHEDULE_INTERVAL=3s",
		"TASK_CHECK_INTERVAL=100ms", "DELAYED_CHECK_INTERVAL=200ms")
	r := &running{cmd: exec.Command(y.program(service)), done: make(chan struct{}), log: &log{}} //nolint:noctx // end ends it
	r.cmd.Env, r.cmd.Stdout, r.cmd.Stderr = env, r.log, r.log
	r.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.cmd.Start(); err != nil {
		y.t.Fatal(err)
	}
	go func() {
		r.err = r.cmd.Wait()
		close(r.done)
	}()
	y.running[name] = r
	probe := y.file.Services[service].Healthcheck.Test
	dbtest.Eventually(y.t, 40*time.Second, name+" is healthy", func() bool {
		cmd := exec.CommandContext(y.t.Context(), filepath.Join(image, "build", filepath.Base(probe[1])), probe[2:]...)
		cmd.Env = env
		return cmd.Run() == nil
	})
}

// end sends a signal and waits; who is told to stop ends well, within the grace
// that the compose file gives.
func (y *topology) end(name string, signal syscall.Signal) {
	y.t.Helper()
	r := y.running[name]
	delete(y.running, name)
	service, _, _ := strings.Cut(name, "-")
	grace, err := time.ParseDuration(y.file.Services[service].StopGrace)
	if err != nil {
		y.t.Fatal(err)
	}
	_ = r.cmd.Process.Signal(signal)
	select {
	case <-r.done:
	case <-time.After(grace):
		_ = r.cmd.Process.Kill()
		y.t.Errorf("%s did not end within %s of %s", name, grace, signal)
	}
	if signal == syscall.SIGTERM && r.err != nil {
		y.t.Errorf("%s ended with %v: %s", name, r.err, r.log)
	}
}

// stop ends what still runs, and shows why a test failed.
func (y *topology) stop() {
	for name, r := range y.running {
		_ = r.cmd.Process.Kill()
		<-r.done
		if y.t.Failed() {
			lines := strings.Split(strings.TrimSpace(r.log.String()), "\n")
			y.t.Logf("--- %s\n%s", name, strings.Join(lines[max(0, len(lines)-40):], "\n"))
		}
	}
}

// awaitCalls waits until Salla was called so many times more.
func (y *topology) awaitCalls(more int) {
	y.t.Helper()
	calls := func() (n int) {
		for _, statuses := range y.sandbox.Stats().Calls {
			for _, c := range statuses {
				n += c
			}
		}
		return n
	}
	from := calls()
	dbtest.Eventually(y.t, 40*time.Second, "the imports go on", func() bool { return calls() >= from+more })
}

type tenantView struct {
	ID       string `json:"id"`
	Status   string `json:"status"`
	Database *struct {
		Server string `json:"server"`
		Name   string `json:"name"`
	} `json:"database"`
	Imports []struct {
		Status string  `json:"status"`
		Reason *string `json:"reason"`
	} `json:"imports"`
}

// equal waits until a store's import is over and fails unless it is complete and
// every record of the store is there.
func (y *topology) equal(merchant int64) {
	y.t.Helper()
	var v tenantView
	dbtest.Eventually(y.t, 120*time.Second, fmt.Sprintf("the import of %d is over", merchant), func() bool {
		var list struct{ Data []tenantView }
		if y.get(fmt.Sprintf("/tenants?merchant=%d", merchant), &list) != nil || len(list.Data) != 1 {
			return false
		}
		if y.get("/tenants/"+list.Data[0].ID, &v) != nil || v.Status != "ready" || len(v.Imports) == 0 {
			return false
		}
		status := v.Imports[len(v.Imports)-1].Status
		return status == "complete" || status == "incomplete" || status == "failed"
	})
	if run := v.Imports[len(v.Imports)-1]; run.Status != "complete" || v.Database == nil {
		y.t.Fatalf("the import of %d is %+v", merchant, run)
	}
	admin := ""
	for _, pair := range y.environment(y.file, "worker") {
		if value, ok := strings.CutPrefix(pair, "TENANT_DATABASE_URLS="); ok {
			admin = value
		}
	}
	all, err := tenantdb.NewServers(y.t.Context(), []string{admin}, slog.New(slog.DiscardHandler))
	if err != nil {
		y.t.Fatal(err)
	}
	live, err := all.LiveCounts(y.t.Context(), v.Database.Server, v.Database.Name)
	if err != nil {
		y.t.Fatal(err)
	}
	source := y.sandbox.Source(merchant)
	for resource, want := range map[string]int{
		"customers": source.Customers, "products": source.Products, "orders": source.Orders, "carts": source.Carts,
	} {
		if live[resource] != want {
			y.t.Errorf("store %d: %d %s, its source has %d", merchant, live[resource], resource, want)
		}
	}
}

// get reads from the operator API.
func (y *topology) get(path string, into any) error {
	ctx, cancel := context.WithTimeout(y.t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, y.base+"/api/admin/v1"+path, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+y.key)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return errors.Join(err, fmt.Errorf("status %d", resp.StatusCode))
	}
	return json.Unmarshal(raw, into)
}

// workers waits until the console would show so many processes in each state:
// the one that was stopped says so, the one that was killed is missed.
func (y *topology) workers(want map[string]int) {
	y.t.Helper()
	pool, err := pgxpool.New(y.t.Context(), strings.Replace(y.superuser, "/postgres?", "/wosool?", 1))
	if err != nil {
		y.t.Fatal(err)
	}
	defer pool.Close()
	got := map[string]int{}
	dbtest.Eventually(y.t, 2*store.WorkerLostAfter, "the workers' states are true", func() bool {
		list, err := store.New(pool).Workers(y.t.Context())
		clear(got)
		for _, w := range list {
			got[w.State]++
		}
		return err == nil && maps.Equal(got, want)
	})
}

// isolated fails where a tenant's role reaches anything but its own database.
func (y *topology) isolated(want int) {
	y.t.Helper()
	super, err := pgx.Connect(y.t.Context(), strings.Replace(y.superuser, "/postgres?", "/wosool?", 1))
	if err != nil {
		y.t.Fatal(err)
	}
	defer func() { _ = super.Close(context.WithoutCancel(y.t.Context())) }()
	rows, err := super.Query(y.t.Context(), `SELECT database_name, database_role FROM tenants ORDER BY id`)
	if err != nil {
		y.t.Fatal(err)
	}
	type made struct{ Database, Role string }
	tenants, err := pgx.CollectRows(rows, pgx.RowToStructByPos[made])
	if err != nil || len(tenants) != want {
		y.t.Fatalf("%d tenants, want %d: %v", len(tenants), want, err)
	}
	for _, own := range tenants {
		c, err := y.connect(y.t.Context(), own.Role, own.Database)
		if err != nil {
			y.t.Errorf("a tenant's role can't reach its own database: %v", err)
			continue
		}
		_ = c.Close(y.t.Context())
		foreign := []string{"wosool", "postgres", "template1"}
		for _, other := range tenants {
			if other != own {
				foreign = append(foreign, other.Database)
			}
		}
		y.refused(y.t, own.Role, foreign...)
	}
}

// log keeps what a process writes.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
