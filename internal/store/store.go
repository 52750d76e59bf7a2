// Package store is the control database: all of its SQL, one file per noun. It
// knows no vendor, and no queue: what is to be done next it returns as Tasks.
package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/fault"
)

// DB is the control database. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	recorder *recorder
	installs atomic.Int64 // begun by this process
}

// New returns the store on pool, which the caller closes.
func New(pool *pgxpool.Pool) *DB { return &DB{pool: pool, recorder: newRecorder(pool)} }

// Open connects to databaseURL with the settings every process uses: at most
// conns connections, and a bound on every statement so that nothing hangs on a
// lock for good. The caller closes the pool. It does not wait for the server.
func Open(ctx context.Context, databaseURL, application string, conns int32) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(databaseURL)
	if err != nil {
		return nil, fmt.Errorf("read DATABASE_URL: %w", fault.New(fault.Invalid, "it is not a PostgreSQL URL"))
	}
	cfg.MaxConns = conns
	cfg.MaxConnIdleTime = 5 * time.Minute
	cfg.ConnConfig.ConnectTimeout = 5 * time.Second
	for name, value := range map[string]string{
		"application_name":                    application,
		"statement_timeout":                   "30s",
		"idle_in_transaction_session_timeout": "60s",
		"timezone":                            "UTC",
		"jit":                                 "off", // compiling a plan takes longer than any of ours
		"max_parallel_workers_per_gather":     "0",   // and so does starting helpers for it
	} {
		if _, given := cfg.ConnConfig.RuntimeParams[name]; !given {
			cfg.ConnConfig.RuntimeParams[name] = value
		}
	}
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open the control database: %w", err)
	}
	return pool, nil
}

// Ping asks the database whether it answers.
func (db *DB) Ping(ctx context.Context) error {
	if err := db.pool.Ping(ctx); err != nil {
		return fmt.Errorf("ping the control database: %w", err)
	}
	return nil
}

// SchemaVersion returns the version of the control schema that is there, 0 if none.
func (db *DB) SchemaVersion(ctx context.Context) (int64, error) {
	var v int64
	err := db.pool.QueryRow(ctx, `
		SELECT coalesce(max(version_id), 0)
		FROM schema_migrations
		WHERE is_applied`).Scan(&v)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42P01" {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the schema version: %w", err)
	}
	return v, nil
}

// querier is a pool or a transaction.
type querier interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// inTx runs fn in one transaction.
func (db *DB) inTx(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, db.pool, fn)
}

// newID returns a UUIDv7: ids sort by the time they were made.
func newID() (uuid.UUID, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return uuid.Nil, fmt.Errorf("make an id: %w", err)
	}
	return id, nil
}

// translate turns what PostgreSQL says about a noun into a fault that callers
// can tell apart; everything else is wrapped.
func translate(err error, noun string) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, pgx.ErrNoRows):
		return fault.New(fault.NotFound, "there is no such %s", noun)
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch pg.Code {
		case "23505":
			return fmt.Errorf("%w (%s)", fault.New(fault.Conflict, "such a %s exists already", noun), pg.ConstraintName)
		case "22021":
			return fault.New(fault.Invalid, "the %s has a character that cannot be kept", noun)
		case "23514":
			return fmt.Errorf("%w (%s)", fault.New(fault.Invalid, "the %s has a value that is not allowed", noun), pg.ConstraintName)
		}
	}
	return fmt.Errorf("store: %s: %w", noun, err)
}

// violates tells whether err is a breach of the named constraint or index.
func violates(err error, constraint string) bool {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	return ok && pg.ConstraintName == constraint
}

// AwaitSchema waits until the database answers, and fails where its control
// schema is older than the version that this build needs.
func (db *DB) AwaitSchema(ctx context.Context, version int64, log *slog.Logger) error {
	for {
		call, cancel := context.WithTimeout(ctx, 5*time.Second)
		there, err := db.SchemaVersion(call)
		cancel()
		switch {
		case err == nil && there >= version:
			return nil
		case err == nil:
			return fault.New(fault.Conflict,
				"the control schema is at version %d, this build needs %d: run `wosool migrate` first", there, version)
		}
		log.WarnContext(ctx, "postgres does not answer; the start goes on when it does", "error", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for PostgreSQL: %w", ctx.Err())
		case <-time.After(time.Second):
		}
	}
}
