package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/internal/vault"
)

// publicURL is what the sandbox is told: it delivers to the local address.
const publicURL = "https://wosool.example"

type demoCmd struct {
	Once    bool   `help:"End by itself: 0 only if every store is ready and every count is the sandbox's."`
	JSON    bool   `help:"Print the summary as one line of JSON at the end." name:"json"`
	Rate    string `help:"Rate limits: off (announced, never met) or documented (by plan)." enum:"off,documented" default:"off"`
	Seed    uint64 `help:"Decides every store's documents." default:"7"`
	Workers int    `help:"Worker processes." default:"2"`
	Divide  int    `help:"Divides how much the stores hold: 10 makes a tenth." default:"1"`
}

// stores are the three stores of the demo.
func (c *demoCmd) stores() []sandbox.StoreSpec {
	all := []sandbox.StoreSpec{
		{
			Merchant: 1305146701, Name: "متجر الورد", Email: "owner@ward.example", Plan: "plus", Currency: "SAR",
			Products: 50, Orders: 200, Customers: 80, Carts: 10,
		},
		{
			Merchant: 1305146702, Name: "Nakheel Dates نخيل", Email: "owner@nakheel.example", Plan: "pro", Currency: "SAR",
			Products: 500, Orders: 3000, Customers: 1500, Carts: 100,
		},
		{
			Merchant: 1305146703, Name: "بيت العود", Email: "owner@oud.example", Plan: "special", Currency: "SAR",
			Products: 2000, Orders: 10000, Customers: 6000, Carts: 300,
		},
	}
	by := max(c.Divide, 1)
	for i := range all {
		all[i].Products, all[i].Orders = all[i].Products/by, all[i].Orders/by
		all[i].Customers, all[i].Carts = all[i].Customers/by, all[i].Carts/by
	}
	return all
}

// Run starts everything, installs the stores, shows how they fill, and ends with
// a summary, or goes on until the context ends.
func (c *demoCmd) Run(ctx context.Context, o *output) (err error) {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the programs: %w", err)
	}
	for _, name := range []string{"DATABASE_URL", "REDIS_URL"} {
		if os.Getenv(name) == "" {
			return fmt.Errorf("%s is not set: run `make demo`, which brings up PostgreSQL and Redis", name)
		}
	}
	folder := filepath.Join(cmp.Or(os.Getenv("WOSOOL_RUN_DIR"), os.TempDir()), "logs")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the folder for logs: %w", err)
	}
	d := &demo{options: *c, output: o, screen: newScreen(o.err), fleet: &fleet{bin: filepath.Dir(self), folder: folder}}
	var serving sync.WaitGroup
	defer serving.Wait()
	serveCtx, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	defer stopServing()
	defer d.fleet.stop()
	if err := d.up(ctx, serveCtx, &serving); err != nil {
		return err
	}
	defer d.sandbox.Close()
	return d.drive(ctx)
}

// demo is one run of the demo.
type demo struct {
	options demoCmd
	*output
	screen  *screen
	fleet   *fleet
	sandbox *sandbox.Server
	api     *apiClient
	console console
}

// up starts the sandbox, migrates, and starts the api and the workers.
func (d *demo) up(ctx, serveCtx context.Context, serving *sync.WaitGroup) error {
	keyset, err := vault.NewKeyset()
	if err != nil {
		return fmt.Errorf("make a keyset: %w", err)
	}
	apiAddr, err := freeAddr(ctx)
	if err != nil {
		return err
	}
	cfg := sandbox.Config{
		Seed: d.options.Seed, PublicURL: publicURL, DeliverTo: "http://" + apiAddr,
		ClientID: "demo-" + secret(8), ClientSecret: secret(24), WebhookSecret: secret(24),
		ClerkKey: "sk_test_" + secret(20), ClerkWebhookSecret: webhookSecret(),
		Rate: d.options.Rate, RetryEvery: 15 * time.Second,
		Log: telemetry.NewLogger(d.err, 8, "text", "sandbox"),
	}
	d.sandbox = sandbox.New(cfg)
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen for the sandbox: %w", err)
	}
	serving.Go(func() { _ = serve(serveCtx, l, d.sandbox.Handler()) })
	base := "http://" + l.Addr().String()
	key := "demo_" + secret(24)
	d.api = newAPIClient("http://"+apiAddr, key)
	d.console = console{base: "http://" + apiAddr, email: "operator@wosool.example", password: secret(9)}
	d.fleet.env = append(os.Environ(),
		"PUBLIC_URL="+publicURL, "SECRET_KEYSET="+keyset,
		"SALLA_CLIENT_ID="+cfg.ClientID, "SALLA_CLIENT_SECRET="+cfg.ClientSecret, "SALLA_WEBHOOK_SECRET="+cfg.WebhookSecret,
		"SALLA_API_URL="+d.sandbox.SallaURL(base), "SALLA_ACCOUNTS_URL="+d.sandbox.AccountsURL(base),
		"CLERK_SECRET_KEY="+cfg.ClerkKey, "CLERK_WEBHOOK_SECRET="+cfg.ClerkWebhookSecret,
		"CLERK_ISSUER="+d.sandbox.Issuer(), "CLERK_API_URL="+d.sandbox.ClerkURL(base), "CLERK_JWKS_URL="+d.sandbox.JWKSURL(base),
		"SPOOL_DIR="+filepath.Join(d.fleet.folder, "spool"), "ADMIN_API_KEY="+key, "ADMIN_EMAIL="+d.console.email, "ADMIN_PASSWORD="+d.console.password,
	)
	for _, spec := range d.options.stores() {
		d.sandbox.AddStore(spec)
	}
	if _, err := d.fleet.once(ctx, "wosool", "migrate"); err != nil {
		return err
	}
	if err := d.fleet.start("api", "api", "HTTP_ADDR="+apiAddr); err != nil {
		return err
	}
	for i := range d.options.Workers {
		if err := d.fleet.start(fmt.Sprintf("worker-%d", i+1), "worker", "HTTP_ADDR=127.0.0.1:0"); err != nil {
			return err
		}
	}
	if err := d.fleet.ready(ctx, "http://"+apiAddr+"/readyz"); err != nil {
		return err
	}
	fmt.Fprintf(d.err, "%s\napi at http://%s · sandbox at %s · logs in %s\n", d.console, apiAddr, base, d.fleet.folder)
	return nil
}

// drive installs the stores, watches them fill and prints the summary.
func (d *demo) drive(ctx context.Context) error {
	begun := time.Now()
	var installs sync.WaitGroup
	failed := make(chan error, len(d.options.stores()))
	for _, spec := range d.options.stores() {
		installs.Go(func() {
			if err := d.sandbox.Install(ctx, spec.Merchant); err != nil {
				failed <- fmt.Errorf("install %d: %w", spec.Merchant, err)
			}
		})
	}
	installs.Wait()
	close(failed)
	if err := <-failed; err != nil {
		return err
	}
	watched, err := d.watch(ctx, begun)
	if err != nil {
		return err
	}
	s, err := d.summarise(ctx, watched, begun)
	if err != nil {
		return err
	}
	s.print(d.out)
	if err := d.console.check(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	if !d.options.Once && ctx.Err() == nil {
		d.live(ctx)
	}
	if d.options.JSON {
		line, err := json.Marshal(s)
		if err != nil {
			return fmt.Errorf("encode the summary: %w", err)
		}
		fmt.Fprintln(d.out, string(line))
	}
	if !s.OK {
		return errors.New("not every store is ready with the counts of its source")
	}
	return nil
}

// live lets the stores live until the context ends.
func (d *demo) live(ctx context.Context) {
	fmt.Fprintln(d.err, "\nThe stores live now: orders arrive, prices change, carts are left. Ctrl-C ends the demo.")
	fmt.Fprintf(d.err, "%s\nOr: curl -s -H 'Authorization: Bearer %s' %s/api/admin/v1/stats\n", d.console, d.api.key, d.api.base)
	go d.sandbox.Live(ctx, sandbox.LiveOptions{})
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			d.screen.end()
			return
		case <-tick.C:
			if err := d.fleet.died(); err != nil {
				d.screen.lines([]string{err.Error()})
				continue
			}
			stats, err := d.api.stats(ctx)
			if err != nil {
				continue // the next tick asks again
			}
			d.screen.lines([]string{stats.String()})
		}
	}
}
