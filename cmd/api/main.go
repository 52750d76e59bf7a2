// Command api is the HTTP process: webhooks, the operator API, health and metrics.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/passkey"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/internal/web"
	"github.com/wosool/wosool/migrations"
)

// poolSize is how many connections to the control database one process holds.
const poolSize = 20

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Getenv, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the whole process: 0 stopped as asked, 1 failed with a sentence, 2
// misuse, or settings that are missing or wrong.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "-healthcheck" {
		return telemetry.Healthcheck(ctx, config.HTTPAddr(config.API, getenv), "/healthz", stderr)
	}
	if len(args) > 0 {
		fmt.Fprintln(stderr, "api: it takes no arguments but -healthcheck; its settings come from the environment")
		return 2
	}
	cfg, err := config.Load(config.API, getenv)
	if err != nil {
		fmt.Fprintln(stderr, "api:", err)
		return 2
	}
	log := telemetry.NewLogger(stderr, cfg.LogLevel, cfg.LogFormat, "api")
	telemetry.TakeStandardLog(log)
	err = serve(ctx, cfg, log)
	switch {
	case config.IsError(err):
		fmt.Fprintln(stderr, "api:", err)
		return 2
	case err != nil:
		log.ErrorContext(ctx, "api ended", "error", err)
		return 1
	}
	return 0
}

// serve wires the process, serves until ctx ends, and closes what it opened.
func serve(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	redis.SetLogger(tasks.RedisLogger{Log: log})
	pool, err := store.Open(ctx, cfg.DatabaseURL.Reveal(), "wosool-api", poolSize)
	if err != nil {
		return err
	}
	defer pool.Close()
	rdb, err := tasks.OpenRedis(cfg.RedisURL.Reveal())
	if err != nil {
		return fmt.Errorf("open Redis: %w", err)
	}
	defer func() { _ = rdb.Close() }()
	schema, err := migrations.Version()
	if err != nil {
		return err
	}
	db := store.New(pool)
	inbox, err := newInbox(cfg, db, log)
	if err != nil {
		return err
	}
	reader, err := newReader(ctx, cfg, db, log)
	if err != nil {
		return err
	}
	defer reader.Pools.Close()
	redisOptions, err := tasks.ConnOpt(cfg.RedisURL.Reveal())
	if err != nil {
		return fmt.Errorf("open Redis: %w", err)
	}
	metrics := telemetry.NewRegistry()
	metrics.MustRegister(spoolMetrics(inbox.Spool)...)
	db.ObserveCommits(telemetry.NewCommits(metrics).Observe)
	asynqmon := web.NewAsynqmon(redisOptions)
	defer func() { _ = asynqmon.Close() }()
	allowance := budget.New(rdb)
	allowance.Egress = cfg.SallaEgress
	passkeys, err := passkey.NewParty(cfg.PublicURL)
	if err != nil {
		log.InfoContext(ctx, "operators can't sign in by passkeys", "reason", err)
	}
	s := &web.Server{
		DB:             db,
		Passkeys:       passkeys,
		Inbox:          inbox,
		Install:        newInstaller(cfg, inbox, metrics),
		Grace:          cfg.Grace,
		Queue:          tasks.NewEnqueuer(rdb),
		PingRedis:      func(ctx context.Context) error { return rdb.Ping(ctx).Err() },
		Schema:         schema,
		Metrics:        metrics,
		Log:            log,
		AdminKey:       cfg.AdminAPIKey.Reveal(),
		TrustedProxies: cfg.TrustedProxies,
		PublicURL:      cfg.PublicURL,
		Passwords:      web.NewHasher(),
		Asynqmon:       asynqmon,
		Stopping:       ctx.Done(),
		OpenTenant:     reader.Open,
		Imports:        &imports.Importer{DB: db, Open: reader.Open, Log: log},
		Allowance:      allowance.State,
	}
	return listen(ctx, cfg, s, log)
}
