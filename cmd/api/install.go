package main

import (
	"context"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/telemetry"
)

// accountsTimeout bounds one call to Salla's OAuth server: a merchant waits for it.
const accountsTimeout = 10 * time.Second

// newInstaller makes what completes the authorization-code flow. What it is given
// goes through the inbox, as a delivery does.
func newInstaller(cfg config.Config, inbox *events.Inbox, metrics prometheus.Registerer) *events.Exchange {
	clients := telemetry.NewClients(metrics)
	api := clients.NewOnce("salla", accountsTimeout)
	return &events.Exchange{
		Inbox: inbox,
		OAuth: &salla.OAuth{
			AccountsURL: cfg.SallaAccountsURL, ClientID: cfg.SallaClientID, ClientSecret: cfg.SallaClientSecret.Reveal(),
			HTTP: clients.NewOnce("salla-accounts", accountsTimeout),
		},
		Redirect: cfg.PublicURL + "/salla/callback",
		Scopes:   strings.Fields(cfg.SallaScopes),
		Store: func(ctx context.Context, access string) (int64, error) {
			info, err := (&salla.Client{BaseURL: cfg.SallaAPIURL, HTTP: api, Token: access}).StoreInfo(ctx)
			return info.ID, err
		},
	}
}
