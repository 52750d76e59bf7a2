package tenantdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// Create makes a tenant's database and the role that may connect to it and to
// nothing else. The password is at least 16 characters of printable ASCII; the
// server is told only its verifier.
//
// It is safe to call again, wherever an earlier call was killed, also at the
// same time: a finished database is checked and never dropped, a missing grant
// is given, and the role's password becomes the one given. It never lets a role
// log in that SetLogin has shut out. fault.Unavailable while there is no template.
func (s *Servers) Create(ctx context.Context, server, database, role, password string) error {
	if err := checkNames(database, role); err != nil {
		return err
	}
	secret, err := verifier(password)
	if err != nil {
		return err
	}
	template, err := templateName()
	if err != nil {
		return err
	}
	err = s.locked(ctx, server, database, func(c *pgx.Conn) error {
		if err := ensureRole(ctx, c, role, secret); err != nil {
			return err
		}
		found, err := exists(ctx, c, database)
		if err != nil {
			return err
		}
		if !found {
			if err := clone(ctx, c, template, database); err != nil {
				return err
			}
		}
		statements := []string{
			`REVOKE CONNECT, TEMPORARY ON DATABASE ` + quote(database) + ` FROM PUBLIC`,
			`GRANT CONNECT, TEMPORARY ON DATABASE ` + quote(database) + ` TO ` + quote(role),
			`ALTER DATABASE ` + quote(database) + ` WITH ALLOW_CONNECTIONS true`,
		}
		if !protect.OwnDatabase {
			statements = statements[1:]
		}
		for _, q := range statements {
			if _, err := c.Exec(ctx, q); err != nil {
				return fmt.Errorf("open it to its role: %w", err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("create database %s on %s: %w", database, server, err)
	}
	facts, err := s.Inspect(ctx, server, database, role)
	if err != nil {
		return err
	}
	return facts.check()
}

// clone copies the template under a name that nobody uses, shuts PUBLIC out (a
// clone does not inherit that) and only then gives it its name.
func clone(ctx context.Context, c *pgx.Conn, template, database string) error {
	found, err := exists(ctx, c, template)
	if err != nil {
		return err
	}
	if !found {
		return fault.New(fault.Unavailable, "the tenant template of this version is not there yet")
	}
	temporary := database + unfinished
	if err := dropUnfinished(ctx, c, temporary); err != nil {
		return err
	}
	err = patiently(ctx, func() error {
		_, err := c.Exec(ctx, `CREATE DATABASE `+quote(temporary)+` TEMPLATE `+quote(template)+
			` STRATEGY WAL_LOG ALLOW_CONNECTIONS false IS_TEMPLATE false`)
		return err
	})
	if err != nil {
		return fmt.Errorf("clone the template: %w", err)
	}
	if protect.OwnDatabase {
		if _, err := c.Exec(ctx, `REVOKE CONNECT, TEMPORARY ON DATABASE `+quote(temporary)+` FROM PUBLIC`); err != nil {
			return fmt.Errorf("shut PUBLIC out: %w", err)
		}
	}
	if _, err := c.Exec(ctx, `ALTER DATABASE `+quote(temporary)+` RENAME TO `+quote(database)); err != nil {
		return fmt.Errorf("name the clone: %w", err)
	}
	return nil
}

// ensureRole makes the tenant's login role, or gives an existing one what it
// lacks. LOGIN is given at its making only: see SetLogin.
func ensureRole(ctx context.Context, c *pgx.Conn, role, secret string) error {
	if err := ensureGroup(ctx, c); err != nil {
		return err
	}
	settings := fmt.Sprintf(`CONNECTION LIMIT %d PASSWORD %s`, roleConnections, literal(secret))
	var found bool
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role).Scan(&found)
	if err != nil {
		return fmt.Errorf("look for role %s: %w", role, err)
	}
	if !found {
		_, err = c.Exec(ctx, `CREATE ROLE `+quote(role)+
			` LOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS `+settings)
	} else {
		_, err = c.Exec(ctx, `ALTER ROLE `+quote(role)+` INHERIT NOCREATEDB NOCREATEROLE `+settings)
	}
	if err != nil {
		return fmt.Errorf("make role %s: %w", role, err)
	}
	if _, err := c.Exec(ctx, `GRANT `+group+` TO `+quote(role)); err != nil {
		return fmt.Errorf("make role %s: %w", role, err)
	}
	return nil
}
