package systemtest

import (
	"errors"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// tenantConn opens a tenant's database as the server's admin.
func (s *system) tenantConn(t tenantView) *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), onDatabase(s.t, s.tenants, t.Database.Name))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { closeConn(s.t, conn) })
	return conn
}

func onDatabase(t *testing.T, address, database string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + database
	return u.String()
}

// ownDatabaseOnly proves that a tenant's role connects to its own database and
// to no other one on the server, the control database among them. A trusted copy
// of the role stands in for its password, which nobody can read.
func (s *system) ownDatabaseOnly(t tenantView) {
	s.t.Helper()
	var role string
	if err := s.pool.QueryRow(s.t.Context(), `SELECT database_role FROM tenants WHERE id = $1`, t.ID).Scan(&role); err != nil {
		s.t.Fatal(err)
	}
	rows, err := s.pool.Query(s.t.Context(), `
		SELECT datname, has_database_privilege($1, datname, 'CONNECT')
		FROM pg_database
		WHERE datallowconn`, role)
	if err != nil {
		s.t.Fatal(err)
	}
	type may struct {
		Database string
		Connect  bool
	}
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[may])
	if err != nil {
		s.t.Fatal(err)
	}
	var control string
	if err := s.pool.QueryRow(s.t.Context(), `SELECT current_database()`).Scan(&control); err != nil {
		s.t.Fatal(err)
	}
	checked := 0
	for _, m := range all {
		switch m.Database {
		case t.Database.Name:
			if !m.Connect {
				s.t.Errorf("the role %s may not connect to its own database", role)
			}
			checked++
		case control, "postgres":
			if m.Connect {
				s.t.Errorf("the role %s may connect to %s", role, m.Database)
			}
			checked++
		}
	}
	if checked != 3 {
		s.t.Errorf("checked %d databases, want the tenant's, the control database and postgres", checked)
	}
}

func closeConn(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	if err := conn.Close(t.Context()); err != nil {
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
			t.Logf("close: %s", pg.Message)
		}
	}
}
