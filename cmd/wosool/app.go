package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/migrations"
)

// app is what commands share. What a command needs is opened when it asks.
type app struct {
	getenv func(string) string
	out    io.Writer // the answer, and nothing else
	notes  io.Writer // what people want to know beside it
	json   bool

	pool  *pgxpool.Pool
	redis redis.UniversalClient
}

// settings reads the settings, or gives a *config.Error.
func (a *app) settings() (config.Config, error) { return config.Load(config.Wosool, a.getenv) }

// close closes what was opened.
func (a *app) close() error {
	if a.pool != nil {
		a.pool.Close()
	}
	if a.redis != nil {
		return a.redis.Close()
	}
	return nil
}

func (a *app) log(c config.Config) *slog.Logger {
	return telemetry.NewLogger(a.notes, max(c.LogLevel, slog.LevelWarn), "text", "wosool")
}

// database opens the control database and refuses one that is older than this build.
func (a *app) database(ctx context.Context, c config.Config) (*store.DB, error) {
	db, err := a.anyDatabase(ctx, c)
	if err != nil {
		return nil, err
	}
	have, err := db.SchemaVersion(ctx)
	if err != nil {
		return nil, err
	}
	want, err := migrations.Version()
	if err != nil {
		return nil, err
	}
	if have < want {
		return nil, fault.New(fault.Conflict,
			"the control database is at version %d and this build needs %d: run wosool migrate", have, want)
	}
	return db, nil
}

// anyDatabase opens the control database, whatever its version.
func (a *app) anyDatabase(ctx context.Context, c config.Config) (*store.DB, error) {
	pool, err := store.Open(ctx, c.DatabaseURL.Reveal(), "wosool", 4)
	if err != nil {
		return nil, err
	}
	a.pool = pool
	return store.New(pool), nil
}

// queue opens Redis; nil where REDIS_URL is not given.
func (a *app) queue(c config.Config) (*tasks.Enqueuer, error) {
	if c.RedisURL == "" {
		return nil, nil
	}
	redis.SetLogger(tasks.RedisLogger{Log: a.log(c)})
	client, err := tasks.OpenRedis(c.RedisURL.Reveal())
	if err != nil {
		return nil, err
	}
	a.redis = client
	return tasks.NewEnqueuer(client), nil
}

// ring has the tasks of a committed act run at once where Redis is known, and
// says who does it where it is not: nothing is lost either way.
func (a *app) ring(ctx context.Context, c config.Config, todo []store.Task) {
	if len(todo) == 0 {
		return
	}
	queue, err := a.queue(c)
	if err == nil && queue != nil {
		refs := make([]tasks.Ref, len(todo))
		for i, t := range todo {
			refs[i] = tasks.Ref(t)
		}
		ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
		defer cancel()
		err = queue.Wake(ctx, refs...)
	}
	switch {
	case err != nil:
		fmt.Fprintln(a.notes, "Redis did not take the task: a worker's sweeper picks it up once Redis is back.")
	case queue == nil:
		fmt.Fprintln(a.notes, "REDIS_URL is not set: a worker's sweeper picks the task up within seconds.")
	}
}

// actor is who acts, for the audit.
func (a *app) actor() store.Actor {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	return store.Actor{Name: "wosool@" + host}
}

// findTenant finds the tenant that a person means: by id, by the store's number,
// or by slug.
func findTenant(ctx context.Context, db *store.DB, text string) (store.Tenant, error) {
	if id, err := uuid.Parse(text); err == nil {
		return db.Tenant(ctx, id)
	}
	if merchant, ok := number(text); ok {
		if t, err := db.TenantByMerchant(ctx, merchant); !errors.Is(err, fault.NotFound) {
			return t, err
		}
	}
	t, err := db.TenantBySlug(ctx, text)
	if errors.Is(err, fault.NotFound) {
		return store.Tenant{}, fault.New(fault.NotFound, "no tenant has the id, merchant or slug %q", text)
	}
	return t, err
}
