package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/circuit"
	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
)

// Whatever attempts work has behind it, the outage of something else never makes a
// dead letter of it; a failure of its own does.
func TestFaultOutagesMakeNoDeadLetters(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	_, refused := pgx.Connect(t.Context(), "postgres://wosool@127.0.0.1:1/postgres?connect_timeout=2")
	outages := map[string]error{
		"a provider":                   &circuit.Outage{Err: fmt.Errorf("%w: HTTP 500", fault.Unavailable)},
		"a server that is down":        refused,
		"a server that is stopped":     &pgconn.PgError{Code: "57P01"},
		"a server without room":        &pgconn.PgError{Code: "53300"},
		"a server that starts":         &pgconn.PgError{Code: "57P03"},
		"a lock that is held":          &pgconn.PgError{Code: "55P03"},
		"a connection that broke":      io.ErrUnexpectedEOF,
		"a connection that was closed": pgconn.ErrConnClosed,
	}
	own := map[string]error{
		"a mistake":        errors.New("a mistake of ours"),
		"a bad statement":  &pgconn.PgError{Code: "42601"},
		"a slow statement": &pgconn.PgError{Code: "57014"},
		"a deadline":       context.DeadlineExceeded,
		"for good":         fault.Permanent(&pgconn.PgError{Code: "57P01"}),
	}
	var answers sync.Map
	h.start(t, func(_ context.Context, l store.Lease) ([]store.Task, error) {
		err, _ := answers.Load(l.ID)
		return nil, fmt.Errorf("do it: %w", err.(error))
	})
	want := map[uuid.UUID]string{}
	names := map[uuid.UUID]string{}
	for state, errs := range map[string]map[string]error{"runnable": outages, "failed": own} {
		for name, err := range errs {
			task := h.addRow(t)
			answers.Store(task.ID, err)
			want[task.ID], names[task.ID] = state, name
			if _, err := h.pool.Exec(t.Context(), `UPDATE schema_targets SET attempts = 19 WHERE id = $1`, task.ID); err != nil {
				t.Fatal(err)
			}
			h.enqueue(t, task)
		}
	}
	for id := range want {
		h.last = id
		h.await(t, names[id]+" was met", func(r row) bool { return r.lastError != "" })
		r := h.row(t)
		if r.state != want[id] || r.state == "runnable" && r.attempts != 19 {
			t.Errorf("%s: the row is %s with %d attempts, want %s (%s)", names[id], r.state, r.attempts, want[id], r.lastError)
		}
	}
}

// A provider that fails one piece of work for a day, while it answers others, has made
// a dead letter of it; a server of ours never has, nor has a day that was waited.
func TestFaultWorkThatAProviderFailsForADayIsGivenUp(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	provider := &circuit.Outage{Err: fmt.Errorf("%w: HTTP 500", fault.Unavailable)}
	server := &circuit.Outage{Err: fmt.Errorf("%w: no answer", fault.Unavailable), Ours: true}
	cases := map[string]struct {
		err      error
		failing  time.Duration
		attempts int
		state    string
	}{
		"a provider for a day":            {provider, 24*time.Hour + time.Minute, 19, "failed"},
		"a provider for almost a day":     {provider, 24*time.Hour - time.Minute, 19, "runnable"},
		"a server of ours for a week":     {server, 7 * 24 * time.Hour, 19, "runnable"},
		"PostgreSQL for a week":           {&pgconn.PgError{Code: "57P01"}, 7 * 24 * time.Hour, 19, "runnable"},
		"a provider, attempts to be made": {provider, 48 * time.Hour, 3, "runnable"},
		"a provider, begun anew":          {provider, 48 * time.Hour, 0, "runnable"},
	}
	var answers sync.Map
	h.start(t, func(_ context.Context, l store.Lease) ([]store.Task, error) {
		err, _ := answers.Load(l.ID)
		return nil, fmt.Errorf("do it: %w", err.(error))
	})
	for name, tt := range cases {
		task := h.addRow(t)
		answers.Store(task.ID, tt.err)
		if _, err := h.pool.Exec(t.Context(), `UPDATE schema_targets SET attempts = $2, failing_since = now() - $3::interval WHERE id = $1`,
			task.ID, tt.attempts, tt.failing); err != nil {
			t.Fatal(err)
		}
		h.enqueue(t, task)
		h.last = task.ID
		h.await(t, name+" was met", func(r row) bool { return r.lastError != "" })
		r := h.row(t)
		if r.state != tt.state {
			t.Errorf("%s: the row is %s, want %s (%s)", name, r.state, tt.state, r.lastError)
		}
		const why = "it has failed for 24 hours without one success: do it: "
		if dead := tt.state == "failed"; strings.HasPrefix(r.lastError, why) != dead {
			t.Errorf("%s: the reason is %q", name, r.lastError)
		}
	}
}

// How long work has failed begins with its first failure, leaves out what it waited,
// and is forgotten by whatever begins it anew.
func TestFaultHowLongWorkFails(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	task := h.addRow(t)
	take := func() store.Lease {
		t.Helper()
		l, taken, err := h.db.Take(t.Context(), task, time.Minute)
		if err != nil || taken != store.TakenOurs {
			t.Fatalf("take: %v, %v", taken, err)
		}
		return l
	}
	ago := func(d time.Duration) {
		t.Helper()
		if _, err := h.pool.Exec(t.Context(), `UPDATE schema_targets SET failing_since = failing_since - $2::interval WHERE id = $1`, task.ID, d); err != nil {
			t.Fatal(err)
		}
	}
	fails := func(what string, l store.Lease, want time.Duration) {
		t.Helper()
		if off := l.Failing - want; off < -time.Second || off > 30*time.Second {
			t.Errorf("%s: it has failed for %s, want %s", what, l.Failing, want)
		}
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}

	l := take()
	fails("before the first failure", l, 0)
	do(h.db.Retry(t.Context(), l, 0, "HTTP 500"))
	ago(3 * time.Hour)
	l = take()
	fails("after it", l, 3*time.Hour)
	do(h.db.Spare(t.Context(), l, 0, "HTTP 500"))
	l = take()
	fails("after one that spends nothing", l, 3*time.Hour)
	do(h.db.Postpone(t.Context(), l, time.Now().Add(time.Hour), "waits for Clerk"))
	l = take()
	fails("after an hour's wait", l, 2*time.Hour)
	do(h.db.Postpone(t.Context(), l, time.Time{}, "waits for the merchant"))
	if _, err := h.db.Wake(t.Context(), kind, task.ID); err != nil {
		t.Fatal(err)
	}
	l = take()
	fails("after somebody's act", l, 0)
	do(h.db.Retry(t.Context(), l, 0, "HTTP 500"))
	ago(3 * time.Hour)
	l = take()
	do(h.db.GiveUp(t.Context(), l, "HTTP 500"))
	l = take()
	fails("a dead letter that is run again", l, 0)
	do(h.db.Retry(t.Context(), l, 0, "HTTP 500"))
	fails("after its first failure", take(), 0)
}

// An outage spends attempts only as far as failures of the work's own keep some.
func TestFaultOutageSparesAttempts(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.start(t, func(context.Context, store.Lease) ([]store.Task, error) { return nil, &pgconn.PgError{Code: "57P01"} })
	task := h.addRow(t)
	if _, err := h.pool.Exec(t.Context(), `UPDATE schema_targets SET attempts = 16 WHERE id = $1`, task.ID); err != nil {
		t.Fatal(err)
	}
	h.enqueue(t, task)
	h.await(t, "an attempt is spent", func(r row) bool { return r.attempts == 17 })

	dbtest.Eventually(t, 10*time.Second, "it is due at once", func() bool {
		next, err := h.db.Wake(t.Context(), kind, task.ID)
		return err == nil && h.queue.Wake(t.Context(), tasks.Ref(next)) == nil
	})
	var due time.Duration
	dbtest.Eventually(t, 20*time.Second, "it waits for a while", func() bool {
		var at time.Time
		err := h.pool.QueryRow(t.Context(), `SELECT due_at FROM schema_targets WHERE id = $1 AND holder IS NULL`, task.ID).Scan(&at)
		due = time.Until(at)
		return err == nil && due > 50*time.Second
	})
	if r := h.row(t); r.attempts != 17 || r.state != "runnable" {
		t.Errorf("the row is %s with %d attempts, want none spent", r.state, r.attempts)
	}
}
