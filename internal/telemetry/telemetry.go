// Package telemetry is what the processes share to be seen from outside: the
// logger, the metrics registry, and the one builder of HTTP clients.
package telemetry

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// NewLogger returns the process's logger: one line an event, JSON or text.
func NewLogger(w io.Writer, level slog.Level, format, process string) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewJSONHandler(w, options)
	if format == "text" {
		h = slog.NewTextHandler(w, options)
	}
	return slog.New(contextHandler{h}).With("process", process)
}

type attrsKey struct{}

// With returns a context whose log lines carry attrs: request, tenant and task ids.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	had, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return context.WithValue(ctx, attrsKey{}, append(had[:len(had):len(had)], attrs...))
}

// contextHandler adds the context's attributes to each line.
type contextHandler struct{ slog.Handler }

func (h contextHandler) Handle(ctx context.Context, r slog.Record) error {
	if attrs, ok := ctx.Value(attrsKey{}).([]slog.Attr); ok {
		r.AddAttrs(attrs...)
	}
	return h.Handler.Handle(ctx, r)
}

func (h contextHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return contextHandler{h.Handler.WithAttrs(attrs)}
}

func (h contextHandler) WithGroup(name string) slog.Handler {
	return contextHandler{h.Handler.WithGroup(name)}
}

// NewRegistry returns a metrics registry with the process's own figures.
func NewRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// Clients builds HTTP clients that are measured by provider.
type Clients struct {
	duration *prometheus.HistogramVec
}

// NewClients returns a builder whose clients report to reg.
func NewClients(reg prometheus.Registerer) *Clients {
	c := &Clients{duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "wosool_provider_request_duration_seconds",
		Help:    "Calls to the outside systems, by provider, method and status (0: no answer).",
		Buckets: []float64{.02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	}, []string{"provider", "method", "status"})}
	reg.MustRegister(c.duration)
	return c
}

// New returns a client for one provider. timeout bounds a whole call. Redirects
// are never followed: a token goes only where it was sent.
func (c *Clients) New(provider string, timeout time.Duration) *http.Client {
	return c.build(provider, timeout, false)
}

// NewOnce is New for calls that must never be sent twice: each has a connection
// of its own, so that none meets one that the other side has just closed.
func (c *Clients) NewOnce(provider string, timeout time.Duration) *http.Client {
	return c.build(provider, timeout, true)
}

func (c *Clients) build(provider string, timeout time.Duration, once bool) *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{
		Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &measured{provider: provider, duration: c.duration, next: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           dialer.DialContext,
			TLSHandshakeTimeout:   5 * time.Second,
			ResponseHeaderTimeout: timeout,
			MaxIdleConnsPerHost:   16,
			MaxConnsPerHost:       64,
			IdleConnTimeout:       60 * time.Second,
			ForceAttemptHTTP2:     !once,
			DisableKeepAlives:     once,
		}},
	}
}

type measured struct {
	provider string
	duration *prometheus.HistogramVec
	next     http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (m *measured) RoundTrip(req *http.Request) (*http.Response, error) {
	begun := time.Now()
	resp, err := m.next.RoundTrip(req)
	status := "0"
	if err == nil {
		status = strconv.Itoa(resp.StatusCode)
	}
	m.duration.WithLabelValues(m.provider, req.Method, status).Observe(time.Since(begun).Seconds())
	return resp, err
}
