package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"
)

// What console.live is measured with.
const (
	liveFigure   = "console.live"
	liveConsoles = 100
	liveSettle   = 10 * time.Second // before the processor's time is counted
	liveQuiet    = 20 * time.Second // of the same site that nobody looks at
	liveFor      = 60 * time.Second
	liveChange   = 400 * time.Millisecond // between two things that happen
	clockTicks   = 100                    // a second, in which the kernel counts the time of processes
)

// benchLive measures how much of a core the api uses while a hundred consoles are
// open on pages that refresh themselves, and a few things happen each second. The
// baseline is what it uses while nobody looks.
func benchLive(ctx context.Context, log io.Writer, pool *pgxpool.Pool, cookies []*http.Cookie, facts *consoleFacts) (out figure, err error) {
	f, err := newFleet(ctx, pool, "off")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, f.close(context.WithoutCancel(ctx))) }()
	within, cancel := context.WithCancel(ctx)
	g, within := errgroup.WithContext(within)
	g.Go(func() error { return keepChanging(within, pool, facts.long) })
	err = func() error {
		defer cancel()
		if err := pause(within, liveSettle); err != nil {
			return err
		}
		quiet, _, err := usage(within, pool, f.api.cmd.Process.Pid, liveQuiet)
		if err != nil {
			return err
		}
		var read, parts atomic.Int64
		for _, address := range liveAddresses(facts) {
			g.Go(func() error { return watch(within, f.base+address, cookies, &read, &parts) })
		}
		if err := pause(within, liveSettle); err != nil {
			return err
		}
		before, told := read.Load(), parts.Load()
		busy, database, err := usage(within, pool, f.api.cmd.Process.Pid, liveFor)
		if err != nil {
			return err
		}
		fmt.Fprintf(log, "  %s: the api %.1f %% of a core (%.1f with nobody looking), PostgreSQL's sessions %.1f %%; %.0f parts and %.0f kB a second\n",
			liveFigure, busy, quiet, database, float64(parts.Load()-told)/liveFor.Seconds(), float64(read.Load()-before)/1000/liveFor.Seconds())
		out = figure{Name: liveFigure, Value: busy, Unit: "%", Baseline: quiet}
		if quiet > 0 {
			out.Ratio = busy / quiet
		}
		return nil
	}()
	if ended := g.Wait(); err == nil || errors.Is(err, context.Canceled) {
		if ended != nil && !errors.Is(ended, context.Canceled) {
			err = ended
		}
	}
	return out, err
}

// liveAddresses are what the consoles look at: most at the overview, others at lists
// and at stores.
func liveAddresses(f *consoleFacts) []string {
	var list []string
	for range liveConsoles * 35 / 100 {
		list = append(list, "/admin/live?span=hour")
	}
	for range liveConsoles * 5 / 100 {
		list = append(list, "/admin/live?span=day")
	}
	for range liveConsoles * 15 / 100 {
		list = append(list, "/admin/tenants/live")
	}
	for range liveConsoles * 5 / 100 {
		list = append(list, "/admin/tenants/live?status=failed")
	}
	for range liveConsoles * 10 / 100 {
		list = append(list, "/admin/tenants/"+f.long.String()+"/live", "/admin/tenants/"+f.tenant.String()+"/live")
	}
	for range liveConsoles * 5 / 100 {
		list = append(list, "/admin/events/live", "/admin/events/live?status=failed")
	}
	for len(list) < liveConsoles {
		list = append(list, "/admin/lanes/live")
	}
	return list
}

// watch reads one event stream until the context ends. A stream that ends before is a
// failure.
func watch(ctx context.Context, address string, cookies []*http.Cookie, read, parts *atomic.Int64) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return fmt.Errorf("open a console: %w", err)
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("open a console: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %d", address, resp.StatusCode)
	}
	buffer := make([]byte, 64<<10)
	for {
		n, err := resp.Body.Read(buffer)
		read.Add(int64(n))
		parts.Add(int64(strings.Count(string(buffer[:n]), "event: part\n")))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", address, err)
		}
	}
}

// keepChanging lets a few things happen each second: an event comes in, one is
// applied, a store's name changes.
func keepChanging(ctx context.Context, pool *pgxpool.Pool, tenant uuid.UUID) error {
	tick := time.NewTicker(liveChange)
	defer tick.Stop()
	for n := 0; ; n++ {
		var err error
		switch n % 4 {
		case 0, 2:
			_, err = pool.Exec(ctx, `
				INSERT INTO events (id, source, event, merchant, tenant_id, status, lane, state, enqueued_at)
				SELECT $1, 'salla', 'order.created', merchant, id, 'received', 'events', 'runnable', now() FROM tenants WHERE id = $2`,
				uuid.Must(uuid.NewV7()), tenant)
		case 1:
			_, err = pool.Exec(ctx, `
				UPDATE events SET status = 'applied', state = 'done', applied_at = now()
				WHERE id = (SELECT id FROM events WHERE status = 'received' ORDER BY id DESC LIMIT 1)`)
		case 3:
			_, err = pool.Exec(ctx, `
				UPDATE tenants SET name = 'Store ' || $1::integer, updated_at = now()
				WHERE id = (SELECT id FROM tenants ORDER BY id DESC LIMIT 1)`, n)
		}
		if err != nil {
			return fmt.Errorf("let something happen: %w", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// usage is how much of a core a process uses in that time, and how much the sessions
// do that PostgreSQL has on the database, in percent. Of a server elsewhere nothing is
// known: then that is 0.
func usage(ctx context.Context, pool *pgxpool.Pool, pid int, length time.Duration) (api, database float64, err error) {
	begun := time.Now()
	before, err := processTime(pid)
	if err != nil {
		return 0, 0, err
	}
	sessions, err := sessionTimes(ctx, pool)
	if err != nil {
		return 0, 0, err
	}
	if err := pause(ctx, length); err != nil {
		return 0, 0, err
	}
	after, err := processTime(pid)
	if err != nil {
		return 0, 0, err
	}
	later, err := sessionTimes(ctx, pool)
	if err != nil {
		return 0, 0, err
	}
	took := time.Since(begun).Seconds()
	for session, spent := range later {
		database += spent - sessions[session] // one that is new has spent all of it since
	}
	return (after - before) / took * 100, database / took * 100, nil
}

// sessionTimes is the processor's time of PostgreSQL's sessions on the database.
func sessionTimes(ctx context.Context, pool *pgxpool.Pool) (map[int]float64, error) {
	rows, err := pool.Query(ctx, `
		SELECT pid FROM pg_stat_activity
		WHERE datname = current_database() OR backend_type = 'parallel worker'`)
	if err != nil {
		return nil, fmt.Errorf("list PostgreSQL's sessions: %w", err)
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return nil, fmt.Errorf("list PostgreSQL's sessions: %w", err)
	}
	times := map[int]float64{}
	for _, pid := range pids {
		if spent, err := processTime(pid); err == nil {
			times[pid] = spent
		}
	}
	return times, nil
}

// processTime is how many seconds of a processor a running process has used.
func processTime(pid int) (float64, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("read how much a process has worked: %w", err)
	}
	_, rest, ok := strings.Cut(string(stat), ") ") // the name before it may have spaces
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("the kernel does not tell how much a process has worked")
	}
	var ticks int
	for _, field := range fields[11:13] { // utime and stime
		n, err := strconv.Atoi(field)
		if err != nil {
			return 0, fmt.Errorf("read how much a process has worked: %w", err)
		}
		ticks += n
	}
	return float64(ticks) / clockTicks, nil
}
