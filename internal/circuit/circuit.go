// Package circuit keeps work away from what does not answer: a provider, one store
// at Salla or at Clerk, a server of tenant databases. After a few failures in a row the circuit
// of that name opens, for the whole fleet; while it is open calls are not made and
// their work waits, which spends no attempt; one call at a time probes, and what it
// finds closes the circuit or leaves it open for longer.
//
// Failures are counted in PostgreSQL, not in each process: a fleet of many meets
// an outage with few calls each, and the attempts of one piece of work are spread
// over all of them. Only failures and what follows them are written; of a circuit
// that is in order nothing is asked but what all share, once a second.
package circuit

import (
	"context"
	"encoding/binary"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/store"
)

// The names of the providers' circuits.
const (
	NameSalla    = "salla"
	NameAccounts = "salla-accounts"
	NameClerk    = "clerk"
)

// What opens a circuit.
const (
	failures = 5 // in a row
	// A provider's own opens only where that many stores fail: one that is broken has
	// a circuit of its own.
	origins = 3
)

// Settings are the clocks of circuits. Zero values are the standard ones.
type Settings struct {
	Pause         time.Duration // from opening to the first probe; doubles with each that fails, 5 s
	MaxPause      time.Duration // the longest pause, 2 min
	MaxRetryAfter time.Duration // what is believed of a Retry-After, 15 min
	Probe         time.Duration // how long a probe may take before another is made, 40 s
}

func (s Settings) standard() Settings {
	for value, standard := range map[*time.Duration]time.Duration{
		&s.Pause: 5 * time.Second, &s.MaxPause: 2 * time.Minute, &s.MaxRetryAfter: 15 * time.Minute, &s.Probe: 40 * time.Second,
	} {
		if *value <= 0 {
			*value = standard
		}
	}
	return s
}

// Circuits are all circuits, as one process sees them. A nil *Circuits lets every
// call through. It is safe for concurrent use.
type Circuits struct {
	book     Book
	settings Settings
	log      *slog.Logger
	known    known
	openings *prometheus.CounterVec
}

// Book is where the fleet keeps its circuits: *store.DB.
type Book interface {
	Circuits(ctx context.Context) ([]store.Circuit, error)
	CircuitFailed(ctx context.Context, f store.CircuitFailure) (store.Circuit, bool, error)
	CircuitAnswered(ctx context.Context, name string) error
	CircuitProbe(ctx context.Context, name string, holder uuid.UUID, length time.Duration) (store.Circuit, bool, error)
	CircuitProbeFailed(ctx context.Context, name string, holder uuid.UUID, reason string, first, most, asked time.Duration) (store.Circuit, error)
	CircuitClosed(ctx context.Context, name string, holder uuid.UUID) (bool, error)
	CircuitHalfOpen(ctx context.Context, name string, holder uuid.UUID) error
	CircuitLeft(ctx context.Context, name string, holder uuid.UUID, pause time.Duration) error
	CircuitSpread(ctx context.Context, f store.CircuitFailure, own string) (store.Circuit, bool, error)
}

// New returns the circuits that book keeps.
func New(book Book, settings Settings, log *slog.Logger) *Circuits {
	c := &Circuits{book: book, settings: settings.standard(), log: log, openings: newOpenings()}
	c.known.fresh = min(time.Second, c.settings.Pause/5)
	return c
}

// breaker is one circuit that a call goes through.
type breaker struct {
	name     string
	kind     string
	merchant *int64 // whose circuit it is
	failures int    // in a row that open it
	origins  int    // stores that they must come from; 0: whosever they are
}

// Line is the way to one thing outside, through the circuits before it. A nil *Line
// is open to every call.
type Line struct {
	circuits *Circuits
	breakers []breaker // the widest last
	from     *int64    // the store that the calls are for, by a number of its own
	ping     func(ctx context.Context) error
	kept     kept // the probe that Ready has claimed for the next call
}

// Salla is the way to the merchant API for one store; merchant is 0 where it is not
// known whose call it is. Such calls wait while Salla's circuit is open, and may
// close it, but do not open it.
func (c *Circuits) Salla(merchant int64) *Line {
	if c == nil {
		return nil
	}
	l := &Line{circuits: c}
	if merchant != 0 {
		l.from = &merchant
		l.breakers = append(l.breakers, breaker{
			name: StoreName(merchant), kind: store.CircuitStore, merchant: &merchant, failures: failures,
		})
	}
	l.breakers = append(l.breakers, breaker{name: NameSalla, kind: store.CircuitProvider, failures: failures, origins: origins})
	return l
}

// Accounts is the way to Salla's OAuth server. A call that fails there may have
// used up a store's only refresh token, so the first failure opens the circuit, and
// none is made as a probe before ping, which costs nobody anything, was answered.
// That lets one call through in the whole fleet, and only its answer closes the
// circuit: a server may answer a ping and fail every grant.
func (c *Circuits) Accounts(ping func(ctx context.Context) error) *Line {
	if c == nil {
		return nil
	}
	return &Line{
		circuits: c, ping: ping,
		breakers: []breaker{{name: NameAccounts, kind: store.CircuitProvider, failures: 1}},
	}
}

// Clerk is the way to Clerk for one tenant; uuid.Nil is a call that is nobody's own.
// What only one tenant's calls meet is that tenant's: an organization that Clerk
// cannot answer for says nothing about the others.
func (c *Circuits) Clerk(tenant uuid.UUID) *Line {
	if c == nil {
		return nil
	}
	all := breaker{name: NameClerk, kind: store.CircuitProvider, failures: failures}
	if tenant == uuid.Nil {
		return &Line{circuits: c, breakers: []breaker{all}}
	}
	all.origins = origins
	from := int64(binary.BigEndian.Uint64(tenant[8:])) //nolint:gosec // any number that is the tenant's alone: the random half of its id
	return &Line{
		circuits: c, from: &from,
		breakers: []breaker{{name: ClerkName(tenant), kind: store.CircuitStore, failures: failures}, all},
	}
}

// Database is the way to a server of tenant databases, "host:port".
func (c *Circuits) Database(server string) *Line {
	if c == nil {
		return nil
	}
	return &Line{
		circuits: c,
		breakers: []breaker{{name: databasePrefix + server, kind: store.CircuitDatabase, failures: failures}},
	}
}

// databasePrefix begins the names of the circuits of servers, clerkPrefix those of
// tenants at Clerk.
const (
	databasePrefix = "database/"
	clerkPrefix    = "clerk/tenant/"
)

// ClerkName is the name of the circuit of one tenant's calls to Clerk.
func ClerkName(tenant uuid.UUID) string { return clerkPrefix + tenant.String() }

// TenantOf returns whose calls to Clerk the circuit of that name keeps away.
func TenantOf(name string) (tenant uuid.UUID, ok bool) {
	id, ok := strings.CutPrefix(name, clerkPrefix)
	if !ok {
		return uuid.Nil, false
	}
	tenant, err := uuid.Parse(id)
	return tenant, err == nil
}

// StoreName is the name of the circuit of one store at Salla.
func StoreName(merchant int64) string { return "salla/store/" + strconv.FormatInt(merchant, 10) }
