package main

import (
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
	return &events.Exchange{
		Inbox: inbox,
		OAuth: &salla.OAuth{
			AccountsURL: cfg.SallaAccountsURL, ClientID: cfg.SallaClientID, ClientSecret: cfg.SallaClientSecret.Reveal(),
			HTTP: telemetry.NewClients(metrics).NewOnce("salla-accounts", accountsTimeout),
		},
		Redirect: cfg.PublicURL + "/salla/callback",
		Scopes:   strings.Fields(cfg.SallaScopes),
	}
}
