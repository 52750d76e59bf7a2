package access

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// server is the way to a server of tenant databases: sign signs in to a database.
type server struct {
	name  string
	admin *url.URL
	db    *store.DB
	lines *circuit.Circuits
	pools *tenantdb.Pools
}

func newServer(t *testing.T, raw string) *server {
	t.Helper()
	admin, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	q := admin.Query()
	q.Set("connect_timeout", "1")
	q.Set("sslmode", "disable")
	admin.RawQuery = q.Encode()
	log := slog.New(slog.DiscardHandler)
	servers, err := tenantdb.NewServers(t.Context(), []string{admin.String()}, log)
	if err != nil {
		t.Fatal(err)
	}
	s := &server{name: servers.Names()[0], admin: admin, db: store.New(dbtest.Control(t)), pools: tenantdb.NewPools(servers, 20, log)}
	t.Cleanup(s.pools.Close)
	s.lines = circuit.New(s.db, circuit.Settings{Pause: time.Minute}, log)
	return s
}

func (s *server) sign(ctx context.Context, database string) error {
	password, _ := s.admin.User.Password()
	return s.lines.Database(s.name).Guard(ctx, func(ctx context.Context) error {
		_, err := s.pools.Open(ctx, tenantdb.Target{
			Server: s.name, Database: database, Role: s.admin.User.Username(), Password: password,
		})
		return err
	})
}

func (s *server) own() string { return strings.TrimPrefix(s.admin.Path, "/") }

// A server that accepts connections and says nothing opens its circuit.
func TestFaultSilentServerOfTenantDatabases(t *testing.T) {
	t.Parallel()
	wire := dbtest.NewWire(t, dbtest.AdminURL(t))
	s := newServer(t, wire.URL())
	if err := s.sign(t.Context(), s.own()); err != nil {
		t.Fatal(err)
	}
	wire.HoldReplies()
	var err error
	for i := range 5 {
		if err = s.sign(t.Context(), fmt.Sprintf("other%d", i)); !circuit.Is(err) || !store.IsOutage(err) {
			t.Fatalf("sign-in %d: %v, want an outage", i, err)
		}
	}
	if !strings.Contains(err.Error(), "no answer in time") || circuit.OfProvider(err) {
		t.Errorf("got %v, want to wait for a server that did not answer in time", err)
	}
	if err := s.sign(t.Context(), s.own()); !circuit.NotMade(err) {
		t.Errorf("got %v, want a wait without a sign-in", err)
	}
}

// A caller whose own time is over tells nothing about the server.
func TestSignInThatIsGivenUpIsNoOutage(t *testing.T) {
	t.Parallel()
	wire := dbtest.NewWire(t, dbtest.AdminURL(t))
	s := newServer(t, wire.URL())
	wire.HoldReplies()
	for range 6 {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if err := s.sign(ctx, s.own()); err == nil || circuit.Is(err) {
			t.Errorf("got %v, want the caller's own end", err)
		}
		cancel()
	}
}

// One database that lets nobody in, or no more, is no outage of its server; its work
// waits all the same.
func TestFaultOneTenantsDatabaseIsNotItsServer(t *testing.T) {
	t.Parallel()
	s := newServer(t, dbtest.AdminURL(t))
	admin, err := pgx.Connect(t.Context(), s.admin.String())
	if err != nil {
		t.Fatal(err)
	}
	closed := "closed_" + uuid.NewString()[:8]
	full := "full_" + uuid.NewString()[:8]
	for _, sql := range []string{
		`CREATE DATABASE ` + closed + ` ALLOW_CONNECTIONS false`,
		`CREATE DATABASE ` + full,
		`CREATE ROLE ` + full + ` LOGIN PASSWORD 'x' CONNECTION LIMIT 0`,
	} {
		if _, err := admin.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		for _, sql := range []string{`DROP DATABASE ` + closed, `DROP DATABASE ` + full, `DROP ROLE ` + full} {
			if _, err := admin.Exec(ctx, sql); err != nil {
				t.Error(err)
			}
		}
		_ = admin.Close(ctx)
	})
	limited := func() error {
		return s.lines.Database(s.name).Guard(t.Context(), func(ctx context.Context) error {
			_, err := s.pools.Open(ctx, tenantdb.Target{Server: s.name, Database: full, Role: full, Password: "x"})
			return err
		})
	}
	for range 6 {
		for name, err := range map[string]error{"closed": s.sign(t.Context(), closed), "full": limited()} {
			if err == nil || circuit.Is(err) || !store.IsOutage(err) {
				t.Errorf("the database that is %s: %v, want work to wait, and no outage of the server", name, err)
			}
		}
	}
	if err := s.sign(t.Context(), s.own()); err != nil {
		t.Errorf("another database of the server: %v", err)
	}
}
