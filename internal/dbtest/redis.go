package dbtest

import (
	"context"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"
)

// redisWait is how long a test waits for a free logical database.
const redisWait = 2 * time.Minute

// Redis returns the URL of a logical database of REDIS_URL's server that is
// empty and this test's alone, also among processes; it is emptied at the end.
// Database 0 is never used: it may be somebody's. A test that stops Redis or
// calls FLUSHALL uses OwnRedis.
func Redis(t testing.TB) string {
	t.Helper()
	server := setting(t, "REDIS_URL")
	probe := redisClient(t, server)
	number := leaseRedis(t, databases(t, probe))

	own := withDatabase(t, server, strconv.Itoa(number))
	client := redisClient(t, own)
	if err := client.FlushDB(t.Context()).Err(); err != nil {
		t.Fatalf("empty Redis database %d: %v", number, err)
	}
	// Runs before the lease ends: cleanups run last first.
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := client.FlushDB(ctx).Err(); err != nil {
			t.Errorf("empty Redis database %d: %v", number, err)
		}
	})
	return own
}

// leaseRedis reserves one of the logical databases 1 to n-1 by an advisory lock,
// which PostgreSQL frees even if the test is killed.
func leaseRedis(t testing.TB, n int) int {
	t.Helper()
	ctx := t.Context()
	// Advisory locks belong to one database: all tests take them in that of DATABASE_URL.
	conn, err := pgx.Connect(ctx, setting(t, "DATABASE_URL"))
	if err != nil {
		t.Fatalf("connect to the server of DATABASE_URL: %v", err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), cleanupTimeout)
		defer cancel()
		if err := conn.Close(ctx); err != nil {
			t.Errorf("free the Redis database: %v", err)
		}
	})
	leased := 0
	Eventually(t, redisWait, "a free Redis database", func() bool {
		start := rand.IntN(n)
		for i := range n {
			number := (start + i) % n
			if number == 0 {
				continue
			}
			var ok bool
			if err := conn.QueryRow(ctx, `SELECT pg_try_advisory_lock($1, $2)`, redisLock, number).Scan(&ok); err != nil {
				t.Fatalf("reserve a Redis database: %v", err)
			}
			if ok {
				leased = number
				return true
			}
		}
		return false
	})
	return leased
}

// databases returns how many logical databases a server has; Redis' default
// where the server does not say.
func databases(t testing.TB, client *redis.Client) int {
	t.Helper()
	answer, err := client.ConfigGet(t.Context(), "databases").Result()
	if err != nil {
		if ping := client.Ping(t.Context()).Err(); ping != nil {
			t.Fatalf("connect to the server of REDIS_URL: %v", ping)
		}
		return 16
	}
	n, err := strconv.Atoi(answer["databases"])
	if err != nil || n < 2 {
		t.Fatalf("Redis has %q logical databases, want 2 or more", answer["databases"])
	}
	return n
}

func redisClient(t testing.TB, redisURL string) *redis.Client {
	t.Helper()
	options, err := redis.ParseURL(redisURL)
	if err != nil {
		t.Fatal("REDIS_URL is not a URL of one Redis server: redis://user:password@host:port/number")
	}
	options.MaintNotificationsConfig = nil
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}
