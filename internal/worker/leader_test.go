package worker

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wosool/wosool/internal/dbtest"
)

// What is down while nobody needs it is probed by the leader, again and again.
func TestLeaderTends(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	h.intervals.Schedule = 20 * time.Millisecond
	var rounds atomic.Int32
	w := &Worker{
		DB: h.db, Redis: h.rdb, Queue: h.queue, Intervals: h.intervals, Retention: time.Hour, Log: dbtest.Log(t),
		Tend: func(context.Context) error { rounds.Add(1); return nil },
	}
	stop := w.startLoops(t.Context())
	defer stop()
	dbtest.Eventually(t, 10*time.Second, "it is tended", func() bool { return rounds.Load() >= 3 })
}

// A circuit of a store that has left is forgotten by the leader.
func TestLeaderForgetsCircuits(t *testing.T) {
	t.Parallel()
	h := newHarness(t)
	if _, err := h.pool.Exec(t.Context(), `
		INSERT INTO circuits (name, kind, merchant, failures, failed_at, opened_at, retry_at)
		VALUES ('salla/store/7', 'store', 7, 5, now(), now(), now())`); err != nil {
		t.Fatal(err)
	}
	w := &Worker{DB: h.db, Queue: h.queue, Intervals: h.intervals, Retention: time.Hour, Log: dbtest.Log(t)}
	if err := w.prune(t.Context()); err != nil {
		t.Fatal(err)
	}
	if list, err := h.db.Circuits(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("circuits: %+v, %v", list, err)
	}
}
