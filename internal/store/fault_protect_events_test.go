package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// An event that is about to wait for its tenant to be ready meets the transaction
// that makes it ready: it waits for its end, and then does not begin to wait.
func TestFaultWaitThatIsOverIsNotWritten(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	ctx := t.Context()
	id := inStatus(t, db, 1, "provisioning")
	event := recordEvent(t, db, 1, "order.created", time.Time{})
	l := leased(t, db, event.Tasks[0])
	ready, err := db.pool.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Rollback(ctx)
	if _, err := ready.Exec(ctx, `UPDATE tenants SET status = 'ready' WHERE id = $1`, id); err != nil {
		t.Fatal(err)
	}

	type answer struct {
		waits bool
		err   error
	}
	answered := make(chan answer, 1)
	go func() {
		waits, _, err := db.WaitEvent(ctx, l, 1, WaitReady)
		answered <- answer{waits, err}
	}()
	dbtest.Eventually(t, 10*time.Second, "the wait is written, or waits for the lock", func() bool {
		var blocked bool
		if err := db.pool.QueryRow(ctx, `
			SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&blocked); err != nil {
			t.Fatal(err)
		}
		return blocked || len(answered) == 1
	})
	if _, err := releaseEvents(ctx, ready, id, nil, WaitReady); err != nil {
		t.Fatal(err)
	}
	if err := ready.Commit(ctx); err != nil {
		t.Fatal(err)
	}

	if got := <-answered; got.waits || got.err != nil {
		t.Errorf("waits %v, %v; want the wait found to be over", got.waits, got.err)
	}
	if e, err := db.Event(ctx, event.ID); err != nil || e.Status != EventReceived {
		t.Errorf("the event is %s, %v; want it received and its handler to go on", e.Status, err)
	}
}

// A merchant who sends a hundred events has a few of them queued at a time, and the
// next as one ends.
func TestFaultOneMerchantsEventsComeInWindows(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	var queued []Task
	for range 100 {
		queued = append(queued, recordEvent(t, db, 1, "product.updated", time.Time{}).Tasks...)
	}
	other := recordEvent(t, db, 2, "order.created", time.Time{}).Tasks

	if len(queued) != EventWindow || len(other) != 1 {
		t.Fatalf("%d events of one merchant are queued, and %d of another; want %d and 1", len(queued), len(other), EventWindow)
	}
	next, err := db.FinishEvent(t.Context(), leased(t, db, queued[0]), EventEnd{Status: EventIgnored, Words: "test"})
	if err != nil || len(next) != 1 {
		t.Errorf("when one ends: %v, %v; want the next", next, err)
	}
}

// One delivery that PostgreSQL refuses is refused; the others that come at the same
// time, and share its commit, are committed.
func TestFaultPoisonedNeighbour(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	insert, first, gate := db.recorder.insert, make(chan struct{}), make(chan struct{})
	var once sync.Once
	var most atomic.Int64
	db.recorder.insert = func(ctx context.Context, events []*recording) error {
		once.Do(func() { close(first); <-gate })
		most.Store(max(most.Load(), int64(len(events))))
		return insert(ctx, events)
	}
	record := func(payload string) error {
		id := uuid.Must(uuid.NewV7())
		_, err := db.RecordEvent(t.Context(), NewEvent{
			ID: id, Key: id[:], Source: "salla", Event: "order.created", Merchant: new(int64(1)), Lane: LaneEvents, ReceivedAt: time.Now(),
			Payload: Payload{JSON: []byte(payload), Length: len(payload), Hash: id[:]},
		})
		return err
	}
	const good = `{"a":1}`
	var deliveries sync.WaitGroup
	deliver := func(payload string, ok bool) {
		deliveries.Go(func() {
			if err := record(payload); (err == nil) != ok || err != nil && !errors.Is(err, fault.Invalid) {
				t.Errorf("%s: %v", payload, err)
			}
		})
	}
	deliver(good, true)
	<-first // its committer is busy: all that comes now is one group
	for i := range 20 {
		deliver(good, true)
		if i == 7 {
			deliver(`{"a":"\u0000"}`, false)
		}
	}
	dbtest.Eventually(t, 10*time.Second, "they queue", func() bool {
		queued := 0
		for i := range db.recorder.tracks {
			track := &db.recorder.tracks[i]
			track.mu.Lock()
			queued += len(track.queue)
			track.mu.Unlock()
		}
		return queued == 21
	})
	close(gate)
	deliveries.Wait()

	if most.Load() != 21 {
		t.Errorf("at most %d were committed together, want 21", most.Load())
	}
	if stats, err := db.EventStats(t.Context()); err != nil || stats["received"] != 21 {
		t.Errorf("%v, %v: want the 21 good ones", stats, err)
	}
}
