package main

import (
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/vault"
)

// openSpool opens the folder of SPOOL_DIR, or the first of the standard ones that
// can be written. None is a mistake in the settings.
func openSpool(cfg config.Config, keys *vault.Keys, log *slog.Logger) (*events.Spool, error) {
	folders := []string{cfg.SpoolDir}
	if cfg.SpoolDir == "" {
		folders = standardSpools()
	}
	for _, folder := range folders {
		spool, err := events.OpenSpool(folder, keys, log)
		if err == nil {
			return spool, nil
		}
	}
	return nil, &config.Error{Problems: []string{
		"SPOOL_DIR is not valid: it should be a folder that the api can make or write into and that outlives it",
	}}
}

// standardSpools are the folders of a container, and of a person who develops.
func standardSpools() []string {
	folders := []string{"/var/lib/wosool/spool"}
	state := os.Getenv("XDG_STATE_HOME")
	if home, err := os.UserHomeDir(); state == "" && err == nil {
		state = filepath.Join(home, ".local", "state")
	}
	if filepath.IsAbs(state) {
		folders = append(folders, filepath.Join(state, "wosool", "spool"))
	}
	return folders
}

// spoolMetrics are the figures of a spool: nobody but the process sees its disk.
func spoolMetrics(spool *events.Spool) []prometheus.Collector {
	files := func(state string, count func(events.SpoolState) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "wosool_spool_files",
			Help:        "Deliveries kept on disk: waiting to be committed, or bad, which do not open.",
			ConstLabels: prometheus.Labels{"state": state},
		}, func() float64 { return float64(count(spool.State())) })
	}
	return []prometheus.Collector{
		files("waiting", func(s events.SpoolState) int { return s.Waiting }),
		files("bad", func(s events.SpoolState) int { return s.Bad }),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "wosool_spool_refused_total",
			Help: "Deliveries with credentials that could be neither committed nor kept on disk.",
		}, func() float64 { return float64(spool.State().Refused) }),
	}
}
