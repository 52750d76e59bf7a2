package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The size at which the console is measured.
const (
	benchTenants = 10_000
	benchEvents  = 1_000_000
	benchLooks   = 120 // requests a page; the first ten warm the caches and do not count
	benchWarm    = 10
)

// consoleSuite measures the server's time for a page of the console, p95, with
// ten thousand tenants and a million events.
func consoleSuite() suite {
	return suite{
		name: "console",
		figures: []string{
			"console.overview.p95", "console.tenants.p95", "console.tenant.p95", "console.events.p95",
		},
		run: benchConsole,
	}
}

func benchConsole(ctx context.Context, log io.Writer, wanted func(string) bool) (figures []figure, err error) {
	pool, drop, err := controlDatabase(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, drop()) }()
	fmt.Fprintf(log, "making %d tenants and %d events\n", benchTenants, benchEvents)
	tenant, err := fill(ctx, pool)
	if err != nil {
		return nil, err
	}
	site, err := newSite(ctx, pool, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer site.close()
	pages := []struct {
		name      string
		addresses []string
	}{
		{"console.overview.p95", []string{"/admin", "/admin?span=day"}},
		{"console.tenants.p95", []string{"/admin/tenants", "/admin/tenants?status=failed", "/admin/tenants?q=store-4711"}},
		{"console.tenant.p95", []string{"/admin/tenants/" + tenant.String()}},
		{"console.events.p95", []string{"/admin/events", "/admin/events?status=failed", "/admin/events?q=order.created"}},
	}
	for _, p := range pages {
		if !wanted(p.name) {
			continue
		}
		took, err := site.looks(ctx, p.addresses)
		if err != nil {
			return nil, err
		}
		figures = append(figures, figure{Name: p.name, Value: percentile(took, 95), Unit: "ms"})
	}
	return figures, nil
}

// looks asks for the addresses in turn and gives each request's milliseconds.
func (s *site) looks(ctx context.Context, addresses []string) ([]float64, error) {
	var took []float64
	for i := range benchLooks {
		req := httptest.NewRequestWithContext(ctx, http.MethodGet, addresses[i%len(addresses)], nil)
		for _, c := range s.cookies {
			req.AddCookie(c)
		}
		w := httptest.NewRecorder()
		begun := time.Now()
		s.handler.ServeHTTP(w, req)
		spent := time.Since(begun)
		if w.Code != http.StatusOK {
			return nil, fmt.Errorf("GET %s: %d", req.URL, w.Code)
		}
		if i >= benchWarm {
			took = append(took, float64(spent.Microseconds())/1000)
		}
	}
	return took, nil
}

func percentile(values []float64, p int) float64 {
	slices.Sort(values)
	return values[min(len(values)-1, len(values)*p/100)]
}

// fill makes tenants and events by INSERT … SELECT, in the mix that a year of use
// leaves, and returns a tenant that has some of everything.
func fill(ctx context.Context, pool *pgxpool.Pool) (uuid.UUID, error) {
	conn, err := pool.Acquire(ctx) // the function is the session's
	if err != nil {
		return uuid.Nil, fmt.Errorf("fill the control database: %w", err)
	}
	defer conn.Release()
	for _, statement := range []string{
		`CREATE FUNCTION pg_temp.id_at(at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
			SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' ||
				substr(md5(random()::text), 1, 3) || '8' || substr(md5(random()::text), 1, 15))::uuid
		$$`,
		fmt.Sprintf(`INSERT INTO tenants (id, merchant, slug, name, status, suspended_by, resume_status, installed, plan, created_at, ready_at, state)
			SELECT pg_temp.id_at(at), 1300000000 + n, 'store-' || n, 'متجر ' || n || ' Store', status,
			       CASE WHEN status = 'suspended' THEN 'uninstall' END, CASE WHEN status = 'suspended' THEN 'ready' END,
			       true, 'pro', at, CASE WHEN status = 'ready' THEN at + interval '2 seconds' END,
			       CASE WHEN status = 'failed' THEN 'failed' ELSE 'done' END
			FROM (
				SELECT n, now() - interval '300 days' * random() AS at,
				       CASE WHEN n %% 50 = 0 THEN 'failed' WHEN n %% 33 = 0 THEN 'suspended' WHEN n %% 200 = 1 THEN 'provisioning' ELSE 'ready' END AS status
				FROM generate_series(1, %d) AS n
			) AS t`, benchTenants),
		`INSERT INTO steps (tenant_id, name, position, status, attempt, started_at, finished_at)
			SELECT t.id, s.name, s.position, CASE WHEN t.status = 'failed' AND s.position > 2 THEN 'pending' ELSE 'done' END, 1, t.created_at, t.created_at + interval '300 ms'
			FROM tenants t, (VALUES ('store', 1), ('identity', 2), ('database', 3), ('seed', 4), ('workspace', 5), ('subscriptions', 6), ('verify', 7)) AS s (name, position)`,
		`INSERT INTO connections (id, status, granted_at) SELECT id, CASE WHEN merchant % 77 = 0 THEN 'needs_reauthorisation' ELSE 'active' END, created_at FROM tenants`,
		`INSERT INTO runs (id, tenant_id, kind, status, resources, created_at, started_at, finished_at, state)
			SELECT pg_temp.id_at(created_at + interval '1 hour'), id, 'initial', CASE WHEN merchant % 40 = 0 THEN 'incomplete' ELSE 'complete' END,
			       '{customers,products,orders,carts}', created_at, created_at, created_at + interval '1 hour', 'done'
			FROM tenants WHERE status = 'ready'`,
		`INSERT INTO streams (id, run_id, tenant_id, resource, status, per_page, ahead, pages, imported, total_before, total_after, finished_at)
			SELECT gen_random_uuid(), r.id, r.tenant_id, s, 'complete', 60, 3, 50, 3000, 3000, 3000, now()
			FROM runs r, unnest(r.resources) AS s`,
		fmt.Sprintf(`INSERT INTO events (id, source, event, merchant, tenant_id, status, waiting_for, error, lane, state, received_at, applied_at, headers, due_at)
			SELECT pg_temp.id_at(at), 'salla', (ARRAY['order.created','order.updated','product.updated','customer.updated','abandoned.cart'])[1 + n %% 5],
			       t.merchant, t.id, e.status, CASE WHEN e.status = 'waiting' THEN 'resume' END, CASE WHEN e.status = 'failed' THEN 'the order has no id' END,
			       'events', CASE e.status WHEN 'waiting' THEN 'waiting' WHEN 'failed' THEN 'failed' ELSE 'done' END, at, at + interval '90 ms',
			       '{"user-agent": "Salla Webhooks", "content-type": "application/json"}', NULL
			FROM (
				SELECT n, now() - interval '80 days' * random() AS at,
				       CASE WHEN n %% 1000 = 0 THEN 'failed' WHEN n %% 700 = 0 THEN 'waiting' WHEN n %% 20 = 0 THEN 'ignored' ELSE 'applied' END AS status
				FROM generate_series(1, %d) AS n
			) AS e
			JOIN LATERAL (SELECT 1300000001 + (e.n::bigint * 7919) %% %d AS merchant) AS m ON true
			JOIN tenants t ON t.merchant = m.merchant`, benchEvents, benchTenants),
		`ANALYZE`,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return uuid.Nil, fmt.Errorf("fill the control database: %w", err)
		}
	}
	var id uuid.UUID
	err = conn.QueryRow(ctx, `SELECT id FROM tenants WHERE status = 'ready' ORDER BY merchant LIMIT 1`).Scan(&id)
	if err != nil {
		return id, fmt.Errorf("choose a tenant: %w", err)
	}
	return id, nil
}
