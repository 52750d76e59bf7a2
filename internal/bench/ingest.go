package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/events"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/internal/telemetry"
	"github.com/wosool/wosool/internal/vault"
	"github.com/wosool/wosool/internal/web"
	"github.com/wosool/wosool/migrations"
)

// How deliveries are measured.
const (
	ingestPairs     = 7    // of ours and the baseline, in turns
	ingestRequests  = 3000 // in each
	ingestMerchants = 750  // in each, so that no window is full: every delivery is queued
	ingestPool      = 20   // connections to PostgreSQL, as the api has
	ingestSecret    = "bench-webhook-secret"
)

// ingestSuite measures how many deliveries a second the api commits and queues,
// against a bare handler that checks the signature, inserts one row and enqueues
// one task; and how long a delivery takes.
func ingestSuite() suite {
	return suite{
		name:    "ingest",
		figures: []string{"ingest.32", "ingest.64", "ingest.32.p99"},
		run:     benchIngest,
	}
}

func benchIngest(ctx context.Context, log io.Writer, wanted func(string) bool) (figures []figure, err error) {
	pool, drop, err := controlDatabase(ctx)
	if err != nil {
		return nil, err
	}
	pool.Close() // each side has its own
	defer func() { err = errors.Join(err, drop()) }()
	address := pool.Config().ConnString()
	body, err := orderUpdated(ctx)
	if err != nil {
		return nil, err
	}
	load := &load{template: body, merchant: 1_300_000_000}
	ours, err := newIngestAPI(ctx, address)
	if err != nil {
		return nil, err
	}
	defer ours.close()
	bare, err := newBareAPI(ctx, address)
	if err != nil {
		return nil, err
	}
	defer bare.close()
	for _, connections := range []int{32, 64} {
		name := fmt.Sprintf("ingest.%d", connections)
		if !wanted(name) && (connections != 32 || !wanted(name+".p99")) {
			continue
		}
		fmt.Fprintf(log, "%s: %d pairs of %d deliveries of %d bytes\n", name, ingestPairs, ingestRequests, len(body))
		m, err := compare(ctx, log, load, connections, ours, bare)
		if err != nil {
			return nil, err
		}
		if wanted(name) {
			figures = append(figures, figure{
				Name: name, Value: median(m.rate), Unit: "requests/s", Baseline: median(m.baseline), Ratio: median(m.ratio),
			})
		}
		if p99 := name + ".p99"; connections == 32 && wanted(p99) {
			figures = append(figures, figure{Name: p99, Value: median(m.p99), Unit: "ms"})
		}
	}
	return figures, nil
}

// measured is what the pairs gave.
type measured struct {
	rate, baseline, ratio []float64 // of each pair
	p99                   []float64 // ours, ms
}

// compare measures both sides in turns, with the same deliveries, after one round
// of each that does not count.
func compare(ctx context.Context, log io.Writer, l *load, connections int, ours, bare *ingestSide) (measured, error) {
	var m measured
	for pair := range ingestPairs + 1 {
		requests := l.requests(ingestRequests, ingestMerchants)
		var results [2]result
		sides := []*ingestSide{ours, bare}
		for i := range sides {
			at := (i + pair) % 2
			r, err := sides[at].round(ctx, connections, requests)
			if err != nil {
				return m, err
			}
			results[at] = r
		}
		fmt.Fprintf(log, "  %s: ours %.0f/s, bare %.0f/s, %.2f; p99 %.1f and %.1f ms\n", what(pair), results[0].rate, results[1].rate,
			results[0].rate/results[1].rate, percentile(results[0].took, 99), percentile(results[1].took, 99))
		if pair == 0 {
			continue
		}
		m.rate, m.baseline = append(m.rate, results[0].rate), append(m.baseline, results[1].rate)
		m.ratio = append(m.ratio, results[0].rate/results[1].rate)
		m.p99 = append(m.p99, percentile(results[0].took, 99))
	}
	return m, nil
}

func what(pair int) string {
	if pair == 0 {
		return "warming up"
	}
	return fmt.Sprintf("pair %d", pair)
}

func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	if len(values) == 0 {
		return math.NaN()
	}
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// ingestSide is one of the two that take deliveries.
type ingestSide struct {
	addr  string
	took  func(ctx context.Context) (rows, queued int64, err error) // since the last time
	close func()
}

// round sends the requests and makes sure that each has its row and its task.
func (s *ingestSide) round(ctx context.Context, connections int, requests [][]byte) (result, error) {
	r, err := send(ctx, s.addr, connections, requests)
	if err != nil {
		return result{}, err
	}
	rows, queued, err := s.took(ctx)
	if err != nil {
		return result{}, err
	}
	if n := int64(len(requests)); rows != n || queued != n {
		return result{}, fmt.Errorf("%d deliveries were answered 200, but there are %d rows and %d tasks", n, rows, queued)
	}
	return r, nil
}

// newIngestAPI serves what the api serves, on servers of its own.
func newIngestAPI(ctx context.Context, address string) (*ingestSide, error) {
	pool, err := store.Open(ctx, address, "bench-api", ingestPool)
	if err != nil {
		return nil, err
	}
	rdb, err := tasks.OpenRedis(os.Getenv("REDIS_URL"))
	if err != nil {
		return nil, errors.New("REDIS_URL is not set: run `make bench`")
	}
	keyset, err := vault.NewKeyset()
	if err != nil {
		return nil, err
	}
	keys, err := vault.OpenKeys(keyset)
	if err != nil {
		return nil, err
	}
	schema, err := migrations.Version()
	if err != nil {
		return nil, err
	}
	db := store.New(pool)
	if err := db.EnsurePartitions(ctx, time.Now()); err != nil {
		return nil, err
	}
	server := &web.Server{
		DB: db, Queue: tasks.NewEnqueuer(rdb), Schema: schema, PingRedis: func(ctx context.Context) error { return rdb.Ping(ctx).Err() },
		Inbox:   &events.Inbox{DB: db, Keys: keys, Strategy: events.StrategySignature, Secrets: []string{ingestSecret}},
		Metrics: telemetry.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}
	side, err := serveSide(ctx, server.Handler())
	if err != nil {
		return nil, err
	}
	side.took = tookBy(address, rdb, `SELECT count(*) FROM events WHERE state = 'runnable'`, tasks.LaneEvents)
	stop := side.close
	side.close = func() { stop(); pool.Close(); _ = rdb.Close() }
	return side, nil
}

// serveSide serves h on a port of this machine, with the limits of the api.
func serveSide(ctx context.Context, h http.Handler) (*ingestSide, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{
		Handler: h, MaxHeaderBytes: 32 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 40 * time.Second, IdleTimeout: 90 * time.Second,
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	return &ingestSide{addr: l.Addr().String(), close: func() { _ = server.Close() }}, nil
}

// tookBy counts what was added since the last call: the rows of a query, and the
// tasks that wait in a queue of Redis.
func tookBy(address string, rdb redis.UniversalClient, query, queue string) func(context.Context) (int64, int64, error) {
	var hadRows, hadTasks int64
	return func(ctx context.Context) (int64, int64, error) {
		conn, err := pgx.Connect(ctx, address)
		if err != nil {
			return 0, 0, errors.New("connect to DATABASE_URL: it does not answer")
		}
		defer conn.Close(ctx)
		var rows int64
		if err := conn.QueryRow(ctx, query).Scan(&rows); err != nil {
			return 0, 0, fmt.Errorf("count the rows: %w", err)
		}
		queued, err := rdb.LLen(ctx, "asynq:{"+queue+"}:pending").Result()
		if err != nil {
			return 0, 0, fmt.Errorf("count the tasks: %w", err)
		}
		newRows, newTasks := rows-hadRows, queued-hadTasks
		hadRows, hadTasks = rows, queued
		return newRows, newTasks, nil
	}
}
