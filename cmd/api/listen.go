package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/clerk"
	"github.com/wosool/wosool/internal/config"
	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/internal/web"
)

// newInbox makes what verifies deliveries and commits or spools them.
func newInbox(cfg config.Config, db *store.DB, log *slog.Logger) (*events.Inbox, error) {
	keys, err := vault.OpenKeys(cfg.SecretKeyset.Reveal())
	if err != nil {
		return nil, &config.Error{Problems: []string{
			"SECRET_KEYSET is not valid: it should be the base64 that `wosool keyset new` prints",
		}}
	}
	verifier, err := clerk.NewVerifier(reveal(cfg.ClerkWebhookSecrets)...)
	if err != nil {
		return nil, &config.Error{Problems: []string{
			"CLERK_WEBHOOK_SECRET is not valid: it should be whsec_ and the base64 of at least 24 bytes",
		}}
	}
	spool, err := openSpool(cfg, keys, log)
	if err != nil {
		return nil, err
	}
	return &events.Inbox{
		DB: db, Keys: keys, Spool: spool, Strategy: cfg.SallaWebhookStrategy, Secrets: reveal(cfg.SallaWebhookSecrets),
		Clerk: func(header http.Header, body []byte) error { return verifier.Verify(header, body, time.Now()) },
	}, nil
}

func reveal(secrets []config.Secret) []string {
	texts := make([]string, len(secrets))
	for i, s := range secrets {
		texts[i] = s.Reveal()
	}
	return texts
}

// listen serves s until ctx ends, then lets the requests under way finish within
// the grace. An older control schema ends it. While PostgreSQL does not answer it
// serves on: its probes and webhooks say so.
func listen(ctx context.Context, cfg config.Config, s *web.Server, log *slog.Logger) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR: %w", err)
	}
	srv := &http.Server{
		Handler: s.Handler(), MaxHeaderBytes: 32 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second,
		WriteTimeout: 40 * time.Second, IdleTimeout: 90 * time.Second,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := s.DB.AwaitSchema(ctx, s.Schema, log); err != nil {
			return unlessStopped(ctx, err)
		}
		awaitFirstOperator(ctx, cfg, s, log)
		return nil
	})
	g.Go(func() error {
		s.DrainSpool(ctx)
		return nil
	})
	g.Go(func() error {
		log.InfoContext(ctx, "listening", "address", l.Addr().String())
		if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		log.InfoContext(ctx, "stopping")
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.Grace)
		defer cancel()
		if err := srv.Shutdown(grace); err != nil {
			return errors.Join(fmt.Errorf("requests were cut off after the grace: %w", err), srv.Close())
		}
		return nil
	})
	return g.Wait()
}

// unlessStopped drops the error of a wait that ended because the process stops.
func unlessStopped(ctx context.Context, err error) error {
	select {
	case <-ctx.Done():
		return nil
	default:
		return err
	}
}
