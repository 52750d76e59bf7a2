// Command worker executes tasks: it provisions tenants, imports their history
// and applies their events. Replicas share the work.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/migrations"
)

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
		return telemetry.Healthcheck(ctx, config.HTTPAddr(config.Worker, getenv), "/healthz", stderr)
	}
	if len(args) > 0 {
		fmt.Fprintln(stderr, "worker: it takes no arguments but -healthcheck; its settings come from the environment")
		return 2
	}
	cfg, err := config.Load(config.Worker, getenv)
	if err != nil {
		fmt.Fprintln(stderr, "worker:", err)
		return 2
	}
	log := telemetry.NewLogger(stderr, cfg.LogLevel, cfg.LogFormat, "worker")
	telemetry.TakeStandardLog(log)
	if err := work(ctx, cfg, log); err != nil {
		if config.IsError(err) {
			fmt.Fprintln(stderr, "worker:", err)
			return 2
		}
		log.ErrorContext(ctx, "worker ended", "error", err)
		return 1
	}
	return 0
}

// processName is what this process calls itself at PostgreSQL: attempts are noted with
// it. PostgreSQL keeps 63 bytes of it.
func processName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return fmt.Sprintf("wosool-worker %.38s/%d", host, os.Getpid())
}

// work opens what the worker needs, works until ctx ends, and closes it again.
func work(ctx context.Context, cfg config.Config, log *slog.Logger) error {
	redis.SetLogger(tasks.RedisLogger{Log: log})
	pool, err := store.Open(ctx, cfg.DatabaseURL.Reveal(), processName(), int32(cfg.WorkerConcurrency+10)) //nolint:gosec // at most 1010
	if err != nil {
		return err
	}
	defer pool.Close()
	schema, err := migrations.Version()
	if err != nil {
		return err
	}
	if err := store.New(pool).AwaitSchema(ctx, schema, log); err != nil {
		return err
	}
	rdb, err := tasks.OpenRedis(cfg.RedisURL.Reveal())
	if err != nil {
		return fmt.Errorf("open Redis: %w", err)
	}
	defer rdb.Close()

	registry := telemetry.NewRegistry()
	w, closeWorker, err := assemble(ctx, cfg, pool, rdb, registry, log)
	if err != nil {
		return err
	}
	defer closeWorker()
	var lc net.ListenConfig
	listener, err := lc.Listen(ctx, "tcp", cfg.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR: %w", err)
	}
	health := &http.Server{Handler: w.Health(schema, registry), ReadHeaderTimeout: 5 * time.Second}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := health.Serve(listener); err != http.ErrServerClosed {
			return fmt.Errorf("serve health: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		defer health.Close()
		return w.Run(ctx)
	})
	return g.Wait()
}
