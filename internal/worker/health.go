package worker

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wosool/wosool/internal/telemetry"
)

// Health serves /healthz, /readyz and /metrics of a worker: it is ready only
// with PostgreSQL, a control schema of at least the given version, and Redis.
func (w *Worker) Health(schema int64, metrics prometheus.Gatherer) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) {
		w.answer(rw, http.StatusOK, map[string]string{"status": "ok"})
	})
	needs := telemetry.Needs{
		SchemaVersion: w.DB.SchemaVersion, Schema: schema, Log: w.Log,
		PingRedis: func(ctx context.Context) error { return w.Redis.Ping(ctx).Err() },
	}
	mux.HandleFunc("GET /readyz", func(rw http.ResponseWriter, r *http.Request) {
		ready, code := needs.Check(r.Context()), http.StatusOK
		if ready.Status != "ok" {
			code = http.StatusServiceUnavailable
		}
		w.answer(rw, code, ready)
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(metrics, promhttp.HandlerOpts{Timeout: 10 * time.Second}))
	return mux
}

func (w *Worker) answer(rw http.ResponseWriter, code int, body any) {
	rw.Header().Set("Content-Type", "application/json; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	rw.WriteHeader(code)
	if err := json.NewEncoder(rw).Encode(body); err != nil {
		w.Log.Debug("answer a probe", "error", err)
	}
}
