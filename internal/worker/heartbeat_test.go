package worker

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tasks"
	"github.com/wosool/wosool/migrations"
)

// A worker tells what it is and has in hand, that it stops, and that it has.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	task := h.addRow(t)
	tenant, release := make(chan *uuid.UUID, 1), make(chan struct{})
	stop := h.start(t, func(_ context.Context, l store.Lease) ([]store.Task, error) {
		tenant <- l.Tenant
		<-release
		return nil, nil
	})
	defer stop()
	h.enqueue(t, task)
	<-tenant

	one := h.awaitWorker(t, "it has the task in hand", func(w store.Worker) bool { return len(w.Busy) == 1 })
	if one.State != store.WorkerRunning || one.Host == "" || one.PID == 0 || one.Version == "" || one.MemoryBytes < 1<<20 ||
		one.Concurrency != 5 || len(one.Lanes) != len(tasks.Lanes()) {
		t.Errorf("worker = %+v", one)
	}
	if b := one.Busy[0]; b.Task != kind || b.Row != task.ID || time.Since(b.Since) > time.Minute {
		t.Errorf("in hand = %+v", b)
	}
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		stop()
	}()
	h.awaitWorker(t, "it stops, with the task in hand", func(w store.Worker) bool {
		return w.State == store.WorkerStopping && len(w.Busy) == 1
	})
	close(release)
	<-stopped
	last := h.awaitWorker(t, "it has stopped", func(w store.Worker) bool { return w.State == store.WorkerStopped })
	if len(last.Busy) != 0 || last.StoppedAt == nil || last.ID != one.ID {
		t.Errorf("worker = %+v, want nothing in hand", last)
	}
}

// awaitWorker waits until the only worker is as it should be.
func (h *harness) awaitWorker(t *testing.T, what string, is func(store.Worker) bool) (w store.Worker) {
	t.Helper()
	dbtest.Eventually(t, 15*time.Second, what, func() bool {
		list, err := h.db.Workers(t.Context())
		if err != nil || len(list) > 1 {
			t.Fatalf("workers = %+v, %v", list, err)
		}
		if len(list) == 0 {
			return false
		}
		w = list[0]
		return is(w)
	})
	return w
}

// A heart goes on while PostgreSQL is away, and tells all again when it is back;
// one that is not stopped, as after kill -9, counts as lost.
func TestHeartbeatOutlivesPostgres(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnPostgres(t)
	if err := migrations.Up(t.Context(), server.URL()); err != nil {
		t.Fatal(err)
	}
	pool, err := pgxpool.New(t.Context(), server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	h := &harness{pool: pool, db: store.New(pool)}
	w := &Worker{DB: h.db, Lanes: tasks.Lanes(), Metrics: prometheus.NewRegistry(), Log: dbtest.Log(t)}
	hand := &busy{}
	heart := w.startHeart(t.Context(), hand, 5)
	h.awaitWorker(t, "the first beat", func(w store.Worker) bool { return w.State == store.WorkerRunning })

	server.Kill()
	end := hand.begin(store.Lease{Kind: kind, ID: uuid.New(), Holder: uuid.New()})
	dbtest.Eventually(t, 10*time.Second, "PostgreSQL is away", func() bool { return pool.Ping(t.Context()) != nil })
	server.Start()
	dbtest.Eventually(t, 15*time.Second, "PostgreSQL is back", func() bool { return pool.Ping(t.Context()) == nil })

	h.awaitWorker(t, "a beat after the outage", func(w store.Worker) bool { return w.State == store.WorkerRunning && len(w.Busy) == 1 })
	end()
	h.awaitWorker(t, "nothing is in hand", func(w store.Worker) bool { return len(w.Busy) == 0 })
	// Whose row is gone makes it anew.
	if _, err := pool.Exec(t.Context(), `DELETE FROM workers`); err != nil {
		t.Fatal(err)
	}
	h.awaitWorker(t, "it is back", func(w store.Worker) bool { return w.State == store.WorkerRunning })

	heart.stop()
	if _, err := pool.Exec(t.Context(), `UPDATE workers SET stopped_at = NULL, seen_at = now() - interval '11 seconds'`); err != nil {
		t.Fatal(err)
	}
	h.awaitWorker(t, "what was killed is lost", func(w store.Worker) bool { return w.State == store.WorkerLost })
}

func TestVersion(t *testing.T) {
	t.Parallel()
	if got := version(); got != "dev" && len(got) < 7 {
		t.Errorf("version = %q, want a revision or dev", got)
	}
}
