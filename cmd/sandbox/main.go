// Command sandbox serves Salla and Clerk as the contracts describe them, and
// drives the demo: the whole of Wosool on this machine, with stores that live.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"github.com/wosool/wosool/internal/sandbox"
	"github.com/wosool/wosool/internal/telemetry"
)

type cli struct {
	Serve  serveCmd  `cmd:"" help:"Serve Salla, Clerk and Twenty's health on a port."`
	Demo   demoCmd   `cmd:"" help:"Run all of Wosool against the sandbox and install three stores."`
	Health healthCmd `cmd:"" help:"Ask the sandbox that serves on this machine whether it lives."`
}

type serveCmd struct {
	Addr               string        `help:"Address to listen on." default:"127.0.0.1:8090" env:"SANDBOX_ADDR"`
	Seed               uint64        `help:"Decides every store's documents." default:"1" env:"SANDBOX_SEED"`
	PublicURL          string        `help:"The app's address as the vendors know it." required:"" env:"PUBLIC_URL"`
	DeliverTo          string        `help:"Where deliveries really go." required:"" env:"SANDBOX_DELIVER_TO"`
	ClientID           string        `help:"The Salla app's client id." required:"" env:"SALLA_CLIENT_ID"`
	ClientSecret       string        `help:"The Salla app's client secret." required:"" env:"SALLA_CLIENT_SECRET"`
	WebhookSecret      string        `help:"The Salla app's webhook secret." required:"" env:"SALLA_WEBHOOK_SECRET"`
	ClerkKey           string        `help:"Clerk's secret key." required:"" env:"CLERK_SECRET_KEY"`
	ClerkWebhookSecret string        `help:"Clerk's webhook secret." env:"CLERK_WEBHOOK_SECRET"`
	Rate               string        `help:"Rate limits: off or documented." enum:"off,documented" default:"off"`
	RetryEvery         time.Duration `help:"Between resends of a failed delivery." default:"5m"`
	LogLevel           slog.Level    `help:"debug, info, warn or error." default:"info" env:"LOG_LEVEL"`
}

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run is the whole program: 0 done, 1 failed with a sentence, 2 misuse.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	parser, err := kong.New(&c, kong.Name("sandbox"), kong.Writers(stdout, stderr),
		kong.Description("Salla and Clerk as the contracts describe them."),
		kong.BindTo(ctx, (*context.Context)(nil)), kong.Bind(&output{out: stdout, err: stderr}))
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 2
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 2
	}
	if err := command.Run(); err != nil {
		fmt.Fprintln(stderr, "sandbox:", err)
		return 1
	}
	return 0
}

// output is where the program writes.
type output struct{ out, err io.Writer }

// Run serves until the context ends.
func (c *serveCmd) Run(ctx context.Context, o *output) error {
	log := telemetry.NewLogger(o.err, c.LogLevel, "text", "sandbox")
	s := sandbox.New(sandbox.Config{
		Seed: c.Seed, PublicURL: c.PublicURL, DeliverTo: c.DeliverTo,
		ClientID: c.ClientID, ClientSecret: c.ClientSecret, WebhookSecret: c.WebhookSecret,
		ClerkKey: c.ClerkKey, ClerkWebhookSecret: c.ClerkWebhookSecret,
		Rate: c.Rate, RetryEvery: c.RetryEvery, Log: log,
	})
	defer s.Close()
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", c.Addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	base := "http://" + l.Addr().String()
	log.InfoContext(ctx, "sandbox listens", "salla", s.SallaURL(base), "accounts", s.AccountsURL(base), "clerk", s.ClerkURL(base))
	return serve(ctx, l, s.Handler())
}

// serve answers on l until the context ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down: %w", err)
	}
	return srv.Close()
}
