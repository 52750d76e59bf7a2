// Package migrations holds the SQL of the control database and of the tenants'
// data model, and applies the former. Migrations only go forward and are safe
// while the version before them still runs.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver that goose speaks to
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// Control holds the control database's migrations, in the folder "control".
//
//go:embed control/*.sql
var Control embed.FS

// Tenant holds the tenants' data model, in the folder "tenant".
//
//go:embed all:tenant
var Tenant embed.FS

// table is where goose keeps what was applied to the control database.
const table = "schema_migrations"

// Version returns the control schema's version that this build needs.
func Version() (int64, error) {
	entries, err := fs.ReadDir(Control, "control")
	if err != nil {
		return 0, fmt.Errorf("list migrations: %w", err)
	}
	var newest int64
	for _, e := range entries {
		number, _, _ := strings.Cut(e.Name(), "_")
		v, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("migration %s: its name does not start with a number", e.Name())
		}
		newest = max(newest, v)
	}
	return newest, nil
}

// Up brings the control database at databaseURL to Version. Several callers at
// once wait for each other.
func Up(ctx context.Context, databaseURL string) (err error) {
	db, err := sql.Open("pgx", databaseURL)
	if err != nil {
		return fmt.Errorf("open the control database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	files, err := fs.Sub(Control, "control")
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	locker, err := lock.NewPostgresSessionLocker()
	if err != nil {
		return fmt.Errorf("make the migration lock: %w", err)
	}
	p, err := goose.NewProvider(goose.DialectPostgres, db, files,
		goose.WithSessionLocker(locker), goose.WithTableName(table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return fmt.Errorf("read migrations: %w", err)
	}
	if _, err := p.Up(ctx); err != nil {
		return fmt.Errorf("migrate the control database: %w", err)
	}
	return nil
}
