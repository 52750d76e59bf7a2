package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Commits measures how the inbox groups deliveries into commits.
type Commits struct {
	events  prometheus.Histogram
	seconds *prometheus.HistogramVec
}

// NewCommits returns what reports commits of deliveries to reg.
func NewCommits(reg prometheus.Registerer) *Commits {
	c := &Commits{
		events: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "wosool_inbox_commit_events",
			Help:    "Deliveries that were in one commit.",
			Buckets: []float64{1, 2, 4, 8, 16, 32, 64, 128},
		}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "wosool_inbox_commit_duration_seconds",
			Help:    "Commits of deliveries, by outcome (ok, failed).",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
		}, []string{"outcome"}),
	}
	reg.MustRegister(c.events, c.seconds)
	return c
}

// Observe notes one commit: how many deliveries were in it, how long it took and
// whether it failed.
func (c *Commits) Observe(events int, took time.Duration, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	c.events.Observe(float64(events))
	c.seconds.WithLabelValues(outcome).Observe(took.Seconds())
}
