package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/wosool/wosool/internal/password"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/internal/web"
	"github.com/wosool/wosool/migrations"
)

// site is the console with somebody signed in to it.
type site struct {
	handler http.Handler
	again   func() http.Handler // the console as another process serves it: it remembers nothing
	cookies []*http.Cookie
	close   func()
}

// newSite serves the console on a control database and signs an operator in.
func newSite(ctx context.Context, pool *pgxpool.Pool, log *slog.Logger) (*site, error) {
	rdb, err := tasks.OpenRedis(os.Getenv("REDIS_URL"))
	if err != nil {
		return nil, errors.New("REDIS_URL is not set: run `make bench`")
	}
	schema, err := migrations.Version()
	if err != nil {
		return nil, err
	}
	hasher := web.NewHasher()
	db, queue := store.New(pool), tasks.NewEnqueuer(rdb)
	serve := func() http.Handler {
		return (&web.Server{
			DB: db, Queue: queue, Schema: schema,
			PingRedis: func(ctx context.Context) error { return rdb.Ping(ctx).Err() },
			Metrics:   telemetry.NewRegistry(), Log: log, Passwords: hasher,
		}).Handler()
	}
	s := &site{handler: serve(), again: serve, close: func() { _ = rdb.Close() }}
	email := "bench-" + strings.ToLower(rand.Text()) + "@wosool.example" // the database may be a kept one
	secret := password.Generate()
	hash, err := hasher.Hash(ctx, secret)
	if err != nil {
		return nil, fmt.Errorf("hash a password: %w", err)
	}
	if _, err := db.AddOperator(ctx, email, hash, store.RoleAdmin, store.Actor{Name: "bench"}); err != nil {
		return nil, err
	}
	form := url.Values{"email": {email}, "password": {secret}}
	req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/admin/sign-in", strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	s.handler.ServeHTTP(w, req)
	if w.Code != http.StatusSeeOther {
		return nil, fmt.Errorf("sign in: %d", w.Code)
	}
	s.cookies = w.Result().Cookies()
	return s, nil
}
