package telemetry

import (
	"context"
	"fmt"
	"log/slog"
	"time"
)

// Readiness is what /readyz answers: ok, degraded or down, and each check's "ok"
// or "down: why".
type Readiness struct {
	Status string          `json:"status"`
	Checks ReadinessChecks `json:"checks"`
}

// ReadinessChecks are what a process needs to work.
type ReadinessChecks struct {
	Postgres string `json:"postgres"`
	Schema   string `json:"schema"`
	Redis    string `json:"redis"`
}

// Needs says how a process asks for what it needs.
type Needs struct {
	// SchemaVersion reads the control schema's version; its failure is PostgreSQL's.
	SchemaVersion func(context.Context) (int64, error)
	Schema        int64                       // the version that this build needs
	PingRedis     func(context.Context) error // nil: Redis is not asked
	// WithoutRedis tells that the process is of use while Redis is down.
	WithoutRedis bool
	Log          *slog.Logger
}

// CheckTimeout bounds one check: a probe must not wait as long as a request.
const CheckTimeout = 2 * time.Second

// Check asks everything. Why something does not answer is in the log; what it
// returns, which anybody may read, names no host and no user.
func (n Needs) Check(ctx context.Context) Readiness {
	ctx, cancel := context.WithTimeout(ctx, CheckTimeout)
	defer cancel()
	redis := make(chan string, 1)
	go func() { redis <- n.redis(ctx) }()
	r := Readiness{Status: "ok"}
	r.Checks.Postgres, r.Checks.Schema = n.postgres(ctx)
	r.Checks.Redis = <-redis
	switch redisDown := n.PingRedis != nil && r.Checks.Redis != "ok"; {
	case r.Checks.Postgres != "ok", r.Checks.Schema != "ok", redisDown && !n.WithoutRedis:
		r.Status = "down"
	case redisDown:
		r.Status = "degraded"
	}
	return r
}

func (n Needs) postgres(ctx context.Context) (postgres, schema string) {
	version, err := n.SchemaVersion(ctx)
	if err != nil {
		n.Log.WarnContext(ctx, "postgres does not answer", "error", err)
		return "down: it does not answer", "down: unknown while postgres is down"
	}
	if version < n.Schema {
		return "ok", fmt.Sprintf("down: it is at version %d, this build needs %d: run wosool migrate", version, n.Schema)
	}
	return "ok", "ok"
}

func (n Needs) redis(ctx context.Context) string {
	if n.PingRedis == nil {
		return "not asked: REDIS_URL is not set"
	}
	if err := n.PingRedis(ctx); err != nil {
		n.Log.WarnContext(ctx, "redis does not answer", "error", err)
		return "down: it does not answer"
	}
	return "ok"
}
