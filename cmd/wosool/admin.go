package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/web"
	"github.com/wosool/wosool/migrations"
)

type migrateCmd struct{}

// Run migrates the control database, shuts tenants' roles out of it, and has
// workers bring each server's template to the newest model.
func (migrateCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.settings()
	if err != nil {
		return err
	}
	if err := migrations.Up(ctx, cfg.DatabaseURL.Reveal()); err != nil {
		return err
	}
	servers, err := a.servers(ctx, cfg)
	if err != nil {
		return err
	}
	db, err := a.database(ctx, cfg)
	if err != nil {
		return err
	}
	// Before the first delivery: later partitions are made long before their day.
	if err := db.EnsurePartitions(ctx, time.Now()); err != nil {
		return err
	}
	control := a.pool.Config().ConnConfig
	if err := servers.Fence(ctx, control.Database, control.User); err != nil {
		return err
	}
	todo, err := db.EnsureTargets(ctx, servers.Names(), blueprint.ModelVersion)
	if err != nil {
		return err
	}
	a.ring(ctx, cfg, todo)
	version, err := db.SchemaVersion(ctx)
	if err != nil {
		return err
	}
	answer := struct {
		Schema  int64    `json:"schema"`
		Model   int      `json:"model"`
		Servers []string `json:"servers"`
	}{version, blueprint.ModelVersion, servers.Names()}
	return a.print(answer, func(w io.Writer) {
		fmt.Fprintf(w, "The control database is at version %d.\n", answer.Schema)
		fmt.Fprintf(w, "Tenants' roles are shut out of every other database on %d server(s).\n", len(answer.Servers))
		if len(todo) > 0 {
			fmt.Fprintf(w, "Workers will bring %d template(s) to model version %d.\n", len(todo), answer.Model)
		}
	})
}

// servers are the servers that hold tenant databases.
func (a *app) servers(ctx context.Context, cfg config.Config) (*tenantdb.Servers, error) {
	urls := make([]string, len(cfg.TenantDatabaseURLs))
	for i, u := range cfg.TenantDatabaseURLs {
		urls[i] = u.Reveal()
	}
	return tenantdb.NewServers(ctx, urls, a.log(cfg))
}

type healthCmd struct{}

// Run asks what the api asks for /readyz; it fails where that is down.
func (healthCmd) Run(ctx context.Context, a *app) error {
	cfg, err := a.settings()
	if err != nil {
		return err
	}
	db, err := a.anyDatabase(ctx, cfg)
	if err != nil {
		return err
	}
	schema, err := migrations.Version()
	if err != nil {
		return err
	}
	s := web.Server{DB: db, Schema: schema, Log: a.log(cfg)}
	queue, err := a.queue(cfg)
	if err != nil {
		return err
	}
	if queue != nil {
		s.PingRedis = func(ctx context.Context) error { return a.redis.Ping(ctx).Err() }
	}
	h := struct {
		telemetry.Readiness

		Circuits []web.Circuit `json:"circuits"`
	}{Readiness: s.Health(ctx), Circuits: []web.Circuit{}}
	if h.Checks.Schema == "ok" {
		if h.Circuits, err = web.ReadCircuits(ctx, db); err != nil {
			return err
		}
	}
	if err := a.print(h, func(w io.Writer) {
		row(w, "status", h.Status)
		row(w, "postgres", h.Checks.Postgres)
		row(w, "schema", h.Checks.Schema)
		row(w, "redis", h.Checks.Redis)
		circuits(w, h.Circuits)
	}); err != nil {
		return err
	}
	if h.Status == "down" {
		return fault.New(fault.Unavailable, "Wosool is down: see the checks")
	}
	return nil
}

type statsCmd struct{}

// Run prints the figures.
func (statsCmd) Run(ctx context.Context, a *app) error {
	db, cfg, err := a.open(ctx)
	if err != nil {
		return err
	}
	s, err := web.ReadStats(ctx, db)
	if err != nil {
		return err
	}
	queue, err := a.queue(cfg)
	if err != nil {
		return err
	}
	if queue != nil {
		if lanes, err := queue.Lanes(ctx); err != nil {
			fmt.Fprintln(a.notes, "Redis does not answer: the lanes are left out.")
		} else {
			s.Lanes = web.LaneRows(lanes)
		}
	}
	return a.print(s, func(w io.Writer) {
		counts(w, "TENANTS", s.Tenants)
		counts(w, "EVENTS", s.Events)
		counts(w, "IMPORTS", s.Imports)
		if len(s.Lanes) > 0 {
			row(w, "LANE", "PENDING", "ACTIVE", "RETRY", "ARCHIVED", "OLDEST SECONDS")
		}
		for _, l := range s.Lanes {
			row(w, l.Lane, l.Pending, l.Active, l.Retry, l.Archived, l.OldestSeconds)
		}
		circuits(w, s.Circuits)
	})
}

// circuits prints what does not answer.
func circuits(w io.Writer, open []web.Circuit) {
	if len(open) > 0 {
		row(w, "DOES NOT ANSWER", "SINCE", "REASON", "NEXT PROBE")
	}
	for _, c := range open {
		row(w, c.Name, c.Since, c.Reason, c.NextProbe)
	}
}

func counts(w io.Writer, title string, by map[string]int64) {
	row(w, title, "COUNT")
	for _, status := range slices.Sorted(maps.Keys(by)) {
		row(w, status, by[status])
	}
	row(w)
}

type versionCmd struct{}

// Run prints what this build is. It needs no settings.
func (versionCmd) Run(a *app) error {
	schema, err := migrations.Version()
	if err != nil {
		return err
	}
	v := struct {
		Version  string `json:"version"`
		Revision string `json:"revision"`
		Go       string `json:"go"`
		Schema   int64  `json:"schema"`
		Model    int    `json:"model"`
	}{Schema: schema, Model: blueprint.ModelVersion}
	b := telemetry.ThisBuild()
	v.Version, v.Revision, v.Go = b.Version, b.Revision, b.Go
	return a.print(v, func(w io.Writer) {
		row(w, "version", v.Version)
		row(w, "revision", v.Revision)
		row(w, "go", v.Go)
		row(w, "control schema", v.Schema)
		row(w, "data model", v.Model)
	})
}
