package sandbox

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// DefaultScopes is what a merchant grants unless a store says otherwise.
const DefaultScopes = "settings.read store-settings.read customers.read orders.read carts.read products.read webhooks.read_write offline_access"

// Config says who the app is to the sandbox and how it behaves.
type Config struct {
	// Seed decides every store's documents.
	Seed uint64
	// PublicURL is the app's public address as the vendors know it: app events
	// go to PublicURL/webhooks/salla, Clerk's to PublicURL/webhooks/clerk.
	PublicURL string
	// DeliverTo replaces scheme and host of every delivery. Empty: nothing is
	// sent, deliveries are only recorded.
	DeliverTo string

	ClientID, ClientSecret string // of the Salla app
	AppID                  int64  // default 1911645512
	Scopes                 string // default DefaultScopes
	WebhookSecret          string // of the Salla app

	ClerkKey           string // sk_test_… or sk_live_…
	ClerkWebhookSecret string // whsec_…; empty: no webhooks from Clerk
	ClerkIssuer        string // default https://clerk. and PublicURL's host
	ClerkInstanceID    string // default ins_2sandboxInstance

	// Strategy protects app.* events: "signature" (default) or "token".
	Strategy string
	// Rate is "off" (default): limits are announced but too high to meet, or
	// "documented": by the store's plan, with Clerk's own turned on too.
	Rate string
	// RetryEvery is the time between resends of a failed delivery, default five
	// minutes. Clerk's own schedule is scaled by the same factor.
	RetryEvery time.Duration
	// TokenLife is how long an access token lives, default 14 days.
	TokenLife time.Duration

	Options Options

	Log *slog.Logger
	Now func() time.Time // default time.Now
}

// Options are behaviours that may be changed while the Server runs. The zero
// value is what the contracts hold most likely, or else the stricter reading.
type Options struct {
	// AuthorizeFirst delivers app.store.authorize before app.installed.
	AuthorizeFirst bool `json:"authorize_first"`
	// UserInfoUnwrapped leaves the data envelope off user/info.
	UserInfoUnwrapped bool `json:"user_info_unwrapped"`
	// UnsetStrategy protects subscriptions that name no strategy: "none"
	// (default), or "signature" with the app's secret.
	UnsetStrategy string `json:"unset_strategy"`
	// SubscribeSecurity lets POST /webhooks/subscribe take security_strategy
	// and secret; otherwise both are ignored there.
	SubscribeSecurity bool `json:"subscribe_security"`
	// ListSecurity shows security in GET /webhooks as well.
	ListSecurity bool `json:"list_security"`
	// ConsentMerchant agrees to every authorization-code request that names no
	// merchant; 0: the store with the lowest number.
	ConsentMerchant int64 `json:"consent_merchant"`
	// Slugs turns on organization slugs in Clerk.
	Slugs bool `json:"slugs"`
	// LeakyLimits reads a store's limit as a bucket that leaks all the time instead of
	// one that is emptied every minute.
	LeakyLimits bool `json:"leaky_limits"`
	// ClerkLimits turns on Clerk's rate limits.
	ClerkLimits bool `json:"clerk_limits"`
	// OrganizationQuota bounds how many organizations Clerk keeps; 0: no bound.
	OrganizationQuota int `json:"organization_quota"`
}

// Server is Salla, Clerk and Twenty in one process. It is safe for concurrent
// use. Close ends its background work.
type Server struct {
	cfg   Config
	log   *slog.Logger
	now   func() time.Time
	words *tables

	mu     sync.RWMutex
	stores map[int64]*store
	opts   Options

	grants  *grants
	clerk   *clerk
	faults  *faults
	stats   *stats
	courier *courier
	egress  *egress // the customers limit, by client address

	ctx     context.Context
	stop    context.CancelFunc
	work    sync.WaitGroup
	lifeMu  sync.Mutex
	liveMu  sync.Mutex
	liveEnd context.CancelFunc
	handler http.Handler
}

// New returns a Server without stores. The caller closes it.
func New(cfg Config) *Server {
	cfg.AppID = cmp.Or(cfg.AppID, 1911645512)
	cfg.Scopes = cmp.Or(cfg.Scopes, DefaultScopes)
	cfg.Strategy = cmp.Or(strings.ToLower(cfg.Strategy), strategySignature)
	cfg.Rate = cmp.Or(cfg.Rate, "off")
	cfg.RetryEvery = cmp.Or(cfg.RetryEvery, 5*time.Minute)
	cfg.TokenLife = cmp.Or(cfg.TokenLife, 14*24*time.Hour)
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	cfg.ClerkInstanceID = cmp.Or(cfg.ClerkInstanceID, "ins_2sandboxInstance")
	if cfg.ClerkIssuer == "" {
		host := "wosool.example"
		if u, err := url.Parse(cfg.PublicURL); err == nil && u.Hostname() != "" {
			host = u.Hostname()
		}
		cfg.ClerkIssuer = "https://clerk." + host
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rate == "documented" {
		cfg.Options.ClerkLimits = true
	}
	s := &Server{
		cfg: cfg, log: cfg.Log, now: cfg.Now, words: newTables(),
		stores: map[int64]*store{}, opts: cfg.Options,
		grants: newGrants(), clerk: newClerk(), stats: newStats(), egress: newEgress(),
	}
	s.faults = newFaults(cfg.Seed)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.courier = newCourier(s, cfg.DeliverTo)
	s.handler = s.routes()
	return s
}

// Close stops the stores' lives and pending resends, and waits for what is
// being delivered. Handlers that a fault holds open are let go.
func (s *Server) Close() {
	s.lifeMu.Lock()
	s.stop()
	s.lifeMu.Unlock()
	s.work.Wait()
	s.courier.client.CloseIdleConnections()
}

// Handler serves every system under one address; see the package comment.
func (s *Server) Handler() http.Handler { return s.handler }

// SetDeliverTo says where deliveries really go from now on.
func (s *Server) SetDeliverTo(base string) { s.courier.setTarget(base) }

// Options returns the present behaviours.
func (s *Server) Options() Options {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.opts
}

// SetOptions changes behaviours from now on.
func (s *Server) SetOptions(o Options) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opts = o
}

// SallaURL is the Merchant API's base address (SALLA_API_URL) for a Server
// reached at base.
func (*Server) SallaURL(base string) string { return base + "/salla/admin/v2" }

// AccountsURL is the base address of Salla's accounts (SALLA_ACCOUNTS_URL).
func (*Server) AccountsURL(base string) string { return base + "/salla-accounts" }

// ClerkURL is the base address of Clerk's Backend API (CLERK_API_URL).
func (*Server) ClerkURL(base string) string { return base + "/clerk/v1" }

// JWKSURL is where Clerk publishes its keys (CLERK_JWKS_URL).
func (*Server) JWKSURL(base string) string { return base + "/clerk/.well-known/jwks.json" }

// TwentyURL is Twenty's base address (TWENTY_URL).
func (*Server) TwentyURL(base string) string { return base + "/twenty" }

// Issuer is the iss of the session tokens that Clerk signs.
func (s *Server) Issuer() string { return s.cfg.ClerkIssuer }
