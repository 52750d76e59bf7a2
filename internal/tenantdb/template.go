package tenantdb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/migrations"
)

// migrationTable is where goose keeps which migrations a tenant database has.
const migrationTable = "model_migrations"

// grants is what every tenant may do in its own database. It runs after the
// migrations, so that no table can be forgotten in them.
const grants = `
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO ` + group + `;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ` + group + `;
REVOKE INSERT, UPDATE, DELETE ON ` + migrationTable + ` FROM ` + group + `;`

// EnsureTemplate makes sure that the server has the template database of this
// build's data model, whole and closed to connections, and returns the model's
// version. Killed anywhere and called again, by several at once too, it ends
// with one. Templates of older versions stay.
func (s *Servers) EnsureTemplate(ctx context.Context, server string) (int, error) {
	name, err := templateName()
	if err != nil {
		return 0, err
	}
	err = s.locked(ctx, server, name, func(c *pgx.Conn) error {
		found, err := exists(ctx, c, name)
		if err != nil {
			return err
		}
		if !found {
			if err := s.buildTemplate(ctx, c, server, name); err != nil {
				return err
			}
		}
		// The name is given last, so a template that has it is whole; what
		// follows only mends what somebody may have changed by hand.
		return closeTemplate(ctx, c, name)
	})
	if err != nil {
		return 0, fmt.Errorf("make the tenant template on %s: %w", server, err)
	}
	return blueprint.ModelVersion, nil
}

func (s *Servers) buildTemplate(ctx context.Context, c *pgx.Conn, server, name string) error {
	if err := ensureGroup(ctx, c); err != nil {
		return err
	}
	temporary := name + unfinished
	if err := dropUnfinished(ctx, c, temporary); err != nil {
		return err
	}
	// Nobody but its owner may enter it, not even while it is built.
	for _, q := range []string{
		`CREATE DATABASE ` + quote(temporary) + ` TEMPLATE template0 ENCODING 'UTF8' STRATEGY WAL_LOG ALLOW_CONNECTIONS false`,
		`REVOKE CONNECT, TEMPORARY ON DATABASE ` + quote(temporary) + ` FROM PUBLIC`,
		`ALTER DATABASE ` + quote(temporary) + ` WITH ALLOW_CONNECTIONS true`,
	} {
		if _, err := c.Exec(ctx, q); err != nil {
			return fmt.Errorf("create %s: %w", temporary, err)
		}
	}
	if err := s.migrate(ctx, server, temporary); err != nil {
		return err
	}
	if err := closeTemplate(ctx, c, temporary); err != nil {
		return err
	}
	return patiently(ctx, func() error {
		_, err := c.Exec(ctx, `ALTER DATABASE `+quote(temporary)+` RENAME TO `+quote(name))
		return err
	})
}

// closeTemplate lets nobody connect to a template: a single session would make
// every clone of it fail.
func closeTemplate(ctx context.Context, c *pgx.Conn, name string) error {
	var closed bool
	err := c.QueryRow(ctx, `
		SELECT datistemplate AND NOT datallowconn AND NOT EXISTS (
			SELECT FROM aclexplode(coalesce(datacl, acldefault('d', datdba))) AS a WHERE a.grantee = 0)
		FROM pg_database
		WHERE datname = $1`, name).Scan(&closed)
	if err != nil {
		return fmt.Errorf("look at template %s: %w", name, err)
	}
	if closed {
		return nil
	}
	for _, q := range []string{
		`REVOKE CONNECT, TEMPORARY ON DATABASE ` + quote(name) + ` FROM PUBLIC`,
		`ALTER DATABASE ` + quote(name) + ` WITH ALLOW_CONNECTIONS false IS_TEMPLATE true`,
	} {
		if _, err := c.Exec(ctx, q); err != nil {
			return fmt.Errorf("close template %s: %w", name, err)
		}
	}
	return nil
}

// migrate brings one database to this build's model and sets the grants.
func (s *Servers) migrate(ctx context.Context, server, database string) (err error) {
	config := s.admin[server].Copy()
	config.Database = database
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	p, err := provider(db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate %s: %w", database, translate(err))
	}
	version, err := p.GetDBVersion(ctx)
	if err != nil {
		return fmt.Errorf("read the model version of %s: %w", database, translate(err))
	}
	if version != blueprint.ModelVersion {
		return fmt.Errorf("the migrations end at version %d, the blueprint is version %d", version, blueprint.ModelVersion)
	}
	if _, err := db.ExecContext(ctx, grants); err != nil {
		return fmt.Errorf("grant in %s: %w", database, translate(err))
	}
	return nil
}

func provider(db *sql.DB) (*goose.Provider, error) {
	files, err := fs.Sub(migrations.Tenant, "tenant")
	if err != nil {
		return nil, fmt.Errorf("read tenant migrations: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithTableName(migrationTable), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return nil, fmt.Errorf("read tenant migrations: %w", err)
	}
	return p, nil
}

// templateName holds the version, for people, and a hash of the statements, so
// that a changed model never meets an old template of the same version.
func templateName() (string, error) {
	h := sha256.New()
	entries, err := fs.ReadDir(migrations.Tenant, "tenant")
	if err != nil {
		return "", fmt.Errorf("read tenant migrations: %w", err)
	}
	for _, e := range entries { // sorted by name
		b, err := fs.ReadFile(migrations.Tenant, "tenant/"+e.Name())
		if err != nil {
			return "", fmt.Errorf("read tenant migration %s: %w", e.Name(), err)
		}
		fmt.Fprintf(h, "%s %d\n", e.Name(), len(b))
		h.Write(b)
	}
	h.Write([]byte(grants))
	return templatePrefix + strconv.Itoa(blueprint.ModelVersion) + "_" + hex.EncodeToString(h.Sum(nil))[:12], nil
}

// ensureGroup makes the role that the template grants to.
func ensureGroup(ctx context.Context, c *pgx.Conn) error {
	var found bool
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)`, group).Scan(&found)
	if err == nil && !found {
		_, err = c.Exec(ctx, `CREATE ROLE `+group+` NOLOGIN`)
	}
	// Concurrent makers race in the catalog: either code says that it is there.
	if err != nil && !hasCode(err, codeDuplicateObject, codeUnique) {
		return fmt.Errorf("create role %s: %w", group, err)
	}
	return nil
}
