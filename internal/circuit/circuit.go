// Package circuit keeps work away from what does not answer: a provider, one store
// at Salla, a server of tenant databases. After a few failures in a row the circuit
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
	"log/slog"
	"strconv"
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
	// Salla's own opens only where that many stores fail: one that is broken has a
	// circuit of its own.
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
	CircuitLeft(ctx context.Context, name string, holder uuid.UUID) error
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
	origins  int    // stores that they must come from
}

// Line is the way to one thing outside, through the circuits before it. A nil *Line
// is open to every call.
type Line struct {
	circuits *Circuits
	breakers []breaker // the widest last
	from     *int64    // the store that the calls are for
	ping     func(ctx context.Context) error
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
// no such call is a probe: ping is asked instead, which costs nobody anything.
func (c *Circuits) Accounts(ping func(ctx context.Context) error) *Line {
	if c == nil {
		return nil
	}
	return &Line{
		circuits: c, ping: ping,
		breakers: []breaker{{name: NameAccounts, kind: store.CircuitProvider, failures: 1}},
	}
}

// Clerk is the way to Clerk.
func (c *Circuits) Clerk() *Line {
	if c == nil {
		return nil
	}
	return &Line{circuits: c, breakers: []breaker{{name: NameClerk, kind: store.CircuitProvider, failures: failures}}}
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

// databasePrefix begins the names of the circuits of servers.
const databasePrefix = "database/"

// StoreName is the name of the circuit of one store at Salla.
func StoreName(merchant int64) string { return "salla/store/" + strconv.FormatInt(merchant, 10) }
