package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/vault"
)

// fleet is Wosool as it runs: our programs, built here, and the sandbox outside.
type fleet struct {
	pool    *pgxpool.Pool // of the control database
	folder  string        // of the programs and their logs
	env     []string
	sandbox *sandbox.Server
	world   *httptest.Server
	workers map[int]*program
	api     *program
	base    string // of the api
}

// program is one process of the fleet.
type program struct {
	cmd  *exec.Cmd
	said bytes.Buffer
	done chan struct{}
}

// withFleet brings the fleet up on a control database of its own, has do use it and
// removes it all. rate is the sandbox's limits: off or documented.
func withFleet(ctx context.Context, rate string, do func(*fleet) error) (err error) {
	pool, drop, err := controlDatabase(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, drop()) }()
	f, err := newFleet(ctx, pool, rate)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.close(context.WithoutCancel(ctx))) }()
	return do(f)
}

// newFleet builds the programs, migrates the control database, and starts the sandbox
// and the api. The settings are those of production.
func newFleet(ctx context.Context, pool *pgxpool.Pool, rate string) (*fleet, error) {
	folder, err := os.MkdirTemp("", "wosool-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a folder: %w", err)
	}
	f := &fleet{pool: pool, folder: folder, workers: map[int]*program{}}
	if out, err := exec.CommandContext(ctx, "go", "build", "-o", folder, "./cmd/...").CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the programs: %w: %s", err, out)
	}
	keyset, err := vault.NewKeyset()
	if err != nil {
		return nil, err
	}
	const publicURL = "https://wosool.example"
	addr, err := freeAddr(ctx)
	if err != nil {
		return nil, err
	}
	f.base = "http://" + addr
	cfg := sandbox.Config{
		Seed: 1, PublicURL: publicURL, DeliverTo: f.base, ClientID: "bench", ClientSecret: "bench-client-secret",
		WebhookSecret: "bench-webhook-secret", ClerkKey: "sk_test_bench", ClerkWebhookSecret: "whsec_YmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gtYmVuY2gt",
		Rate: rate, RetryEvery: 15 * time.Second, Log: slog.New(slog.DiscardHandler),
	}
	f.sandbox = sandbox.New(cfg)
	f.world = httptest.NewServer(f.sandbox.Handler())
	f.env = append(os.Environ(), "DATABASE_URL="+pool.Config().ConnString(), "PUBLIC_URL="+publicURL, "SECRET_KEYSET="+keyset,
		"SALLA_CLIENT_ID="+cfg.ClientID, "SALLA_CLIENT_SECRET="+cfg.ClientSecret, "SALLA_WEBHOOK_SECRET="+cfg.WebhookSecret,
		"SALLA_API_URL="+f.sandbox.SallaURL(f.world.URL), "SALLA_ACCOUNTS_URL="+f.sandbox.AccountsURL(f.world.URL),
		"CLERK_SECRET_KEY="+cfg.ClerkKey, "CLERK_WEBHOOK_SECRET="+cfg.ClerkWebhookSecret, "CLERK_ISSUER="+f.sandbox.Issuer(),
		"CLERK_API_URL="+f.sandbox.ClerkURL(f.world.URL), "SPOOL_DIR="+filepath.Join(folder, "spool"))
	migrate := exec.CommandContext(ctx, filepath.Join(folder, "wosool"), "migrate")
	migrate.Env = f.env
	if out, err := migrate.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("wosool migrate: %w: %s", err, out)
	}
	if f.api, err = f.start("api", "HTTP_ADDR="+addr); err != nil {
		return nil, err
	}
	return f, f.ready(ctx)
}

// start runs a program until it is killed.
func (f *fleet) start(name string, env ...string) (*program, error) {
	p := &program{cmd: exec.Command(filepath.Join(f.folder, name)), done: make(chan struct{})} //nolint:noctx // kill ends it
	p.cmd.Env = append(append([]string{}, f.env...), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.said, &p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// startWorker starts the worker of that number.
func (f *fleet) startWorker(number int) error {
	p, err := f.start("worker", "HTTP_ADDR=127.0.0.1:0")
	f.workers[number] = p
	return err
}

// kill ends a worker without a word.
func (f *fleet) kill(number int) {
	f.workers[number].end()
	delete(f.workers, number)
}

func (p *program) end() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// ready waits until the api answers.
func (f *fleet) ready(ctx context.Context) error {
	for begun := time.Now(); time.Since(begun) < time.Minute; {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, f.base+"/readyz", nil)
		if err != nil {
			return fmt.Errorf("ask the api: %w", err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-f.api.done:
			return fmt.Errorf("the api ended: %s", f.api.said.String())
		default:
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
	return errors.New("the api is not ready after a minute")
}

// install installs the app in that many new stores without history.
func (f *fleet) install(ctx context.Context, first, count int) error {
	for merchant := int64(first); merchant < int64(first+count); merchant++ {
		f.sandbox.AddStore(sandbox.StoreSpec{
			Merchant: merchant, Name: fmt.Sprintf("Bench %d", merchant), Email: fmt.Sprintf("owner%d@shop.example", merchant),
			Plan: "pro", Currency: "SAR",
		})
		if err := f.sandbox.Install(ctx, merchant); err != nil {
			return fmt.Errorf("install a store: %w", err)
		}
	}
	return nil
}

// close ends the processes and removes what they made.
func (f *fleet) close(ctx context.Context) error {
	f.sandbox.Close()
	for _, p := range f.workers {
		p.end()
	}
	f.api.end()
	f.world.Close()
	rows, err := f.pool.Query(ctx, `SELECT database_name, database_role FROM tenants WHERE database_name IS NOT NULL`)
	if err != nil {
		return fmt.Errorf("list the tenants' databases: %w", err)
	}
	type made struct{ Database, Role string }
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[made])
	if err != nil {
		return fmt.Errorf("list the tenants' databases: %w", err)
	}
	address := os.Getenv("DATABASE_URL")
	for _, m := range all {
		err = errors.Join(err,
			onServer(ctx, address, `DROP DATABASE IF EXISTS `+pgx.Identifier{m.Database}.Sanitize()+` WITH (FORCE)`),
			onServer(ctx, address, `DROP ROLE IF EXISTS `+pgx.Identifier{m.Role}.Sanitize()))
	}
	return errors.Join(err, os.RemoveAll(f.folder))
}

// freeAddr asks the kernel for a port on loopback that nobody uses now.
func freeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return l.Addr().String(), l.Close()
}
