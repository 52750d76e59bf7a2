// Package dbtest gives tests real servers: a migrated control database of their
// own, a Redis of their own, and servers that a test may stop and kill. It is
// imported by tests only. The shared servers are those of DATABASE_URL,
// TENANT_DATABASE_URLS and REDIS_URL, as `scripts/services run` sets them; a
// test without them fails, it is never skipped.
package dbtest

import (
	"context"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// cleanupTimeout bounds what a test's end waits for, per thing that is removed.
const cleanupTimeout = 30 * time.Second

// poolSize is how many connections a test's control pool may open.
const poolSize = 8

// Control returns a pool on a fresh, migrated control database for this test
// alone. The database is dropped at the end, or kept and named if the test failed.
func Control(t testing.TB) *pgxpool.Pool {
	t.Helper()
	pool, _ := ControlURL(t)
	return pool
}

// ControlURL is Control for tests that start processes: it also returns the
// database's URL.
func ControlURL(t testing.TB) (*pgxpool.Pool, string) {
	t.Helper()
	server := setting(t, "DATABASE_URL")
	name := "dbtest_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	clone(t, server, name)
	Cleanup(t, []string{name}, nil)

	own := withDatabase(t, server, name)
	config, err := pgxpool.ParseConfig(own)
	if err != nil {
		t.Fatalf("parse the URL of database %s: %v", name, err)
	}
	config.MaxConns = poolSize
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatalf("open database %s: %v", name, err)
	}
	t.Cleanup(pool.Close)
	return pool, own
}

// AdminURL returns a URL of the server for tenant databases whose role may
// create databases and roles.
func AdminURL(t testing.TB) string {
	t.Helper()
	first, _, _ := strings.Cut(os.Getenv("TENANT_DATABASE_URLS"), ",")
	if first = strings.TrimSpace(first); first != "" {
		return first
	}
	return setting(t, "DATABASE_URL")
}

// Cleanup drops databases (also templates, and whoever is connected to them)
// and then roles of the server of AdminURL when the test ends; names that do not
// exist are fine. If the test failed, they are kept and named.
func Cleanup(t testing.TB, databases, roles []string) {
	t.Helper()
	admin := AdminURL(t)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("kept: databases %q, roles %q", databases, roles)
			return
		}
		// The test's own context has ended.
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		conn, err := pgx.Connect(ctx, admin)
		if err != nil {
			t.Errorf("connect to drop databases: %v", err)
			return
		}
		defer conn.Close(ctx)
		for _, name := range databases {
			if err := dropDatabase(ctx, conn, name); err != nil {
				t.Errorf("drop database %s: %v", name, err)
			}
		}
		for _, name := range roles {
			if _, err := conn.Exec(ctx, "DROP ROLE IF EXISTS "+pgx.Identifier{name}.Sanitize()); err != nil {
				t.Errorf("drop role %s: %v", name, err)
			}
		}
	})
}

func dropDatabase(ctx context.Context, conn *pgx.Conn, name string) error {
	var template bool
	err := conn.QueryRow(ctx, `SELECT COALESCE(bool_or(datistemplate), false) FROM pg_database WHERE datname = $1`, name).Scan(&template)
	if err != nil {
		return err
	}
	quoted := pgx.Identifier{name}.Sanitize()
	if template {
		if _, err := conn.Exec(ctx, "ALTER DATABASE "+quoted+" IS_TEMPLATE false"); err != nil {
			return err
		}
	}
	_, err = conn.Exec(ctx, "DROP DATABASE IF EXISTS "+quoted+" WITH (FORCE)")
	return err
}

// setting returns an environment variable, or fails the test with what to do.
func setting(t testing.TB, name string) string {
	t.Helper()
	value := os.Getenv(name)
	if value == "" {
		t.Fatalf("%s is not set: run `make test`, or `scripts/services run -- go test ./...`", name)
	}
	return value
}

// withDatabase returns a server's URL with another database.
func withDatabase(t testing.TB, server, name string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		t.Fatal("DATABASE_URL and REDIS_URL must be URLs: scheme://user:password@host:port/database")
	}
	u.Path = "/" + name
	return u.String()
}
