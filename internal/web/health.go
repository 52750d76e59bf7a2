package web

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// Health is what /readyz answers.
type Health struct {
	Status string       `json:"status"` // ok, degraded or down
	Checks HealthChecks `json:"checks"`
}

// HealthChecks are each "ok" or "down: why".
type HealthChecks struct {
	Postgres string `json:"postgres"`
	Schema   string `json:"schema"`
	Redis    string `json:"redis"`
}

// checkTimeout bounds one check: a probe must not wait as long as a request.
const checkTimeout = 2 * time.Second

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) error {
	return writeJSON(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// readyz says whether requests may come here: they may while PostgreSQL is
// there, since without Redis events are still recorded.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) error {
	h := s.Health(r.Context())
	status := http.StatusOK
	if h.Status == "down" {
		status = http.StatusServiceUnavailable
	}
	return writeJSON(w, status, h)
}

// Health asks everything that the api needs. Why something does not answer is
// in the log; the answer, which anybody may read, names no host and no user.
func (s *Server) Health(ctx context.Context) Health {
	redis := make(chan string, 1)
	go func() { redis <- s.checkRedis(ctx) }()
	h := Health{Status: "ok"}
	h.Checks.Postgres, h.Checks.Schema = s.checkDatabase(ctx)
	h.Checks.Redis = <-redis
	switch {
	case h.Checks.Postgres != "ok" || h.Checks.Schema != "ok":
		h.Status = "down"
	case h.Checks.Redis != "ok" && s.PingRedis != nil:
		h.Status = "degraded"
	}
	return h
}

func (s *Server) checkDatabase(ctx context.Context) (postgres, schema string) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	version, err := s.DB.SchemaVersion(ctx)
	if err != nil {
		s.Log.WarnContext(ctx, "postgres does not answer", "error", err)
		return "down: it does not answer", "down: unknown while postgres is down"
	}
	if version < s.Schema {
		return "ok", fmt.Sprintf("down: it is at version %d, this build needs %d: run wosool migrate", version, s.Schema)
	}
	return "ok", "ok"
}

func (s *Server) checkRedis(ctx context.Context) string {
	if s.PingRedis == nil {
		return "not asked: REDIS_URL is not set"
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := s.PingRedis(ctx); err != nil {
		s.Log.WarnContext(ctx, "redis does not answer", "error", err)
		return "down: it does not answer"
	}
	return "ok"
}
