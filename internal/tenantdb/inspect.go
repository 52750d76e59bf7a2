package tenantdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// Facts are what the server says about a tenant's database.
type Facts struct {
	Exists           bool
	AllowConnections bool
	OwnedByAdmin     bool // owned by the role of the admin URL
	PublicShutOut    bool // PUBLIC has neither CONNECT nor TEMPORARY
	RoleExists       bool
	RoleCanLogin     bool // false while suspended
	RoleIsMember     bool // of the group that the template grants to
	RoleCanConnect   bool
	// Elsewhere names the other databases of the server that the role could
	// connect to: whatever PUBLIC may still enter. See Servers.Fence.
	Elsewhere    []string
	ModelVersion int
	SizeBytes    int64
}

// Inspect reads a tenant's database and role back. What does not exist is
// reported in Facts, not as an error.
func (s *Servers) Inspect(ctx context.Context, server, database, role string) (Facts, error) {
	var f Facts
	if err := checkNames(database, role); err != nil {
		return f, err
	}
	err := s.do(ctx, server, "", func(c *pgx.Conn) error {
		return f.read(ctx, c, database, role)
	})
	if err == nil && f.Exists && f.AllowConnections {
		err = s.do(ctx, server, database, func(c *pgx.Conn) error {
			return c.QueryRow(ctx, `
				SELECT coalesce(max(version_id), 0)
				FROM `+migrationTable+`
				WHERE is_applied`).Scan(&f.ModelVersion)
		})
	}
	if err != nil {
		return f, fmt.Errorf("inspect database %s on %s: %w", database, server, err)
	}
	return f, nil
}

func (f *Facts) read(ctx context.Context, c *pgx.Conn, database, role string) error {
	err := c.QueryRow(ctx, `
		SELECT count(*) > 0,
			coalesce(bool_and(d.datallowconn), false),
			coalesce(bool_and(d.datdba = (SELECT oid FROM pg_roles WHERE rolname = current_user)), false),
			coalesce(bool_and(NOT EXISTS (
				SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
				WHERE a.grantee = 0)), false),
			coalesce(max(pg_database_size(d.oid)), 0)
		FROM pg_database d
		WHERE d.datname = $1`, database).
		Scan(&f.Exists, &f.AllowConnections, &f.OwnedByAdmin, &f.PublicShutOut, &f.SizeBytes)
	if err != nil {
		return fmt.Errorf("read the database: %w", err)
	}
	err = c.QueryRow(ctx, `
		SELECT count(*) > 0,
			coalesce(bool_and(r.rolcanlogin), false),
			coalesce(bool_and(EXISTS (
				SELECT FROM pg_auth_members m JOIN pg_roles g ON g.oid = m.roleid
				WHERE m.member = r.oid AND g.rolname = $2)), false)
		FROM pg_roles r
		WHERE r.rolname = $1`, role, group).
		Scan(&f.RoleExists, &f.RoleCanLogin, &f.RoleIsMember)
	if err != nil || !f.RoleExists {
		return err
	}
	rows, _ := c.Query(ctx, `
		SELECT datname
		FROM pg_database
		WHERE datallowconn AND has_database_privilege($1, oid, 'CONNECT')
		ORDER BY datname`, role)
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read where the role may connect: %w", err)
	}
	for _, n := range names {
		if n == database {
			f.RoleCanConnect = true
		} else {
			f.Elsewhere = append(f.Elsewhere, n)
		}
	}
	return nil
}

// Problems says in words what a tenant's database lacks to be whole, nothing if
// it is. It leaves out whether the role may log in, which a suspension decides,
// and Elsewhere, which is a matter of the server.
func (f Facts) Problems() []string {
	var p []string
	for _, fact := range []struct {
		ok      bool
		problem string
	}{
		{f.Exists, "the database does not exist"},
		{f.AllowConnections, "the database allows no connections"},
		{f.OwnedByAdmin, "the database is not owned by the admin role"},
		{f.PublicShutOut || !protect.OwnDatabase, "PUBLIC may enter the database"},
		{f.RoleExists, "its role does not exist"},
		{f.RoleIsMember, "its role is not a member of " + group},
		{f.RoleCanConnect, "its role may not connect to it"},
		{f.ModelVersion > 0, "it has no data model"},
	} {
		if !fact.ok {
			p = append(p, fact.problem)
		}
	}
	return p
}

func (f Facts) check() error {
	if p := f.Problems(); len(p) > 0 {
		return fault.New(fault.Conflict, "the tenant's database is not whole: %s", strings.Join(p, "; "))
	}
	return nil
}
