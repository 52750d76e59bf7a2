package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/migrations"
)

// controlDatabase makes a control database for one suite; drop removes it.
func controlDatabase(ctx context.Context) (pool *pgxpool.Pool, drop func() error, err error) {
	address := os.Getenv("DATABASE_URL")
	if address == "" {
		return nil, nil, errors.New("DATABASE_URL is not set: run `make bench`")
	}
	name := "bench_" + strings.ToLower(rand.Text())
	if err := onServer(ctx, address, `CREATE DATABASE `+name); err != nil {
		return nil, nil, err
	}
	gone := func() error {
		return onServer(context.WithoutCancel(ctx), address, `DROP DATABASE `+name+` WITH (FORCE)`)
	}
	pool, err = migrated(ctx, address, name)
	if err != nil {
		return nil, nil, errors.Join(err, gone())
	}
	return pool, func() error {
		pool.Close()
		return gone()
	}, nil
}

// keptDatabase opens the control database of a name, which stays for the next time.
// made tells that there was none.
func keptDatabase(ctx context.Context, name string) (pool *pgxpool.Pool, made bool, err error) {
	address := os.Getenv("DATABASE_URL")
	if address == "" {
		return nil, false, errors.New("DATABASE_URL is not set: run `make bench`")
	}
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return nil, false, errors.New("connect to DATABASE_URL: it does not answer")
	}
	defer conn.Close(ctx)
	if err := conn.QueryRow(ctx, `SELECT NOT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&made); err != nil {
		return nil, false, fmt.Errorf("look for the database %s: %w", name, err)
	}
	if made {
		if err := onServer(ctx, address, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize()); err != nil {
			return nil, false, err
		}
	}
	pool, err = migrated(ctx, address, name)
	return pool, made, err
}

// migrated opens a database of a server with the control schema of this build.
func migrated(ctx context.Context, address, name string) (*pgxpool.Pool, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("DATABASE_URL is not a PostgreSQL URL")
	}
	u.Path = "/" + name
	if err := migrations.Up(ctx, u.String()); err != nil {
		return nil, err
	}
	pool, err := pgxpool.New(ctx, u.String())
	if err != nil {
		return nil, fmt.Errorf("open the control database: %w", err)
	}
	return pool, nil
}

func onServer(ctx context.Context, address, statement string) error {
	conn, err := pgx.Connect(ctx, address)
	if err != nil {
		return errors.New("connect to DATABASE_URL: it does not answer")
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("%s: %w", strings.Fields(statement)[0]+" DATABASE", err)
	}
	return nil
}
