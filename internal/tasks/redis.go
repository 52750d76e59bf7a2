package tasks

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/fault"
)

// OpenRedis returns a client of REDIS_URL: redis, rediss, redis-sentinel
// (redis-sentinel://host,host/?master=NAME) or redis-cluster
// (redis-cluster://host,host). It does not wait for the server: a process starts
// without Redis and goes on trying. The caller closes it.
func OpenRedis(address string) (redis.UniversalClient, error) {
	o, err := redisOptions(address)
	if err != nil {
		return nil, err
	}
	return redis.NewUniversalClient(o), nil
}

// ConnOpt returns what Asynq's own programs, which open a client for themselves,
// take for REDIS_URL. Their clients are as OpenRedis makes them: the same
// schemes, and the same short timeouts while Redis is down.
func ConnOpt(address string) (asynq.RedisConnOpt, error) {
	o, err := redisOptions(address)
	if err != nil {
		return nil, err
	}
	return connOpt{o}, nil
}

// connOpt is a RedisConnOpt for every scheme: Asynq's own three keep most of a
// client's settings to themselves.
type connOpt struct{ options *redis.UniversalOptions }

// MakeRedisClient implements asynq.RedisConnOpt.
func (c connOpt) MakeRedisClient() any { return redis.NewUniversalClient(c.options) }

// redisOptions reads REDIS_URL.
func redisOptions(address string) (*redis.UniversalOptions, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fault.New(fault.Invalid, "REDIS_URL is not an address")
	}
	o := &redis.UniversalOptions{
		DialTimeout: 2 * time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second,
		MaxRetries: 1, ContextTimeoutEnabled: true, PoolSize: 40,
	}
	switch u.Scheme {
	case "redis", "rediss":
		one, err := redis.ParseURL(address)
		if err != nil {
			return nil, fault.New(fault.Invalid, "REDIS_URL is not an address that Redis clients know")
		}
		o.Addrs, o.DB = []string{one.Addr}, one.DB
		o.Username, o.Password, o.TLSConfig = one.Username, one.Password, one.TLSConfig
	case "redis-sentinel", "redis-cluster":
		o.Addrs = strings.Split(u.Host, ",")
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
		o.MasterName = u.Query().Get("master")
		o.IsClusterMode = u.Scheme == "redis-cluster"
		if u.Scheme == "redis-sentinel" && o.MasterName == "" {
			return nil, fault.New(fault.Invalid, "REDIS_URL: redis-sentinel needs ?master=NAME")
		}
	default:
		return nil, fault.New(fault.Invalid, "REDIS_URL: the scheme is not redis, rediss, redis-sentinel or redis-cluster")
	}
	return o, nil
}

// CheckRedis warns of settings with which Redis would forget work, and fails
// where it does not answer.
func CheckRedis(ctx context.Context, rdb redis.UniversalClient, log *slog.Logger) error {
	if err := rdb.Ping(ctx).Err(); err != nil {
		return fmt.Errorf("ping Redis: %w", err)
	}
	for name, want := range map[string]string{"maxmemory-policy": "noeviction", "appendonly": "yes"} {
		got, err := rdb.ConfigGet(ctx, name).Result()
		if err != nil {
			log.WarnContext(ctx, "redis does not tell its settings", "setting", name, "error", err)
			continue
		}
		if got[name] != want {
			log.WarnContext(ctx, "redis may forget work with this setting; the sweeper will bring it back, late",
				"setting", name, "is", got[name], "should_be", want)
		}
	}
	return nil
}

// RedisLogger hands go-redis's own messages to slog.
type RedisLogger struct{ Log *slog.Logger }

// Printf implements go-redis's logger.
func (l RedisLogger) Printf(ctx context.Context, format string, v ...any) {
	l.Log.DebugContext(ctx, "redis", "message", fmt.Sprintf(format, v...))
}
