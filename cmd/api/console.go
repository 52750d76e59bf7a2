package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/wosool/wosool/internal/access"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/internal/web"
)

// consolePools is the part of TENANT_CONNECTIONS that the console's pages of
// records may take: people look, workers work.
const consolePools = 10

// newReader makes what opens tenants' databases for the console, each as the
// tenant's own role. The caller closes the pools.
func newReader(ctx context.Context, cfg config.Config, db *store.DB, log *slog.Logger) (*access.Access, error) {
	keys, err := vault.OpenKeys(cfg.SecretKeyset.Reveal())
	if err != nil {
		return nil, fmt.Errorf("open SECRET_KEYSET: %w", err)
	}
	servers, err := tenantdb.NewServers(ctx, reveal(cfg.TenantDatabaseURLs), log)
	if err != nil {
		return nil, err
	}
	pools := tenantdb.NewPools(servers, min(consolePools, cfg.TenantConnections), log)
	return &access.Access{DB: db, Keys: keys, Pools: pools}, nil
}

// operatorRetry is how long it takes until the first operator is tried again.
const operatorRetry = 3 * time.Second

// awaitFirstOperator tries to make the first operator until it is done or ctx
// ends. The api serves meanwhile: webhooks need no operator.
func awaitFirstOperator(ctx context.Context, cfg config.Config, s *web.Server, log *slog.Logger) {
	for {
		err := firstOperator(ctx, cfg, s, log)
		if err == nil || ctx.Err() != nil {
			return
		}
		log.WarnContext(ctx, "the first operator is not made yet: trying again", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(operatorRetry):
		}
	}
}

// firstOperator makes the operator of ADMIN_EMAIL where there is none at all.
func firstOperator(ctx context.Context, cfg config.Config, s *web.Server, log *slog.Logger) error {
	if cfg.AdminEmail == "" {
		return nil
	}
	made, err := s.DB.EnsureFirstOperator(ctx, cfg.AdminEmail, func(ctx context.Context) (string, error) {
		return s.Passwords.Hash(ctx, cfg.AdminPassword.Reveal())
	}, store.Actor{Name: "api"})
	if err != nil {
		return fmt.Errorf("make the first operator: %w", err)
	}
	if made {
		log.InfoContext(ctx, "the first operator was made from ADMIN_EMAIL")
	}
	return nil
}
