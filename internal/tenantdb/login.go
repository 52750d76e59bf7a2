package tenantdb

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SetLogin lets a tenant's role log in, or shuts it out and ends its sessions.
// Idempotent.
func (s *Servers) SetLogin(ctx context.Context, server, database, role string, allowed bool) error {
	if err := checkNames(database, role); err != nil {
		return err
	}
	err := s.do(ctx, server, "", func(c *pgx.Conn) error {
		if allowed {
			_, err := c.Exec(ctx, `ALTER ROLE `+quote(role)+` LOGIN`)
			return err
		}
		if _, err := c.Exec(ctx, `ALTER ROLE `+quote(role)+` NOLOGIN`); err != nil {
			return err
		}
		return endSessions(ctx, c, role)
	})
	if err != nil {
		return fmt.Errorf("set the login of role %s on %s: %w", role, server, err)
	}
	return nil
}

// endSessions ends the sessions of a role. That takes the role's own rights,
// which an admin that is no superuser gives itself for the moment only: as a
// member of every tenant's role it would slow down each of its own statements.
func endSessions(ctx context.Context, c *pgx.Conn, role string) error {
	return asMember(ctx, c, role, func() error {
		_, err := c.Exec(ctx, `
			SELECT pg_terminate_backend(pid, 5000)
			FROM pg_stat_activity
			WHERE usename = $1 AND pid <> pg_backend_pid()`, role)
		if err != nil {
			return fmt.Errorf("end the role's sessions: %w", err)
		}
		return nil
	})
}

func asMember(ctx context.Context, c *pgx.Conn, role string, fn func() error) error {
	var member bool
	err := c.QueryRow(ctx, `SELECT pg_has_role(current_user, $1, 'USAGE')`, role).Scan(&member)
	if err != nil {
		return fmt.Errorf("read memberships: %w", err)
	}
	if member { // also every superuser
		return fn()
	}
	if _, err := c.Exec(ctx, `GRANT `+quote(role)+` TO CURRENT_USER`); err != nil {
		return fmt.Errorf("act for role %s: %w", role, err)
	}
	if err := fn(); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, `REVOKE `+quote(role)+` FROM CURRENT_USER`); err != nil {
		return fmt.Errorf("act for role %s: %w", role, err)
	}
	return nil
}

// Drop removes a tenant's database with all that is in it, and its role. What
// is gone already is passed over.
func (s *Servers) Drop(ctx context.Context, server, database, role string) error {
	if err := checkNames(database, role); err != nil {
		return err
	}
	err := s.locked(ctx, server, database, func(c *pgx.Conn) error {
		var found bool
		err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, role).Scan(&found)
		if err != nil {
			return fmt.Errorf("look for role %s: %w", role, err)
		}
		if found {
			if _, err := c.Exec(ctx, `ALTER ROLE `+quote(role)+` NOLOGIN`); err != nil {
				return fmt.Errorf("shut role %s out: %w", role, err)
			}
			if err := endSessions(ctx, c, role); err != nil {
				return err
			}
		}
		if err := dropUnfinished(ctx, c, database+unfinished); err != nil {
			return err
		}
		err = patiently(ctx, func() error {
			_, err := c.Exec(ctx, `DROP DATABASE IF EXISTS `+quote(database))
			return err
		})
		if err != nil {
			return err
		}
		_, err = c.Exec(ctx, `DROP ROLE IF EXISTS `+quote(role))
		return err
	})
	if err != nil {
		return fmt.Errorf("drop database %s on %s: %w", database, server, err)
	}
	return nil
}
