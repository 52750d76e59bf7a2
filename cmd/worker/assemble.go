package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hibiken/asynq"
	asynqmetrics "github.com/hibiken/asynq/x/metrics"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/bulk"
	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/imports"
	"github.com/wosool/wosool/internal/provision"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/internal/worker"
)

// assemble fills the worker: what each kind of task needs to be done. The
// caller calls closeWorker when it has stopped.
func assemble(
	ctx context.Context, cfg config.Config, pool *pgxpool.Pool, rdb redis.UniversalClient,
	registry *prometheus.Registry, log *slog.Logger,
) (w *worker.Worker, closeWorker func(), err error) {
	db := store.New(pool)
	queue := tasks.NewEnqueuer(rdb)
	ring := func(ctx context.Context, next []store.Task) { worker.Ring(ctx, queue, log, next) }
	keys, err := vault.OpenKeys(cfg.SecretKeyset.Reveal())
	if err != nil {
		return nil, nil, &config.Error{Problems: []string{fmt.Sprintf("SECRET_KEYSET is not valid: %v", err)}}
	}
	clients := telemetry.NewClients(registry)
	circuits := newCircuits(db, cfg, log)
	if err := circuits.Register(registry); err != nil {
		return nil, nil, fmt.Errorf("register the circuits' metrics: %w", err)
	}
	oauth := &salla.OAuth{
		AccountsURL: cfg.SallaAccountsURL, ClientID: cfg.SallaClientID, ClientSecret: cfg.SallaClientSecret.Reveal(),
		HTTP: clients.NewOnce("salla-accounts", cfg.RefreshDeadline),
	}
	accounts := circuits.Accounts(oauth.Ping)
	oauth.Guard = accounts.Guard
	grants := &vault.Vault{
		DB: db, Keys: keys, Log: log, CallTimeout: cfg.RefreshDeadline, Enqueue: ring, OAuth: oauth, Ready: accounts.Ready,
	}
	urls := make([]string, len(cfg.TenantDatabaseURLs))
	for i, u := range cfg.TenantDatabaseURLs {
		urls[i] = u.Reveal()
	}
	servers, err := tenantdb.NewServers(ctx, urls, log)
	if err != nil {
		return nil, nil, err
	}
	pools := tenantdb.NewPools(servers, cfg.TenantConnections, log)
	allowance := budget.New(rdb)
	allowance.Egress = cfg.SallaEgress
	reach := &access.Access{
		DB: db, Vault: grants, Keys: keys, Budget: allowance, Pools: pools,
		APIURL: cfg.SallaAPIURL, HTTP: clients.New("salla", cfg.CallDeadline), Circuits: circuits,
	}
	importer := &imports.Importer{
		DB: db, Access: polite{reach}, Open: reach.Open, Log: log, Landing: worker.NewLandings(rdb).Take,
	}
	applier := &events.Applier{
		DB: db, Keys: keys, Vault: grants, Log: log, Enqueue: ring, ClerkInstance: cfg.ClerkInstanceID,
		Follows: imports.Follows,
		Probe:   reach.Probe,
		Store: func(ctx context.Context, e events.Live) ([]store.Want, error) {
			return importer.ApplyEvent(ctx, imports.LiveEvent(e))
		},
	}
	provisioner := &provision.Provisioner{
		DB: db, Access: reach, Servers: servers, Keys: keys, Log: log,
		Circuits: circuits,
		Clerk: &clerk.Client{
			BaseURL: cfg.ClerkAPIURL, Key: cfg.ClerkSecretKey.Reveal(), HTTP: clients.New("clerk", cfg.CallDeadline),
		},
		PublicURL: cfg.PublicURL, Strategy: cfg.SallaWebhookStrategy, Secret: cfg.SallaWebhookSecrets[0].Reveal(),
	}
	if err := registry.Register(asynqmetrics.NewQueueMetricsCollector(asynq.NewInspectorFromRedisClient(rdb))); err != nil {
		return nil, nil, fmt.Errorf("register the lanes' metrics: %w", err)
	}
	w = &worker.Worker{
		DB: db, Redis: rdb, Queue: queue, Servers: servers.Names(), Model: blueprint.ModelVersion,
		Retention: cfg.EventRetention, Intervals: cfg.Intervals,
		Concurrency: cfg.WorkerConcurrency, Lanes: cfg.WorkerLanes, Metrics: registry, Log: log, Tend: accounts.Tend,
		Handlers: worker.Handlers{
			ProvisionTenant: worker.Handler{Run: provisioner.Run, GiveUp: provisioner.GiveUp},
			SuspendTenant:   worker.Handler{Run: provisioner.Suspend},
			ResumeTenant:    worker.Handler{Run: provisioner.Resume},
			BootstrapSchema: worker.Handler{Run: provisioner.Bootstrap},
			RefreshToken:    worker.Handler{Run: grants.Refresh},
			ApplyEvent:      worker.Handler{Run: applier.Apply, GiveUp: applier.GiveUp},
			StartImport:     worker.Handler{Run: importer.Start, GiveUp: importer.GiveUpRun},
			ImportPage:      worker.Handler{Run: importer.Page, GiveUp: importer.GiveUpPage},
			FinishImport:    worker.Handler{Run: importer.Finish, GiveUp: importer.GiveUpRun},
			ReadEntity:      worker.Handler{Run: importer.Read},
			ApplyBulk:       worker.Handler{Run: (&bulk.Applier{DB: db, Log: log}).Apply},
		},
	}
	return w, func() {
		drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.RefreshDeadline)
		defer cancel()
		if err := grants.Drain(drain); err != nil {
			log.WarnContext(ctx, "a refresh was cut off; its outcome is unknown", "error", err)
		}
		pools.Close()
	}, nil
}

// newCircuits makes the circuits before what is outside. A probe may take as long
// as any call, and some more.
func newCircuits(db *store.DB, cfg config.Config, log *slog.Logger) *circuit.Circuits {
	return circuit.New(db, circuit.Settings{
		Pause: cfg.CircuitPause, MaxPause: cfg.CircuitMaxPause, MaxRetryAfter: cfg.CircuitAfter,
		Probe: max(cfg.CallDeadline, cfg.RefreshDeadline) * 3 / 2,
	}, log)
}
