package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// NotRevoked says that PUBLIC, and with it every tenant's role, may still
// connect to databases that are none of a tenant's business, and that the admin
// role may not change that itself.
type NotRevoked struct {
	// Statements are what a superuser must run, by server.
	Statements map[string][]string
}

func (e *NotRevoked) Error() string {
	var b strings.Builder
	b.WriteString("tenants' roles may still connect to databases that are not theirs; as a superuser run")
	servers := make([]string, 0, len(e.Statements))
	for s := range e.Statements {
		servers = append(servers, s)
	}
	slices.Sort(servers)
	for _, s := range servers {
		fmt.Fprintf(&b, "\non %s: %s", s, strings.Join(e.Statements[s], " "))
	}
	return b.String()
}

// Fence shuts PUBLIC, and with it every tenant's role, out of the control
// database, postgres and the template databases of every server, after granting
// the control role and the admin role their own CONNECT. It reads the grants
// back and returns *NotRevoked where the admin role may not do it.
func (s *Servers) Fence(ctx context.Context, controlDatabase, controlRole string) error {
	missing := &NotRevoked{Statements: map[string][]string{}}
	for _, server := range s.names {
		// One at a time: PostgreSQL refuses two who change one database's grants at once.
		err := s.locked(ctx, server, "fence", func(c *pgx.Conn) error {
			left, err := fence(ctx, c, controlDatabase, controlRole)
			if len(left) > 0 {
				missing.Statements[server] = left
			}
			return err
		})
		if err != nil {
			return fmt.Errorf("shut tenants' roles out on %s: %w", server, err)
		}
	}
	if len(missing.Statements) > 0 {
		return missing
	}
	return nil
}

// fence returns the statements that the admin role may not run.
func fence(ctx context.Context, c *pgx.Conn, controlDatabase, controlRole string) ([]string, error) {
	var admin, own string
	var roleThere bool
	err := c.QueryRow(ctx, `
		SELECT current_user, current_database(), EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, controlRole).
		Scan(&admin, &own, &roleThere)
	if err != nil {
		return nil, err
	}
	rows, _ := c.Query(ctx, `
		SELECT datname
		FROM pg_database
		WHERE datname = ANY($1)
		ORDER BY datname`, []string{controlDatabase, "postgres", "template0", "template1"})
	databases, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	var left []string
	for _, db := range databases {
		// Grants first: whoever revokes PUBLIC's right may be living on it.
		var grantees []string
		if db == controlDatabase && roleThere {
			grantees = append(grantees, controlRole)
		}
		if db == own && admin != controlRole {
			grantees = append(grantees, admin)
		}
		statements := make([]string, 0, len(grantees)+1)
		for _, g := range grantees {
			statements = append(statements, `GRANT CONNECT ON DATABASE `+quote(db)+` TO `+quote(g)+`;`)
		}
		statements = append(statements, `REVOKE CONNECT ON DATABASE `+quote(db)+` FROM PUBLIC;`)
		done, err := fenced(ctx, c, db, grantees)
		if err != nil {
			return nil, err
		}
		if done {
			continue
		}
		if err := fenceOne(ctx, c, statements); err != nil {
			return nil, err
		}
		// PostgreSQL only warns where a grant or revoke had no effect.
		if done, err = fenced(ctx, c, db, grantees); err != nil {
			return nil, err
		}
		if !done {
			left = append(left, statements...)
		}
	}
	return left, nil
}

// fenceOne runs the statements up to the first that is not permitted.
func fenceOne(ctx context.Context, c *pgx.Conn, statements []string) error {
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	for _, q := range statements {
		if _, err := tx.Exec(ctx, q); err != nil {
			if hasCode(err, "42501") {
				return tx.Rollback(ctx)
			}
			return errors.Join(err, tx.Rollback(ctx))
		}
	}
	return tx.Commit(ctx)
}

// fenced reads datacl: the grantees have CONNECT in their own name, PUBLIC has
// none.
func fenced(ctx context.Context, c *pgx.Conn, database string, grantees []string) (bool, error) {
	var public bool
	var granted int
	err := c.QueryRow(ctx, `
		SELECT coalesce(bool_or(a.grantee = 0), false),
			count(DISTINCT r.rolname) FILTER (WHERE r.rolname = ANY($2))
		FROM pg_database d
		CROSS JOIN LATERAL aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) AS a
		LEFT JOIN pg_roles r ON r.oid = a.grantee
		WHERE d.datname = $1 AND a.privilege_type = 'CONNECT'`, database, grantees).Scan(&public, &granted)
	if err != nil {
		return false, fmt.Errorf("read the grants on %s: %w", database, err)
	}
	return !public && granted == len(grantees), nil
}
