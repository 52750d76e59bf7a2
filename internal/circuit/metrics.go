package circuit

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/store"
)

func newOpenings() *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "wosool_circuit_openings_total",
		Help: "Circuits that this process has opened, by kind: provider, store, database.",
	}, []string{"kind"})
}

// Register adds the figures of circuits to a registry.
func (c *Circuits) Register(r prometheus.Registerer) error {
	for _, kind := range []string{store.CircuitProvider, store.CircuitStore, store.CircuitDatabase} {
		c.openings.WithLabelValues(kind)
	}
	if err := r.Register(c.openings); err != nil {
		return err
	}
	return r.Register(&gauges{
		circuits: c,
		open: prometheus.NewDesc("wosool_circuit_open",
			"Whether the circuit before a provider, or a server of tenant databases, is open.", []string{"name", "kind"}, nil),
		stores: prometheus.NewDesc("wosool_circuit_open_stores", "Stores whose own circuit is open, at Salla or at Clerk.", nil, nil),
	})
}

// gauges tell how the fleet's circuits stand.
type gauges struct {
	circuits     *Circuits
	open, stores *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (g *gauges) Describe(out chan<- *prometheus.Desc) { out <- g.open; out <- g.stores }

// Collect implements prometheus.Collector. Stores are counted, not named: there
// may be very many.
func (g *gauges) Collect(out chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	g.circuits.refresh(ctx)
	open := map[string]float64{NameSalla: 0, NameAccounts: 0, NameClerk: 0}
	kinds := map[string]string{}
	stores := 0.0
	for _, s := range g.circuits.known.all() {
		switch {
		case !s.open(), s.HalfOpen:
		case s.Kind == store.CircuitStore:
			stores++
		default:
			open[s.Name], kinds[s.Name] = 1, s.Kind
		}
	}
	for name, value := range open {
		kind := kinds[name]
		if kind == "" {
			kind = store.CircuitProvider
		}
		out <- prometheus.MustNewConstMetric(g.open, prometheus.GaugeValue, value, name, kind)
	}
	out <- prometheus.MustNewConstMetric(g.stores, prometheus.GaugeValue, stores)
}
