package web

import (
	"net/http"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
)

// BenchmarkEventsPage measures the page of events, as the server answers it, with
// a million events in the control database (or as many as WOSOOL_BENCH_EVENTS
// says): console.events.p95 is the slowest of its ways. It needs a minute to fill
// the table, so run it with -benchtime=200x.
func BenchmarkEventsPage(b *testing.B) {
	rows := 1_000_000
	if text := os.Getenv("WOSOOL_BENCH_EVENTS"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			b.Fatal("WOSOOL_BENCH_EVENTS must be a whole number")
		}
		rows = n
	}
	d := deskWith(b, dbtest.Redis(b))
	fillEvents(d, rows)
	day := func(ago int) string { return time.Now().AddDate(0, 0, -ago).UTC().Format(time.RFC3339) }
	middle := one[string](d.site, `SELECT id::text FROM events ORDER BY id OFFSET $1 LIMIT 1`, rows/2)
	for _, way := range []struct{ name, path string }{
		{"all", "/admin/events"},
		{"failed", "/admin/events?status=failed"},
		{"waiting", "/admin/events?status=waiting"},
		{"clerk", "/admin/events?source=clerk"},
		{"merchant", "/admin/events?merchant=1000000007"},
		{"merchant-failed", "/admin/events?merchant=1000000007&status=failed"},
		{"stranger", "/admin/events?merchant=5"},
		{"name", "/admin/events?event=event.3"},
		{"name-failed", "/admin/events?event=event.3&status=failed"},
		{"beginning", "/admin/events?q=event.1"},
		{"beginning-of-none", "/admin/events?q=nothing"},
		{"middle", "/admin/events?cursor=" + cursorAfter(uuid.MustParse(middle))},
		{"from", "/admin/events?from=" + day(40) + "&to=" + day(30)},
		{"from-failed", "/admin/events?status=failed&from=" + day(40) + "&to=" + day(30)},
		{"from-merchant", "/admin/events?merchant=1000000007&from=" + day(40) + "&to=" + day(30)},
		{"text-merchant", "/admin/events?merchant=1000000007&text=needle"},
		{"text-merchant-rare", "/admin/events?merchant=1000000007&text=nothing"},
		{"text-day", "/admin/events?text=needle&from=" + day(40) + "&to=" + day(39)},
		{"text-month-common", "/admin/events?text=needle&from=" + day(40) + "&to=" + day(10)},
		{"text-month-rare", "/admin/events?text=nothing&from=" + day(40) + "&to=" + day(10)},
		{"text-month-name", "/admin/events?text=nothing&event=event.3&from=" + day(40) + "&to=" + day(10)},
		{"one", "/admin/events/" + middle},
	} {
		b.Run(way.name, func(b *testing.B) {
			took := make([]time.Duration, 0, b.N)
			for b.Loop() {
				begun := time.Now()
				a := d.send(http.MethodGet, way.path, "", map[string]string{"Cookie": d.cookie})
				took = append(took, time.Since(begun))
				if a.Code != http.StatusOK {
					b.Fatalf("GET %s: %d %s", way.path, a.Code, a.Body)
				}
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
		})
	}
}

// fillEvents writes that many events of a thousand stores, over ninety days, each
// with a payload of 200 bytes, of which one in a hundred has a needle.
func fillEvents(d *desk, rows int) {
	d.t.Helper()
	d.exec(`
		INSERT INTO tenants (id, slug, name, merchant, status, state)
		SELECT gen_random_uuid(), 'store-' || n, 'متجر ' || n, 1000000000 + n, 'ready', 'done'
		FROM generate_series(0, 999) AS n`)
	d.exec(`
		INSERT INTO events (id, source, event, merchant, tenant_id, status, waiting_for, error, headers, received_at, applied_at,
		                    lane, state, attempts, due_at, enqueued_at)
		SELECT (lpad(to_hex((extract(epoch FROM e.at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(e.n % 4096), 3, '0') ||
		        '8' || lpad(to_hex(e.n), 15, '0'))::uuid,
		       CASE WHEN e.n % 5000 = 1 THEN 'clerk' ELSE 'salla' END, 'event.' || e.n % 25, t.merchant, t.id, e.status,
		       CASE WHEN e.status = 'waiting' THEN 'grant' END,
		       CASE WHEN e.status = 'failed' THEN 'Salla answered 500 for order ' || e.n END,
		       '{"user-agent": "Salla/2.1", "content-type": "application/json"}', e.at, CASE WHEN e.status = 'applied' THEN e.at END,
		       'events', CASE e.status WHEN 'received' THEN 'runnable' WHEN 'waiting' THEN 'waiting' WHEN 'failed' THEN 'failed' ELSE 'done' END,
		       0, NULL, e.at
		FROM (
			SELECT n, now() - interval '90 days' * (1 - n::float / $1) AS at,
			       CASE WHEN n % 1000 < 2 THEN 'failed' WHEN n % 1000 < 12 THEN 'waiting' WHEN n % 1000 < 13 THEN 'received'
			            WHEN n % 1000 < 30 THEN 'ignored' ELSE 'applied' END AS status
			FROM generate_series(1, $1::integer) AS n
		) AS e
		JOIN tenants AS t ON t.merchant = 1000000000 + (e.n::bigint * 7919 % 1000)`, rows)
	for ago := 91; ago >= 0; ago -= 8 { // each call makes eight days
		if err := d.s.DB.EnsurePartitions(d.t.Context(), time.Now().AddDate(0, 0, -ago)); err != nil {
			d.t.Fatal(err)
		}
	}
	d.exec(`
		INSERT INTO event_payloads (event_id, payload, body_length, body_hash)
		SELECT id, jsonb_build_object('event', event, 'merchant', merchant, 'data', jsonb_build_object(
		           'id', attempts, 'said', CASE WHEN right(id::text, 2) = '07' THEN 'a needle' ELSE 'hay' END, 'rest', repeat('x', 100))),
		       200, ''
		FROM events`)
	d.exec(`VACUUM ANALYZE events`)
	d.exec(`ANALYZE event_payloads`)
}
