package dbtest_test

import (
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/migrations"
)

func TestControlIsMigratedAndIsolated(t *testing.T) {
	t.Parallel()
	version, err := migrations.Version()
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	names := make(chan string, 4)

	for range cap(names) {
		pool := dbtest.Control(t)
		wg.Go(func() {
			var name string
			if err := pool.QueryRow(t.Context(), `SELECT current_database()`).Scan(&name); err != nil {
				t.Error(err)
			}
			names <- name
			var got int64
			if err := pool.QueryRow(t.Context(), `SELECT max(version_id) FROM schema_migrations`).Scan(&got); err != nil || got != version {
				t.Errorf("database %s: got version %d, %v, want %d", name, got, err, version)
			}
			if _, err := pool.Exec(t.Context(), `CREATE TABLE only_here (id int)`); err != nil {
				t.Errorf("database %s is shared: %v", name, err)
			}
		})
	}

	seen := map[string]bool{}
	for range cap(names) {
		seen[<-names] = true
	}
	if len(seen) != cap(names) {
		t.Errorf("got databases %v, want %d different ones", seen, cap(names))
	}
}

func TestControlIsDroppedAtTheEnd(t *testing.T) {
	t.Parallel()
	var name string
	t.Run("test", func(t *testing.T) {
		pool, url := dbtest.ControlURL(t)
		name = pool.Config().ConnConfig.Database
		if !strings.Contains(url, name) {
			t.Errorf("the URL is not that of database %s", name)
		}
	})

	admin := connect(t, dbtest.AdminURL(t))
	if exists(t, admin, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name) {
		t.Errorf("database %s is still there", name)
	}
}

func TestCleanup(t *testing.T) {
	t.Parallel()
	admin := connect(t, dbtest.AdminURL(t))
	database := "dbtest_cleanup_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	role := database + "_role"

	t.Run("test", func(t *testing.T) {
		dbtest.Cleanup(t, []string{database, "dbtest_never_made"}, []string{role, "dbtest_never_made"})
		for _, statement := range []string{
			`CREATE DATABASE ` + database + ` IS_TEMPLATE true`,
			`CREATE ROLE ` + role,
			`GRANT CONNECT ON DATABASE ` + database + ` TO ` + role,
		} {
			if _, err := admin.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	})

	if exists(t, admin, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database) {
		t.Error("the database is still there")
	}
	if exists(t, admin, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role) {
		t.Error("the role is still there")
	}
}

func TestRedisIsIsolated(t *testing.T) {
	t.Parallel()
	urls := []string{dbtest.Redis(t), dbtest.Redis(t)}

	if urls[0] == urls[1] {
		t.Fatal("two tests have the same Redis database")
	}
	for _, url := range urls {
		client := dial(t, url)
		if set, err := client.SetNX(t.Context(), "only-here", 1, 0).Result(); err != nil || !set {
			t.Errorf("got %v, %v, want a database without the other's keys", set, err)
		}
	}
}

func TestOwnRedis(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnRedis(t)
	client := dial(t, server.URL())
	ctx := t.Context()
	if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}

	server.Stop()
	if err := client.Get(ctx, "k").Err(); err == nil {
		t.Error("a stopped Redis answers")
	}
	server.Start()
	if got, err := client.Get(ctx, "k").Result(); err != nil || got != "v" {
		t.Errorf("after Stop and Start: got %q, %v, want v", got, err)
	}
	server.Kill()
	server.Start()
	if err := client.Ping(ctx).Err(); err != nil {
		t.Errorf("after Kill and Start: %v", err)
	}
	if err := server.FlushAll(ctx); err != nil {
		t.Fatal(err)
	}
	if got, err := client.DBSize(ctx).Result(); err != nil || got != 0 {
		t.Errorf("after FlushAll: got %d keys, %v, want 0", got, err)
	}
}

func TestOwnPostgres(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnPostgres(t)
	conn := connect(t, server.URL())
	ctx := t.Context()
	if _, err := conn.Exec(ctx, `CREATE TABLE kept AS SELECT 7 AS n`); err != nil {
		t.Fatal(err)
	}

	server.Stop()
	if err := conn.Ping(ctx); err == nil {
		t.Error("a stopped PostgreSQL answers")
	}
	for _, end := range []func(){server.Stop, server.Kill} {
		end()
		server.Start()
		var n int
		if err := connect(t, server.URL()).QueryRow(ctx, `SELECT n FROM kept`).Scan(&n); err != nil || n != 7 {
			t.Errorf("after a restart: got %d, %v, want 7", n, err)
		}
	}
}

func TestEventually(t *testing.T) {
	t.Parallel()
	asked := 0

	dbtest.Eventually(t, 10*time.Second, "three questions", func() bool {
		asked++
		return asked == 3
	})

	if asked != 3 {
		t.Errorf("asked %d times, want 3", asked)
	}
}

func TestLogOutlivesItsTest(t *testing.T) {
	t.Parallel()
	var late func()
	t.Run("test", func(t *testing.T) {
		log := dbtest.Log(t)
		log.Debug("in time")
		late = func() { log.Info("too late") }
	})

	late() // a write to a finished test's log would panic
}

// TestNothingIsSkipped runs this package's tests without any server.
func TestNothingIsSkipped(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run=^TestRedisIsIsolated$", ".")
	cmd.Env = append(cmd.Environ(), "DATABASE_URL=", "TENANT_DATABASE_URLS=", "REDIS_URL=")

	out, err := cmd.CombinedOutput()

	const want = "REDIS_URL is not set: run `make test`, or `scripts/services run -- go test ./...`"
	if err == nil || !strings.Contains(string(out), want) {
		t.Errorf("got %v: %s, want a failure that says %q", err, out, want)
	}
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func dial(t *testing.T, url string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func exists(t *testing.T, conn *pgx.Conn, query, name string) bool {
	t.Helper()
	var found bool
	if err := conn.QueryRow(t.Context(), query, name).Scan(&found); err != nil {
		t.Fatal(err)
	}
	return found
}
