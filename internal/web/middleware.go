package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/telemetry"
)

type contextKey int

// keyAddress is where the client's address is in a request's context.
const keyAddress contextKey = 0

// withRequestID gives each request an id: the caller's where it is well formed,
// else a new one. It is answered as X-Request-Id and is in every log line.
func withRequestID(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := r.Header.Get("X-Request-Id")
		if !wellFormed(id) {
			id = uuid.NewString()
		}
		w.Header().Set("X-Request-Id", id)
		next.ServeHTTP(w, r.WithContext(telemetry.With(r.Context(), slog.String("request_id", id))))
	})
}

// wellFormed tells whether an id from outside may go into logs and headers.
func wellFormed(id string) bool {
	if len(id) < 16 || len(id) > 64 {
		return false
	}
	for _, c := range id {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// routeOf names the route of a request by its pattern, which has no ids in it.
func routeOf(r *http.Request) string {
	if ctx := chi.RouteContext(r.Context()); ctx != nil {
		if p := ctx.RoutePattern(); p != "" && p != "/*" {
			return p
		}
	}
	return "unmatched"
}

// withAccessLog writes one line a request and counts it. Neither has a query, a
// body or an id from the path; probes are only logged at debug level.
func (s *Server) withAccessLog(seconds *prometheus.HistogramVec) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			start := time.Now()
			ww := middleware.NewWrapResponseWriter(w, r.ProtoMajor)
			defer func() {
				status, took, route := ww.Status(), time.Since(start), routeOf(r)
				if status == 0 {
					status = http.StatusOK
				}
				seconds.WithLabelValues(route, method(r.Method), statusClass(status)).Observe(took.Seconds())
				level := slog.LevelInfo
				if route == "/healthz" || route == "/readyz" || route == "/metrics" {
					level = slog.LevelDebug
				}
				s.Log.Log(r.Context(), level, "request", "method", method(r.Method), "route", route,
					"status", status, "duration_ms", took.Milliseconds(), "bytes", ww.BytesWritten(),
					"address", address(r.Context()))
			}()
			next.ServeHTTP(ww, r)
		})
	}
}

// method keeps what anybody may write as a method out of labels and logs.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return m
	}
	return "other"
}

func statusClass(status int) string {
	return string(rune('0'+status/100)) + "xx"
}

// withRecovery turns a panic into a 500 and a log line with its stack.
func (s *Server) withRecovery(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			v := recover()
			if v == nil {
				return
			}
			if err, ok := v.(error); ok && errors.Is(err, http.ErrAbortHandler) {
				panic(v) // net/http's own way to drop a connection
			}
			s.Log.ErrorContext(r.Context(), "request panicked", "method", method(r.Method), "route", routeOf(r),
				"error", v, "stack", string(debug.Stack()))
			if ww, ok := w.(middleware.WrapResponseWriter); !ok || ww.Status() == 0 {
				p, _ := answerTo(errors.New("panic"))
				s.answer(w, r, p)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// withHeaders sets what no answer of ours goes without: nothing here is a page.
func withHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

// withTimeout ends a request's context after d: no handler waits for ever.
func withTimeout(d time.Duration) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), d)
			defer cancel()
			next.ServeHTTP(w, r.WithContext(ctx))
		})
	}
}
