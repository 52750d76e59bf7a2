package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/vault"
)

// openSpool opens the folder of SPOOL_DIR, or the first of the standard ones that can
// be made and entered. None is a mistake in the settings; a disk that takes nothing is
// not: webhooks are to be served meanwhile.
func openSpool(cfg config.Config, keys *vault.Keys, log *slog.Logger) (*events.Spool, error) {
	open := func(folder string) (*events.Spool, error) { return events.OpenSpool(folder, keys, log) }
	if cfg.SpoolDir != "" {
		return firstSpool([]string{cfg.SpoolDir}, open, log)
	}
	return firstSpool(config.StandardSpools(os.Getenv), open, log)
}

// firstSpool opens the first folder that is one. Where the disk of a folder that is
// there fails, the next is not taken: what this one holds would be left behind.
func firstSpool(folders []string, open func(string) (*events.Spool, error), log *slog.Logger) (*events.Spool, error) {
	var failing *events.Spool
	var failure, last error
	for _, folder := range folders {
		spool, err := open(folder)
		if err == nil {
			return spool, nil
		}
		last = err
		if !errors.Is(err, events.ErrSpoolDisk) {
			continue
		}
		if failing == nil {
			failing, failure = spool, err
		}
		if _, err := os.Stat(folder); err == nil {
			break
		}
	}
	if failing != nil {
		log.Error("nothing can be spooled: deliveries with credentials that PostgreSQL does not take are refused", "error", failure)
		return failing, nil
	}
	return nil, &config.Error{Problems: []string{fmt.Sprintf(
		"SPOOL_DIR is not valid: it should be a folder that the api can make or write into and that outlives it (%s)", cause(last))}}
}

// cause says why a folder could not be used, without naming it.
func cause(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return "it could not be opened"
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
