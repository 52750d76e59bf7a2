// Package web is the HTTP door: it parses a request, calls one act of the domain
// or the store, and answers. What an act wants done next it gets as tasks, which
// it hands to the queue after the commit. It holds no SQL and calls no vendor.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/passkey"
	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Queue takes the tasks of what was committed. *tasks.Enqueuer is one; its
// failures lose nothing, since the sweeper reads the rows.
type Queue interface {
	Enqueue(ctx context.Context, refs ...tasks.Ref) error
	Wake(ctx context.Context, refs ...tasks.Ref) error
	Lanes(ctx context.Context) ([]tasks.LaneStat, error)
	Pause(ctx context.Context, lane string, paused bool) error
}

// Server holds what handlers need. All fields are required but those that say so.
type Server struct {
	DB             *store.DB
	Inbox          *events.Inbox
	Queue          Queue
	PingRedis      func(context.Context) error // asks Redis whether it answers; nil: it is not asked
	Schema         int64                       // the control schema's version that this build needs
	Metrics        *prometheus.Registry
	Log            *slog.Logger
	AdminKey       string           // opens the operator API whole; empty: only keys that admins made do
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For and X-Forwarded-Proto are believed; may be empty
	PublicURL      string           // where the world reaches us: at an https one cookies are never sent by http; may be empty
	Passwords      *password.Hasher // of operators; nil: one of the standard cost
	Passkeys       *passkey.Party   // nil: operators can't sign in by passkeys
	Asynqmon       *Asynqmon        // at /admin/queues; nil: the address says that there is none
	Stopping       <-chan struct{}  // closed when the process begins to stop: event streams end; nil: they don't know

	// Install completes Salla's authorization-code flow; nil: its addresses lead nowhere.
	Install Installer
	// Grace is what a process that stops gives a flow that comes back; 0: 25 seconds.
	Grace time.Duration

	// OpenTenant opens a tenant's database as the tenant's own role, for the
	// console's pages of records; nil: those pages say that there is none.
	OpenTenant func(ctx context.Context, tenantID uuid.UUID) (*tenantdb.DB, error)
	// Imports re-drives rejects, for which it needs no Access; nil: they can't be.
	Imports *imports.Importer

	// Allowance tells what Salla allows stores, for how long imports will take; nil:
	// only what was measured tells.
	Allowance Allowance

	console    console
	snapshots  snapshots
	failedWork failedWork
}

// How long a request may take before its context ends. What it did not commit
// by then is not done.
const (
	apiTimeout   = 15 * time.Second
	probeTimeout = 5 * time.Second
)

// Handler returns the whole URL surface. This is the map to read first.
func (s *Server) Handler() http.Handler {
	r := chi.NewRouter()
	r.Use(withRequestID, s.withAddress, withHeaders, s.withAccessLog(s.requestSeconds()), s.withRecovery)
	r.NotFound(s.handle(noRoute))
	r.MethodNotAllowed(s.handle(noMethod))

	r.Post("/webhooks/salla", s.handle(s.receiveSalla))
	r.Post("/webhooks/clerk", s.handle(s.receiveClerk))
	s.sallaRoutes(r)

	r.Route("/api/admin/v1", func(r chi.Router) {
		r.Use(s.withAdminKey, withTimeout(apiTimeout))
		r.Get("/tenants", s.handle(s.listTenants))
		r.Post("/tenants", s.handle(s.createTenant))
		r.Get("/tenants/{id}", s.handle(s.showTenant))
		r.Post("/tenants/{id}/retry", s.handle(s.retryTenant))
		r.Post("/tenants/{id}/import", s.handle(s.importTenant))
		r.Post("/tenants/{id}/import/pause", s.handle(s.pauseImport))
		r.Post("/tenants/{id}/import/resume", s.handle(s.resumeImport))
		r.Post("/tenants/{id}/import/cancel", s.handle(s.cancelImport))
		r.Post("/tenants/{id}/suspend", s.handle(s.suspendTenant))
		r.Post("/tenants/{id}/resume", s.handle(s.resumeTenant))
		r.Post("/tenants/{id}/deprovision", s.handle(s.deprovisionTenant))
		r.Get("/tenants/{id}/rejects", s.handle(s.listRejects))
		r.Post("/tenants/{id}/rejects/redrive", s.handle(s.redriveRejects))
		r.Get("/tenants/{id}/rejects/{reject}", s.handle(s.showReject))
		r.Get("/imports/{id}", s.handle(s.showImport))
		r.Get("/imports/{id}/report.csv", s.handle(s.importReportCSV))
		r.Get("/events", s.handle(s.listEvents))
		r.Get("/events/{id}", s.handle(s.showEvent))
		r.Post("/events/{id}/replay", s.handle(s.replayEvent))
		r.Get("/dead-letters", s.handle(s.listDead))
		r.Post("/dead-letters/retry", s.handle(s.retryDeadLetters))
		r.Post("/dead-letters/{task}/{id}/retry", s.handle(s.retryDeadLetter))
		r.Get("/stats", s.handle(s.showStats))
	})

	r.Route("/admin", s.consoleRoutes)

	r.Group(func(r chi.Router) {
		r.Use(withTimeout(probeTimeout))
		r.Get("/healthz", s.handle(s.healthz))
		r.Get("/readyz", s.handle(s.readyz))
		r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{Timeout: probeTimeout}))
	})
	return r
}

func noRoute(http.ResponseWriter, *http.Request) error {
	return &problem{Status: http.StatusNotFound, Code: codeNotFound, Message: "there is nothing at this address"}
}

// noMethod names the methods that the address does take, as HTTP wants it.
func noMethod(w http.ResponseWriter, r *http.Request) error {
	if routes := chi.RouteContext(r.Context()).Routes; routes != nil {
		for _, m := range []string{http.MethodGet, http.MethodPost} {
			if routes.Match(chi.NewRouteContext(), m, r.URL.Path) {
				w.Header().Add("Allow", m)
			}
		}
	}
	return &problem{
		Status: http.StatusMethodNotAllowed, Code: codeMethod, Message: "this address does not take this method",
	}
}

// requestSeconds returns the histogram of requests, the one that the registry has.
func (s *Server) requestSeconds() *prometheus.HistogramVec {
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "wosool_http_request_duration_seconds",
		Help:    "Requests answered, by route, method and class of status.",
		Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"route", "method", "status"})
	err := s.Metrics.Register(h)
	if had, ok := errors.AsType[prometheus.AlreadyRegisteredError](err); ok {
		if same, ok := had.ExistingCollector.(*prometheus.HistogramVec); ok {
			return same
		}
	}
	return h
}

// ring hands the tasks of a committed act to the queue. A failure is only noted:
// the rows are the truth, and the sweeper finds what was not queued.
func (s *Server) ring(ctx context.Context, ring func(context.Context, ...tasks.Ref) error, todo []store.Task) {
	if len(todo) == 0 {
		return
	}
	refs := make([]tasks.Ref, len(todo))
	for i, t := range todo {
		refs[i] = tasks.Ref(t)
	}
	// The act is committed: its tasks are queued even if whoever asked has gone.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), enqueueTimeout)
	defer cancel()
	if err := ring(ctx, refs...); err != nil {
		s.Log.WarnContext(ctx, "tasks not queued, the sweeper will", "tasks", len(refs), "first", refs[0].TaskID(), "error", err)
	}
}

// enqueueTimeout bounds how long a Redis that is slow may hold an answer.
const enqueueTimeout = 2 * time.Second
