package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/migrations"
)

// The first half of the advisory locks' two keys.
const (
	templateLock = 0x776f0001
	redisLock    = 0x776f0002
)

// objectInUse is PostgreSQL's answer while somebody is connected to a template.
const objectInUse = "55006"

// clone makes database name from the template of the present migrations.
func clone(t testing.TB, server, name string) {
	t.Helper()
	ctx := t.Context()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatalf("connect to the server of DATABASE_URL: %v", err)
	}
	defer conn.Close(ctx)

	template, err := templateName()
	if err != nil {
		t.Fatal(err)
	}
	if err := makeTemplate(ctx, conn, withDatabase(t, server, template), template); err != nil {
		t.Fatalf("make template database %s: %v", template, err)
	}
	// WAL_LOG: FILE_COPY would make every other test wait for two checkpoints.
	create := fmt.Sprintf("CREATE DATABASE %s TEMPLATE %s STRATEGY WAL_LOG",
		pgx.Identifier{name}.Sanitize(), pgx.Identifier{template}.Sanitize())
	for attempt := 0; ; attempt++ {
		_, err := conn.Exec(ctx, create)
		if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == objectInUse && attempt < 3 {
			continue // PostgreSQL itself waited for five seconds
		}
		if err != nil {
			t.Fatalf("clone template database %s: %v", template, err)
		}
		return
	}
}

// templateName names the template by what is in the migrations, so that a
// changed migration is a new template.
func templateName() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.Control, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := migrations.Control.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%s %d\n%s", path, len(text), text)
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("read the migrations: %w", err)
	}
	return "dbtest_template_" + hex.EncodeToString(sum.Sum(nil)[:8]), nil
}

// makeTemplate makes the template unless it is there. Being a template is the
// mark that it is complete: one that is not was left by a killed test.
func makeTemplate(ctx context.Context, conn *pgx.Conn, templateURL, name string) (err error) {
	if done, err := isTemplate(ctx, conn, name); done || err != nil {
		return err
	}
	if _, err := conn.Exec(ctx, `SELECT pg_advisory_lock($1, 0)`, templateLock); err != nil {
		return fmt.Errorf("lock: %w", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_, unlock := conn.Exec(ctx, `SELECT pg_advisory_unlock($1, 0)`, templateLock)
		err = errors.Join(err, unlock)
	}()
	if done, err := isTemplate(ctx, conn, name); done || err != nil {
		return err
	}
	if err := dropDatabase(ctx, conn, name); err != nil {
		return fmt.Errorf("drop an unfinished one: %w", err)
	}
	quoted := pgx.Identifier{name}.Sanitize()
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+quoted); err != nil {
		return err
	}
	if err := migrations.Up(ctx, templateURL); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+quoted+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
	return err
}

func isTemplate(ctx context.Context, conn *pgx.Conn, name string) (bool, error) {
	var done bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1 AND datistemplate)`, name).Scan(&done)
	if err != nil {
		return false, fmt.Errorf("look for template database %s: %w", name, err)
	}
	return done, nil
}
