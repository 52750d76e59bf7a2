package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"github.com/wosool/wosool/internal/store"
)

// size is how much there is in the control database that the console is measured on.
type size struct {
	tenants, events, deadPages, deadReads, audit int
}

// sized is the size of the promise, or that share of it: ten thousand tenants, ten
// million events and a million dead letters, of which six hundred thousand are events.
func sized(share float64) size {
	part := func(n int) int { return max(int(float64(n)*share), n/1000) }
	return size{
		tenants: part(10_000), events: part(10_000_000), deadPages: part(260_000), deadReads: part(140_000), audit: part(1_000_000),
	}
}

// bulky are the tables that are filled without their indexes, which are made in one
// go afterwards, and without a log, which nobody will need.
func bulky() []string {
	return []string{"events", "pages", "entity_reads", "audit"}
}

// filler fills a control database by INSERT … SELECT.
type filler struct {
	pool *pgxpool.Pool
	size size
	log  io.Writer
}

// fill makes rows in the mix that a season of use leaves, and leaves the tables as
// autovacuum would.
func (f *filler) fill(ctx context.Context) error {
	fmt.Fprintf(f.log, "filling: %d tenants, %d events\n", f.size.tenants, f.size.events)
	if err := f.functions(ctx); err != nil {
		return err
	}
	var indexes []string
	for _, table := range bulky() {
		dropped, err := f.bare(ctx, table)
		if err != nil {
			return err
		}
		indexes = append(indexes, dropped...)
	}
	for _, part := range []struct {
		what string
		do   func(context.Context) error
	}{
		{"tenants", f.all(tenantRows(f.size))},
		{"imports", f.all(importRows(f.size))},
		{"audit, figures, workers", f.all(otherRows(f.size))},
		{"events", f.events},
		{"payloads", f.payloads},
		{"indexes", f.all(indexes)},
		{"vacuum", f.vacuum},
	} {
		begun := time.Now()
		if err := part.do(ctx); err != nil {
			return fmt.Errorf("fill the control database: %s: %w", part.what, err)
		}
		fmt.Fprintf(f.log, "  %s: %.0f s\n", part.what, time.Since(begun).Seconds())
	}
	return nil
}

// functions makes what the rows are made with.
func (f *filler) functions(ctx context.Context) error {
	for _, statement := range fillFunctions() {
		if _, err := f.pool.Exec(ctx, statement); err != nil {
			return fmt.Errorf("make a function: %w", err)
		}
	}
	return nil
}

// bare drops a table's indexes but those of its constraints, and returns the
// statements that make them again.
func (f *filler) bare(ctx context.Context, table string) ([]string, error) {
	if _, err := f.pool.Exec(ctx, `ALTER TABLE `+table+` SET UNLOGGED`); err != nil {
		return nil, fmt.Errorf("fill %s: %w", table, err)
	}
	rows, err := f.pool.Query(ctx, `
		SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid)
		FROM pg_index AS i
		WHERE i.indrelid = $1::regclass AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)`, table)
	if err != nil {
		return nil, fmt.Errorf("read the indexes of %s: %w", table, err)
	}
	type index struct{ Name, Made string }
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[index])
	if err != nil {
		return nil, fmt.Errorf("read the indexes of %s: %w", table, err)
	}
	var again []string
	for _, i := range found {
		if _, err := f.pool.Exec(ctx, `DROP INDEX `+i.Name); err != nil {
			return nil, fmt.Errorf("drop %s: %w", i.Name, err)
		}
		again = append(again, i.Made)
	}
	return again, nil
}

// all does statements, each by itself: those that make indexes as many at once as
// there are processors, others one after the other.
func (f *filler) all(statements []string) func(context.Context) error {
	return func(ctx context.Context) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(1)
		if len(statements) > 0 && strings.HasPrefix(statements[0], "CREATE") {
			g.SetLimit(runtime.NumCPU())
		}
		for _, statement := range statements {
			g.Go(func() error { return f.load(ctx, statement) })
		}
		return g.Wait()
	}
}

// load does one statement in a session that is made for loading: references are not
// looked up, since what is made has them, and nothing waits for the disk.
func (f *filler) load(ctx context.Context, statement string, args ...any) (err error) {
	conn, err := f.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, `SET synchronous_commit = off; SET session_replication_role = replica;
		SET maintenance_work_mem = '512MB'; SET work_mem = '64MB'; SET jit = off`); err != nil {
		return fmt.Errorf("prepare a session: %w", err)
	}
	defer func() {
		_, reset := conn.Exec(context.WithoutCancel(ctx), `RESET ALL`)
		err = errors.Join(err, reset)
	}()
	if _, err := conn.Exec(ctx, statement, args...); err != nil {
		return fmt.Errorf("%.60s: %w", strings.TrimSpace(statement), err)
	}
	return nil
}

// eventSlice is how many events one statement makes.
const eventSlice = 250_000

// events makes the events, in the order of their ids but for the slices that are
// made at the same time.
func (f *filler) events(ctx context.Context) error {
	var now time.Time
	if err := f.pool.QueryRow(ctx, `SELECT now()`).Scan(&now); err != nil {
		return fmt.Errorf("read the clock: %w", err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for from := 1; from <= f.size.events; from += eventSlice {
		until := min(from+eventSlice-1, f.size.events)
		g.Go(func() error {
			if until%(8*eventSlice) == 0 {
				fmt.Fprintf(f.log, "    %d events\n", until)
			}
			return f.load(ctx, eventRows, from, until, f.size.events, now, f.size.tenants)
		})
	}
	return g.Wait()
}

// payloadDays is of how many days the payloads are still kept: one more than what is
// searched at most.
const payloadDays = 32

// payloads makes the payloads of the events of the last days, a partition at a time.
func (f *filler) payloads(ctx context.Context) error {
	db, today := store.New(f.pool), time.Now().UTC().Truncate(24*time.Hour)
	for day := today.AddDate(0, 0, -payloadDays); !day.After(today); day = day.AddDate(0, 0, 7) {
		if err := db.EnsurePartitions(ctx, day); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for day := today.AddDate(0, 0, -payloadDays); !day.After(today); day = day.AddDate(0, 0, 1) {
		name := "event_payloads_" + day.Format("20060102")
		g.Go(func() error {
			if err := f.load(ctx, `ALTER TABLE `+name+` SET UNLOGGED`); err != nil {
				return err
			}
			return f.load(ctx, fmt.Sprintf(payloadRows, name), day, day.AddDate(0, 0, 1))
		})
	}
	return g.Wait()
}

// vacuum leaves the tables as autovacuum would: their statistics fresh, and known
// which of their pages everybody sees.
func (f *filler) vacuum(ctx context.Context) error {
	if _, err := f.pool.Exec(ctx, `VACUUM (ANALYZE)`); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	_, err := f.pool.Exec(ctx, `CHECKPOINT`) // not while pages are measured
	return err
}
