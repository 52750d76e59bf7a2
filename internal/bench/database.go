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
	u, err := url.Parse(address)
	if err != nil {
		return nil, nil, errors.New("DATABASE_URL is not a PostgreSQL URL")
	}
	u.Path = "/" + name
	if err := migrations.Up(ctx, u.String()); err != nil {
		return nil, nil, err
	}
	pool, err = pgxpool.New(ctx, u.String())
	if err != nil {
		return nil, nil, fmt.Errorf("open the control database: %w", err)
	}
	return pool, func() error {
		pool.Close()
		return onServer(context.WithoutCancel(ctx), address, `DROP DATABASE `+name+` WITH (FORCE)`)
	}, nil
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
