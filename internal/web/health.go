package web

import (
	"context"
	"net/http"

	"github.com/wosool/wosool/internal/telemetry"
)

// checkTimeout bounds one check: a probe must not wait as long as a request.
const checkTimeout = telemetry.CheckTimeout

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

// Health asks everything that the api needs. It is of use without Redis.
func (s *Server) Health(ctx context.Context) telemetry.Readiness {
	return telemetry.Needs{
		SchemaVersion: s.DB.SchemaVersion, Schema: s.Schema, PingRedis: s.PingRedis, WithoutRedis: true, Log: s.Log,
	}.Check(ctx)
}
