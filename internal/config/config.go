// Package config reads the settings of the processes from the environment: once,
// all mistakes at once, and never a value in a message.
package config

import (
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/mail"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Secret is a value that never prints.
type Secret string

func (Secret) String() string { return "[redacted]" }

// GoString keeps %#v from printing the value.
func (Secret) GoString() string { return "[redacted]" }

// LogValue keeps slog from printing the value.
func (Secret) LogValue() slog.Value { return slog.StringValue("[redacted]") }

// Reveal gives the value to the one place that needs it.
func (s Secret) Reveal() string { return string(s) }

// Process is a binary that has settings.
type Process string

// The processes.
const (
	API    Process = "api"
	Worker Process = "worker"
	Wosool Process = "wosool"
)

// Config is every setting. Those that a process does not need may be empty.
type Config struct {
	DatabaseURL        Secret
	TenantDatabaseURLs []Secret // the servers that hold tenant databases, the first of them DATABASE_URL's by default
	RedisURL           Secret
	PublicURL          string // without a slash at its end
	SecretKeyset       Secret // base64 of a Tink keyset

	SallaClientID        string
	SallaClientSecret    Secret
	SallaWebhookSecrets  []Secret // the first is the one that is registered
	SallaWebhookStrategy string   // signature or token
	SallaAPIURL          string
	SallaAccountsURL     string
	SallaScopes          string
	SallaEgress          string // names the address that this process calls Salla from

	ClerkSecretKey         Secret
	ClerkWebhookSecrets    []Secret
	ClerkIssuer            string
	ClerkAPIURL            string
	ClerkJWKSURL           string
	ClerkAuthorizedParties []string
	ClerkInstanceID        string

	TwentyURL string

	HTTPAddr          string
	WorkerConcurrency int
	WorkerLanes       []string
	TenantConnections int
	EventRetention    time.Duration
	SpoolDir          string // "": a standard folder

	AdminEmail     string
	AdminPassword  Secret
	AdminAPIKey    Secret
	TrustedProxies []netip.Prefix

	LogLevel  slog.Level
	LogFormat string // json or text

	Intervals
}

// Intervals are the clocks of the work: leases, sweeps and grace.
type Intervals struct {
	Lease           time.Duration // how long a row is held without renewal
	LeaseRenew      time.Duration // how often a holder renews
	Sweep           time.Duration // between two rounds of the sweeper
	Unleased        time.Duration // how long a task may be active without a lease
	LeaderLease     time.Duration // how long a leader that died still leads
	LeaderRenew     time.Duration // how often a leader renews
	Schedule        time.Duration // between two rounds of the scheduler
	Prune           time.Duration // between two rounds of the pruner
	Reconcile       time.Duration // between two reconciles of a tenant
	Grace           time.Duration // what a stopping process gives its handlers
	TaskCheck       time.Duration // between two looks at an empty lane
	DelayedCheck    time.Duration // between two looks at scheduled tasks
	RefreshDeadline time.Duration // how long one refresh call may take
	CallDeadline    time.Duration // how long any other call to Salla or Clerk may take
	CircuitPause    time.Duration // from the opening of a circuit to its first probe
	CircuitMaxPause time.Duration // the longest pause between two probes
	CircuitAfter    time.Duration // the longest Retry-After of an outage that is believed
}

// Error is every setting that is missing or wrong, in one message.
type Error struct{ Problems []string }

func (e *Error) Error() string {
	return "settings: " + strings.Join(e.Problems, "; ")
}

// Load reads the settings of process p. The error is an *Error that names every
// setting that is missing or not as it should be, and never quotes a value.
func Load(p Process, getenv func(string) string) (Config, error) {
	r := &reader{getenv: getenv, process: p}
	serves := p == API || p == Worker
	c := Config{
		DatabaseURL:  r.databaseURL("DATABASE_URL", true),
		RedisURL:     r.redisURL("REDIS_URL", serves),
		PublicURL:    r.publicURL("PUBLIC_URL", serves),
		SecretKeyset: r.keyset("SECRET_KEYSET", true),

		SallaClientID:        r.text("SALLA_CLIENT_ID", serves, "", "the app's client id"),
		SallaClientSecret:    Secret(r.text("SALLA_CLIENT_SECRET", serves, "", "the app's client secret")),
		SallaWebhookSecrets:  r.secrets("SALLA_WEBHOOK_SECRET", serves, "one or more webhook secrets, comma separated", nil),
		SallaWebhookStrategy: r.oneOf("SALLA_WEBHOOK_STRATEGY", "signature", "signature", "token"),
		SallaAPIURL:          r.url("SALLA_API_URL", "https://api.salla.dev/admin/v2"),
		SallaAccountsURL:     r.url("SALLA_ACCOUNTS_URL", "https://accounts.salla.sa"),
		SallaScopes: r.text("SALLA_SCOPES", false,
			"settings.read customers.read orders.read carts.read products.read webhooks.read_write offline_access", ""),
		SallaEgress: r.word("SALLA_EGRESS", "default"),

		ClerkSecretKey: Secret(r.text("CLERK_SECRET_KEY", serves, "", "the instance's secret key, sk_…")),
		ClerkWebhookSecrets: r.secrets("CLERK_WEBHOOK_SECRET", p == API,
			"whsec_ and the base64 of at least 24 bytes", validWebhookSecret),
		ClerkIssuer:            r.issuer("CLERK_ISSUER", p == API),
		ClerkAPIURL:            r.url("CLERK_API_URL", "https://api.clerk.com/v1"),
		ClerkAuthorizedParties: r.list("CLERK_AUTHORIZED_PARTIES"),
		ClerkInstanceID:        r.text("CLERK_INSTANCE_ID", false, "", ""),

		TwentyURL: r.text("TWENTY_URL", false, "", ""),

		WorkerConcurrency: r.number("WORKER_CONCURRENCY", 20, 1, 1000),
		WorkerLanes:       r.lanes("WORKER_LANES", "provisioning,events,imports,crm,maintenance"),
		TenantConnections: r.number("TENANT_CONNECTIONS", 50, 1, 10000),
		EventRetention:    r.duration("EVENT_RETENTION", 90*24*time.Hour),

		AdminEmail:     r.email("ADMIN_EMAIL"),
		AdminPassword:  r.password("ADMIN_PASSWORD", "ADMIN_EMAIL"),
		AdminAPIKey:    r.apiKey("ADMIN_API_KEY"),
		TrustedProxies: r.prefixes("TRUSTED_PROXIES"),

		LogLevel:  r.level("LOG_LEVEL"),
		LogFormat: r.oneOf("LOG_FORMAT", "json", "json", "text"),

		Intervals: Intervals{
			Lease:           r.duration("LEASE_DURATION", 15*time.Second),
			LeaseRenew:      r.duration("LEASE_RENEW_INTERVAL", 5*time.Second),
			Sweep:           r.duration("SWEEP_INTERVAL", 5*time.Second),
			Unleased:        r.duration("UNLEASED_AFTER", 30*time.Second),
			LeaderLease:     r.duration("LEADER_LEASE", 10*time.Second),
			LeaderRenew:     r.duration("LEADER_RENEW_INTERVAL", 3*time.Second),
			Schedule:        r.duration("SCHEDULE_INTERVAL", 30*time.Second),
			Prune:           r.duration("PRUNE_INTERVAL", time.Hour),
			Reconcile:       r.duration("RECONCILE_INTERVAL", 24*time.Hour),
			Grace:           r.duration("SHUTDOWN_GRACE", 25*time.Second),
			TaskCheck:       r.duration("TASK_CHECK_INTERVAL", 200*time.Millisecond),
			DelayedCheck:    r.duration("DELAYED_CHECK_INTERVAL", time.Second),
			RefreshDeadline: r.duration("REFRESH_DEADLINE", 30*time.Second),
			CallDeadline:    r.duration("CALL_DEADLINE", 20*time.Second),
			CircuitPause:    r.duration("CIRCUIT_PAUSE", 5*time.Second),
			CircuitMaxPause: r.duration("CIRCUIT_MAX_PAUSE", 2*time.Minute),
			CircuitAfter:    r.duration("CIRCUIT_MAX_RETRY_AFTER", 15*time.Minute),
		},
	}
	c.HTTPAddr = r.addr("HTTP_ADDR", standardAddr(p))
	if p != Worker {
		c.SpoolDir = r.text("SPOOL_DIR", false, "", "")
	}
	c.ClerkJWKSURL = r.url("CLERK_JWKS_URL", strings.TrimSuffix(c.ClerkIssuer, "/")+"/.well-known/jwks.json")
	c.TenantDatabaseURLs = r.tenantURLs("TENANT_DATABASE_URLS", c.DatabaseURL)
	if c.LeaseRenew >= c.Lease {
		r.wrong("LEASE_RENEW_INTERVAL", "shorter than LEASE_DURATION")
	}
	if c.CircuitMaxPause < c.CircuitPause {
		r.wrong("CIRCUIT_MAX_PAUSE", "at least CIRCUIT_PAUSE")
	}
	if c.LeaderRenew >= c.LeaderLease {
		r.wrong("LEADER_RENEW_INTERVAL", "shorter than LEADER_LEASE")
	}
	if len(r.problems) > 0 {
		return Config{}, &Error{Problems: r.problems}
	}
	return c, nil
}

// reader collects what is wrong while it reads.
type reader struct {
	getenv   func(string) string
	process  Process
	problems []string
}

func (r *reader) missing(name, should string) {
	r.problems = append(r.problems, fmt.Sprintf("%s is missing: it should be %s", name, should))
}

func (r *reader) wrong(name, should string) {
	r.problems = append(r.problems, fmt.Sprintf("%s is not valid: it should be %s", name, should))
}

// value reads one setting; ok is false where it is empty.
func (r *reader) value(name string, required bool, should string) (v string, ok bool) {
	v, readable := r.get(name)
	if v == "" && required && readable {
		r.missing(name, should)
	}
	return v, v != ""
}

func (r *reader) text(name string, required bool, standard, should string) string {
	if v, ok := r.value(name, required, should); ok {
		return v
	}
	return standard
}

// word reads a name without spaces or signs that mean something elsewhere.
func (r *reader) word(name, standard string) string {
	v := r.text(name, false, standard, "")
	unfit := func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.ContainsRune("._:-", c))
	}
	if len(v) > 64 || strings.ContainsFunc(v, unfit) {
		r.wrong(name, "at most 64 letters, digits, dots, colons, dashes and underscores")
	}
	return v
}

func (r *reader) list(name string) []string {
	v, _ := r.get(name)
	return split(v)
}

// split reads what is separated by commas.
func split(v string) []string {
	var items []string
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func (r *reader) secrets(name string, required bool, should string, valid func(string) bool) []Secret {
	v, readable := r.get(name)
	items := split(v)
	if len(items) == 0 && required && readable {
		r.missing(name, should)
	}
	var secrets []Secret
	for _, item := range items {
		if valid != nil && !valid(item) {
			r.wrong(name, should)
			return nil
		}
		secrets = append(secrets, Secret(item))
	}
	return secrets
}

func (r *reader) oneOf(name, standard string, allowed ...string) string {
	v, ok := r.value(name, false, "")
	if !ok {
		return standard
	}
	if !slices.Contains(allowed, v) {
		r.wrong(name, strings.Join(allowed, " or "))
	}
	return v
}

func (r *reader) lanes(name, standard string) []string {
	known := strings.Split(standard, ",")
	items := r.list(name)
	if len(items) == 0 {
		return known
	}
	for _, item := range items {
		if !slices.Contains(known, item) {
			r.wrong(name, "some of "+standard)
			break
		}
	}
	return items
}

func (r *reader) number(name string, standard, least, most int) int {
	v, ok := r.value(name, false, "")
	if !ok {
		return standard
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < least || n > most {
		r.wrong(name, fmt.Sprintf("a number from %d to %d", least, most))
	}
	return n
}

// duration reads "15s", "1h30m" or whole days, "90d".
func (r *reader) duration(name string, standard time.Duration) time.Duration {
	v, ok := r.value(name, false, "")
	if !ok {
		return standard
	}
	d, err := time.ParseDuration(v)
	if days, isDays := strings.CutSuffix(v, "d"); isDays {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * 24 * time.Hour
	}
	if err != nil || d <= 0 {
		r.wrong(name, "a duration above zero such as 15s, 2h or 90d")
	}
	return d
}

func (r *reader) level(name string) slog.Level {
	levels := map[string]slog.Level{
		"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
	}
	return levels[r.oneOf(name, "info", slices.Sorted(maps.Keys(levels))...)]
}

func (r *reader) addr(name, standard string) string {
	v, ok := r.value(name, false, "")
	if !ok {
		return standard
	}
	if _, port, found := strings.Cut(v, ":"); !found || port == "" {
		r.wrong(name, "an address to listen on such as :8080")
	}
	return v
}

func (r *reader) prefixes(name string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, item := range r.list(name) {
		p, err := netip.ParsePrefix(item)
		if err != nil {
			a, addrErr := netip.ParseAddr(item)
			if addrErr != nil {
				r.wrong(name, "addresses or networks such as 10.0.0.0/8, comma separated")
				return nil
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		prefixes = append(prefixes, p)
	}
	return prefixes
}

// url reads an http or https address, without the slash at its end.
func (r *reader) url(name, standard string) string {
	v, ok := r.value(name, false, "")
	if !ok {
		return strings.TrimSuffix(standard, "/")
	}
	u, err := url.Parse(v)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		r.wrong(name, "an http or https address")
	}
	return strings.TrimSuffix(v, "/")
}

func (r *reader) publicURL(name string, required bool) string {
	if _, ok := r.value(name, required, "the https address where the world reaches the api"); !ok {
		return ""
	}
	v := r.url(name, "")
	if u, err := url.Parse(v); err == nil && (u.RawQuery != "" || u.Fragment != "") {
		r.wrong(name, "an http or https address without a query")
	}
	return v
}

// issuer reads the exact iss of session tokens.
func (r *reader) issuer(name string, required bool) string {
	if _, ok := r.value(name, required, "the https address of the Clerk frontend API, as in the tokens' iss"); !ok {
		return ""
	}
	return r.url(name, "")
}

func (r *reader) databaseURL(name string, required bool) Secret {
	const should = "a PostgreSQL address, postgres://user:password@host:port/database"
	v, ok := r.value(name, required, should)
	if ok && !isDatabaseURL(v) {
		r.wrong(name, should)
	}
	return Secret(v)
}

func (r *reader) tenantURLs(name string, control Secret) []Secret {
	items := r.list(name)
	if len(items) == 0 {
		return []Secret{control}
	}
	var urls []Secret
	for _, item := range items {
		if !isDatabaseURL(item) {
			r.wrong(name, "PostgreSQL addresses of roles with CREATEDB and CREATEROLE, comma separated")
			return nil
		}
		urls = append(urls, Secret(item))
	}
	return urls
}

func isDatabaseURL(v string) bool {
	u, err := url.Parse(v)
	return err == nil && (u.Scheme == "postgres" || u.Scheme == "postgresql")
}

func (r *reader) redisURL(name string, required bool) Secret {
	const should = "a Redis address, redis://, rediss://, redis-sentinel:// or redis-cluster://"
	v, ok := r.value(name, required, should)
	if !ok {
		return ""
	}
	u, err := url.Parse(v)
	if err != nil || u.Host == "" || !slices.Contains([]string{"redis", "rediss", "redis-sentinel", "redis-cluster"}, u.Scheme) {
		r.wrong(name, should)
	}
	return Secret(v)
}

func (r *reader) keyset(name string, required bool) Secret {
	const should = "the base64 that `wosool keyset new` prints"
	v, ok := r.value(name, required, should)
	if !ok {
		return ""
	}
	if raw, err := base64.StdEncoding.DecodeString(v); err != nil || !strings.Contains(string(raw), "primaryKeyId") {
		r.wrong(name, should)
	}
	return Secret(v)
}

// email reads one bare address, as mail has it.
func (r *reader) email(name string) string {
	v, ok := r.value(name, false, "")
	if !ok {
		return ""
	}
	if a, err := mail.ParseAddress(v); err != nil || a.Address != v || len(v) > 254 {
		r.wrong(name, "one e-mail address such as name@example.com")
	}
	return v
}

// passwordLength is the least length of the first operator's password.
const passwordLength = 12

// password reads a password that goes with an e-mail: both are given, or neither.
func (r *reader) password(name, email string) Secret {
	const should = "at least 12 characters"
	v, ok := r.value(name, r.getenv(email) != "", should)
	if ok && utf8.RuneCountInString(v) < passwordLength {
		r.wrong(name, should)
	}
	if ok && r.getenv(email) == "" {
		r.missing(email, "the e-mail address that "+name+" belongs to")
	}
	return Secret(v)
}

func (r *reader) apiKey(name string) Secret {
	v, ok := r.value(name, false, "")
	if ok && len(v) < 24 {
		r.wrong(name, "at least 24 characters")
	}
	return Secret(v)
}

// validWebhookSecret refuses keys that Svix would accept and anybody could guess.
func validWebhookSecret(v string) bool {
	body, ok := strings.CutPrefix(v, "whsec_")
	if !ok {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(body)
	return err == nil && len(key) >= 24
}

// IsError tells whether err is about settings: the process exits with 2.
func IsError(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}
