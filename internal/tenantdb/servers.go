package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/fault"
)

// connectTimeout bounds a connection's start where its URL sets no bound.
const connectTimeout = 10 * time.Second

// Servers are the PostgreSQL servers that hold tenant databases, each known by
// "host:port" and reached with an admin role that may create databases and
// roles. Every act opens its own direct connection and closes it: admin work
// is rare, must not be pooled, and never runs in a transaction.
type Servers struct {
	names  []string
	admin  map[string]*pgx.ConnConfig
	tables map[string]blueprint.Table
	log    *slog.Logger
}

// NewServers reads the admin URLs without connecting. The error names which URL
// is wrong, never what it says.
func NewServers(_ context.Context, adminURLs []string, log *slog.Logger) (*Servers, error) {
	model, err := blueprint.Load()
	if err != nil {
		return nil, err
	}
	tables, err := model.Tables()
	if err != nil {
		return nil, fmt.Errorf("read the data model: %w", err)
	}
	s := &Servers{admin: map[string]*pgx.ConnConfig{}, tables: map[string]blueprint.Table{}, log: log}
	for _, t := range tables {
		s.tables[t.Name] = t
	}
	if len(adminURLs) == 0 {
		return nil, fault.New(fault.Invalid, "no server for tenant databases is given")
	}
	for i, u := range adminURLs {
		c, err := pgx.ParseConfig(u)
		if err != nil {
			return nil, fault.New(fault.Invalid, "admin URL %d for tenant databases is not a PostgreSQL URL", i+1)
		}
		if c.ConnectTimeout == 0 {
			c.ConnectTimeout = connectTimeout
		}
		if c.RuntimeParams["application_name"] == "" {
			c.RuntimeParams["application_name"] = "wosool"
		}
		name := net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
		if s.admin[name] != nil {
			return nil, fault.New(fault.Invalid, "admin URL %d for tenant databases names a server that an earlier one names", i+1)
		}
		s.names, s.admin[name] = append(s.names, name), c
	}
	return s, nil
}

// Names returns the servers as "host:port", in the order of their URLs.
func (s *Servers) Names() []string { return slices.Clone(s.names) }

// Choose returns the server that holds the fewest tenant databases, passing over
// those that do not answer; fault.Unavailable if none does.
func (s *Servers) Choose(ctx context.Context) (string, error) {
	best, fewest := "", 0
	var errs []error
	for _, name := range s.names {
		var n int
		err := s.do(ctx, name, "", func(c *pgx.Conn) error {
			return c.QueryRow(ctx, `
				SELECT count(*)
				FROM pg_database
				WHERE starts_with(datname, $1)`, prefix).Scan(&n)
		})
		switch {
		case err != nil:
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		case best == "" || n < fewest:
			best, fewest = name, n
		}
	}
	if best == "" {
		return "", fmt.Errorf("choose a server for a tenant database: %w", errors.Join(errs...))
	}
	if len(errs) > 0 {
		s.log.WarnContext(ctx, "a server for tenant databases does not answer", "error", errors.Join(errs...))
	}
	return best, nil
}

// do runs fn on an admin connection to a database of the server; "" is the
// database that the admin URL names.
func (s *Servers) do(ctx context.Context, server, database string, fn func(*pgx.Conn) error) error {
	config := s.admin[server]
	if config == nil {
		return fault.New(fault.NotFound, "server %s holds no tenant databases: it is not among TENANT_DATABASE_URLS", server)
	}
	config = config.Copy()
	if database != "" {
		config.Database = database
	}
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return signIn(ctx, err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := c.Close(ctx); err != nil {
			s.log.DebugContext(ctx, "close an admin connection", "error", err)
		}
	}()
	return translate(fn(c))
}

// locked runs fn under a lock of that name, one caller on the server at a time
// as long as all use the same admin database. It ends with the connection, so a
// killed process leaves no lock behind.
func (s *Servers) locked(ctx context.Context, server, name string, fn func(*pgx.Conn) error) error {
	return s.do(ctx, server, "", func(c *pgx.Conn) error {
		if _, err := c.Exec(ctx, `SELECT pg_advisory_lock(hashtextextended($1, 0))`, "wosool:"+name); err != nil {
			return fmt.Errorf("lock %s: %w", name, err)
		}
		return fn(c)
	})
}

// patiently repeats fn while PostgreSQL says that somebody is still connected
// to the database it is about: sessions take a moment to end.
func patiently(ctx context.Context, fn func() error) error {
	pause := 50 * time.Millisecond
	for attempt := 0; ; attempt++ {
		err := fn()
		if !hasCode(err, codeObjectInUse) || attempt == 6 {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
		pause *= 2
	}
}

// exists tells whether the server has a database of that name.
func exists(ctx context.Context, c *pgx.Conn, database string) (bool, error) {
	var found bool
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, database).Scan(&found)
	if err != nil {
		return false, fmt.Errorf("look for database %s: %w", database, err)
	}
	return found, nil
}

// dropUnfinished removes what a killed maker left behind.
func dropUnfinished(ctx context.Context, c *pgx.Conn, database string) error {
	found, err := exists(ctx, c, database)
	if err != nil || !found {
		return err
	}
	// PostgreSQL refuses to drop a template. A DROP that was cut off leaves an
	// invalid database: nothing alters it any more, but it can be dropped.
	_, err = c.Exec(ctx, `ALTER DATABASE `+quote(database)+` IS_TEMPLATE false`)
	if pg, ok := errors.AsType[*pgconn.PgError](err); err != nil && (!ok || pg.Code != "55000") {
		return fmt.Errorf("drop unfinished %s: %w", database, err)
	}
	err = patiently(ctx, func() error {
		_, err := c.Exec(ctx, `DROP DATABASE IF EXISTS `+quote(database))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop unfinished %s: %w", database, err)
	}
	return nil
}
