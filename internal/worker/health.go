package worker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// checkTimeout bounds one check of /readyz.
const checkTimeout = 2 * time.Second

// Health serves /healthz, /readyz and /metrics of a worker: it is ready only
// with PostgreSQL, a control schema of at least the given version, and Redis.
func (w *Worker) Health(schema int64, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		w.answer(rw, http.StatusOK, map[string]string{"status": "ok"})
	})
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) {
		checks := w.checks(r.Context(), schema)
		status, code := "ok", http.StatusOK
		for _, said := range checks {
			if said != "ok" {
				status, code = "down", http.StatusServiceUnavailable
			}
		}
		w.answer(rw, code, map[string]any{"status": status, "checks": checks})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{Timeout: 10 * time.Second}))
	return mux
}

// checks asks what the worker needs. Why something does not answer is in the
// log: the answer, which anybody may read, names no host and no user.
func (w *Worker) checks(ctx context.Context, schema int64) map[string]string {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	checks := map[string]string{"postgres": "ok", "schema": "ok", "redis": "ok"}
	version, err := w.DB.SchemaVersion(ctx)
	switch {
	case err != nil:
		w.Log.WarnContext(ctx, "postgres does not answer", "error", err)
		checks["postgres"], checks["schema"] = "down: it does not answer", "down: unknown while postgres is down"
	case version < schema:
		checks["schema"] = fmt.Sprintf("down: it is at version %d, this build needs %d: run wosool migrate", version, schema)
	}
	if err := w.Redis.Ping(ctx).Err(); err != nil {
		w.Log.WarnContext(ctx, "redis does not answer", "error", err)
		checks["redis"] = "down: it does not answer"
	}
	return checks
}

func (w *Worker) answer(rw http.ResponseWriter, code int, body any) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(code)
	if err := json.NewEncoder(rw).Encode(body); err != nil {
		w.Log.Debug("answer a probe", "error", err)
	}
}
