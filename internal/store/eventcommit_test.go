package store

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/fault"
)

// delivery is a copy of the delivery nr of a merchant: each has an id of its own.
func delivery(merchant int64, nr int) NewEvent {
	key := sha256.Sum256(fmt.Appendf(nil, "%d/%d", merchant, nr))
	return NewEvent{
		ID: uuid.Must(uuid.NewV7()), Key: key[:], Source: "salla", Event: "order.updated", Merchant: &merchant, Lane: LaneEvents,
		ReceivedAt: time.Now(), Headers: map[string]string{"user-agent": "x"},
		Payload: Payload{JSON: json.RawMessage(fmt.Sprintf(`{"nr":%d}`, nr)), Length: 7, Hash: key[:]},
	}
}

// twoProcesses are two stores on one database, each with connections of its own.
func twoProcesses(t *testing.T) [2]*DB {
	t.Helper()
	pool, address := dbtest.ControlURL(t)
	other, err := pgxpool.New(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(other.Close)
	return [2]*DB{New(pool), New(other)}
}

// counted reads one number.
func counted(t *testing.T, db *DB, query string, args ...any) int {
	t.Helper()
	var n int
	if err := db.pool.QueryRow(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// blockCommits keeps every commit of deliveries from ending until it is released.
func blockCommits(t *testing.T, db *DB) (release func()) {
	t.Helper()
	tx, err := db.pool.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `LOCK TABLE event_keys IN ACCESS EXCLUSIVE MODE`); err != nil {
		t.Fatal(err)
	}
	release = sync.OnceFunc(func() { _ = tx.Rollback(context.WithoutCancel(t.Context())) })
	t.Cleanup(release)
	return release
}

// queued counts the events of a track that no committer has in hand.
func (t *track) queued() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.queue)
}

// idle tells that a track has no committer.
func (t *track) idle() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.busy && len(t.queue) == 0
}

// recordAll records deliveries at once and gives what each became.
func recordAll(ctx context.Context, db *DB, events []NewEvent) ([]RecordedEvent, []error) {
	recs, errs := make([]RecordedEvent, len(events)), make([]error, len(events))
	var wg sync.WaitGroup
	for i, e := range events {
		wg.Go(func() { recs[i], errs[i] = db.RecordEvent(ctx, e) })
	}
	wg.Wait()
	return recs, errs
}

func TestFaultCopiesOfDeliveriesAcrossProcessesAreOneEventEach(t *testing.T) {
	t.Parallel()
	dbs := twoProcesses(t)
	const merchants, each, copies = 12, 10, 4
	type kept struct {
		ids   map[uuid.UUID]bool
		fresh int
	}
	var mu sync.Mutex
	byKey := map[string]*kept{}
	var wg sync.WaitGroup
	for nr := range merchants * each * copies {
		wg.Go(func() {
			e := delivery(int64(1+nr%merchants), nr/merchants%each)
			rec, err := dbs[nr%7%2].RecordEvent(t.Context(), e)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			k := byKey[string(e.Key)]
			if k == nil {
				k = &kept{ids: map[uuid.UUID]bool{}}
				byKey[string(e.Key)] = k
			}
			k.ids[rec.ID] = true
			if !rec.Duplicate {
				k.fresh++
			}
		})
	}
	wg.Wait()

	for key, k := range byKey {
		if len(k.ids) != 1 || k.fresh != 1 {
			t.Errorf("delivery %x: %d ids, %d answers that it is new", key[:4], len(k.ids), k.fresh)
		}
		for id := range k.ids {
			if n := counted(t, dbs[0], `
				SELECT count(*)
				FROM event_keys AS k
				JOIN events AS e ON e.id = k.event_id
				JOIN event_payloads AS p ON p.event_id = e.id
				WHERE k.key = $1 AND e.id = $2`, []byte(key), id); n != 1 {
				t.Errorf("delivery %x: %d whole rows", key[:4], n)
			}
		}
	}
	for _, table := range []string{"event_keys", "events", "event_payloads"} {
		if n := counted(t, dbs[0], `SELECT count(*) FROM `+table); n != merchants*each || len(byKey) != n {
			t.Errorf("%d rows in %s, want %d", n, table, merchants*each)
		}
	}
}

// Two processes record, workers finish: the window is never exceeded, and after the
// sweeper's look it is as full as it can be.
func TestFaultWindowIsExactWhileProcessesRecordAndEventsEnd(t *testing.T) {
	t.Parallel()
	dbs := twoProcesses(t)
	const merchants, each = 3, 60
	tasks := make(chan Task, merchants*each*2)
	var wg sync.WaitGroup
	for nr := range merchants * each {
		wg.Go(func() {
			rec, err := dbs[nr/merchants%2].RecordEvent(t.Context(), delivery(int64(1+nr%merchants), nr))
			if err != nil {
				t.Error(err)
			}
			for _, task := range rec.Tasks {
				tasks <- task
			}
		})
	}
	look := func() {
		t.Helper()
		if n := counted(t, dbs[0], `
			SELECT coalesce(max(n), 0)
			FROM (SELECT count(*) AS n FROM events WHERE state = 'runnable' GROUP BY merchant) AS w`); n > EventWindow {
			t.Errorf("%d events of one merchant are runnable", n)
		}
	}
	for range 4 {
		wg.Go(func() {
			for range 15 {
				task := <-tasks
				l, taken, err := dbs[0].Take(t.Context(), task, time.Minute)
				if err != nil || taken != TakenOurs {
					t.Errorf("take: %v, %v", taken, err)
					return
				}
				next, err := dbs[0].FinishEvent(t.Context(), l, EventEnd{Status: EventApplied})
				if err != nil {
					t.Error(err)
				}
				for _, task := range next {
					tasks <- task
				}
				look()
			}
		})
	}
	wg.Wait()
	look()

	if _, err := dbs[1].SweepEvents(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	look()
	if n := counted(t, dbs[0], `
		SELECT count(*)
		FROM (
			SELECT FROM events
			GROUP BY merchant
			HAVING count(*) FILTER (WHERE state = 'held') > 0 AND count(*) FILTER (WHERE state = 'runnable') < $1
		) AS w`, EventWindow); n != 0 {
		t.Errorf("%d merchants have held events and room for them", n)
	}
	if n := counted(t, dbs[0], `SELECT count(*) FROM events`); n != merchants*each {
		t.Errorf("%d events, want %d", n, merchants*each)
	}
}

// grouped records events while commits are blocked, so that all but the first of
// each track are in one group, and then lets them through.
func grouped(t *testing.T, db *DB, merchant int64, events []NewEvent) ([]RecordedEvent, []error) {
	t.Helper()
	release := blockCommits(t, db)
	var recs []RecordedEvent
	var errs []error
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := db.RecordEvent(t.Context(), delivery(merchant, -1)); err != nil {
			t.Error(err)
		}
	})
	track := db.recorder.trackOf(events[0])
	dbtest.Eventually(t, 10*time.Second, "the first commit to begin", func() bool { return !track.idle() && track.queued() == 0 })
	wg.Go(func() { recs, errs = recordAll(t.Context(), db, events) })
	dbtest.Eventually(t, 10*time.Second, "the others to queue", func() bool { return track.queued() == len(events) })
	release()
	wg.Wait()
	return recs, errs
}

func TestDeliveriesThatComeAtOnceShareACommit(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	var mu sync.Mutex
	var sizes []int
	db.ObserveCommits(func(n int, took time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		sizes = append(sizes, n)
		if err != nil || took <= 0 {
			t.Errorf("a commit of %d: %v, %v", n, took, err)
		}
	})
	var events []NewEvent
	for nr := range 40 {
		events = append(events, delivery(1, nr/2)) // each twice
	}

	recs, errs := grouped(t, db, 1, events)

	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(sizes) != "[1 40]" {
		t.Errorf("commits of %v, want one alone and the others together", sizes)
	}
	fresh, tasks := 0, 0
	for i, rec := range recs {
		if rec.ID != recs[i^1].ID {
			t.Errorf("copies became %s and %s", rec.ID, recs[i^1].ID)
		}
		if !rec.Duplicate {
			fresh++
		}
		tasks += len(rec.Tasks)
	}
	if fresh != 20 || tasks != EventWindow-1 {
		t.Errorf("%d are new and %d queued, want 20 and what is left of the window, %d", fresh, tasks, EventWindow-1)
	}
}

func TestFaultPayloadThatCannotBeKeptSpoilsNoOther(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	var events []NewEvent
	for nr := range 60 {
		e := delivery(1, nr)
		if nr%17 == 3 {
			e.Payload.JSON = json.RawMessage(`{"a":"\u0000"}`)
		}
		events = append(events, e)
	}

	recs, errs := grouped(t, db, 1, events)

	for nr := range events {
		if bad := nr%17 == 3; bad != errors.Is(errs[nr], fault.Invalid) || !bad && (errs[nr] != nil || recs[nr].Duplicate) {
			t.Errorf("delivery %d: %+v, %v", nr, recs[nr], errs[nr])
		}
	}
	if n := counted(t, db, `SELECT count(*) FROM events`); n != 57 {
		t.Errorf("%d events, want the 57 good ones", n)
	}
	if n := counted(t, db, `SELECT count(*) FROM events WHERE state = 'runnable'`); n != EventWindow {
		t.Errorf("%d are runnable, want %d", n, EventWindow)
	}
}

// Connections are cut while deliveries come. Who was told yes has a row; who was not
// comes again and then has one.
func TestFaultConnectionsCutInTheMiddleOfCommits(t *testing.T) {
	t.Parallel()
	dbs := twoProcesses(t)
	admin, err := pgx.Connect(t.Context(), dbtest.AdminURL(t))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	name := dbs[0].pool.Config().ConnConfig.Database
	var done atomic.Bool
	var cut sync.WaitGroup
	cuts := 0
	cut.Go(func() {
		for !done.Load() {
			var n int
			if err := admin.QueryRow(t.Context(), `
				SELECT count(*) FILTER (WHERE pg_terminate_backend(pid))
				FROM pg_stat_activity
				WHERE datname = $1 AND state <> 'idle'`, name).Scan(&n); err != nil {
				t.Error(err)
				return
			}
			cuts += n
		}
	})
	var failed atomic.Int64
	var wg sync.WaitGroup
	ids := make([]uuid.UUID, 300)
	for nr := range ids {
		wg.Go(func() {
			for {
				rec, err := dbs[nr%2].RecordEvent(t.Context(), delivery(int64(1+nr%20), nr))
				if err == nil {
					ids[nr] = rec.ID
					return
				}
				if failed.Add(1) > 200 {
					done.Store(true) // enough of it: now it is let through
				}
			}
		})
	}
	wg.Wait()
	done.Store(true)
	cut.Wait()

	t.Logf("%d connections cut, %d answers of no", cuts, failed.Load())
	seen := map[uuid.UUID]bool{}
	for nr, id := range ids {
		key := delivery(int64(1+nr%20), nr).Key
		if seen[id] || counted(t, dbs[0], `
			SELECT count(*)
			FROM event_keys AS k
			JOIN events AS e ON e.id = k.event_id
			JOIN event_payloads AS p ON p.event_id = e.id
			WHERE k.key = $1 AND e.id = $2`, key, id) != 1 {
			t.Errorf("delivery %d was answered %s, which has no row or is another's", nr, id)
		}
		seen[id] = true
	}
	if n := counted(t, dbs[0], `SELECT count(*) FROM events`); n != len(ids) {
		t.Errorf("%d events, want %d", n, len(ids))
	}
}

// A commit whose answer was lost is found by its own keys.
func TestFaultCommitWhoseAnswerWasLostIsNotWrittenTwice(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	real := db.recorder.insert
	lost := false
	db.recorder.insert = func(ctx context.Context, events []*recording) error {
		err := real(ctx, events)
		if !lost {
			lost = true
			return errors.New("the connection was lost")
		}
		return err
	}
	e := delivery(1, 1)

	rec, err := db.RecordEvent(t.Context(), e)

	if err != nil || rec.ID != e.ID || rec.Duplicate {
		t.Errorf("got %+v, %v; want it recorded, as new", rec, err)
	}
	if n := counted(t, db, `SELECT count(*) FROM events WHERE state = 'runnable'`); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestFaultCommitterThatPanicsAnswersAndGoesOn(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	real := db.recorder.insert
	db.recorder.insert = func(ctx context.Context, events []*recording) error {
		if *events[0].event.Merchant == 13 {
			panic("test")
		}
		return real(ctx, events)
	}
	bad, good := delivery(13, 1), delivery(1, 1)

	_, err := db.RecordEvent(t.Context(), bad)
	if err == nil || !strings.Contains(err.Error(), "panic") {
		t.Errorf("the panic was answered %v", err)
	}
	db.recorder.insert = real
	for _, e := range []NewEvent{bad, good} {
		if rec, err := db.RecordEvent(t.Context(), e); err != nil || rec.ID != e.ID {
			t.Errorf("afterwards: %+v, %v", rec, err)
		}
	}
}

func TestFaultWhoCannotWaitLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	release := blockCommits(t, db)
	track := db.recorder.trackOf(delivery(1, 0))
	short, cancel := context.WithCancel(t.Context())
	record := func(ctx context.Context, nr int) <-chan error {
		answer := make(chan error, 1)
		go func() {
			_, err := db.RecordEvent(ctx, delivery(1, nr))
			answer <- err
		}()
		return answer
	}
	inHand := record(t.Context(), 1)
	dbtest.Eventually(t, 10*time.Second, "a commit in hand", func() bool { return !track.idle() && track.queued() == 0 })
	impatient, patient := record(short, 2), record(t.Context(), 3)
	dbtest.Eventually(t, 10*time.Second, "two to queue", func() bool { return track.queued() == 2 })

	cancel()
	if err := <-impatient; !errors.Is(err, context.Canceled) {
		t.Errorf("who left was answered %v", err)
	}
	release()
	if err := errors.Join(<-inHand, <-patient); err != nil {
		t.Error(err)
	}

	dbtest.Eventually(t, 10*time.Second, "the committer to be dismissed", track.idle)
	if n := counted(t, db, `SELECT count(*) FROM events`); n != 2 {
		t.Errorf("%d events, want those of who waited", n)
	}
}

// A commit that nobody waits for any more is ended, so that it holds up nobody.
func TestFaultCommitThatEverybodyLeftIsEnded(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	release := blockCommits(t, db)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()

	_, errs := recordAll(ctx, db, []NewEvent{delivery(1, 1), delivery(1, 2), delivery(1, 3)})
	for _, err := range errs {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the answer is %v", err)
		}
	}

	dbtest.Eventually(t, 5*time.Second, "the committer to be dismissed", db.recorder.trackOf(delivery(1, 1)).idle)
	dbtest.Eventually(t, 5*time.Second, "PostgreSQL to let go of the statement", func() bool {
		return counted(t, db, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`) == 0
	})
	release()
	if rec, err := db.RecordEvent(t.Context(), delivery(1, 1)); err != nil || rec.Duplicate {
		t.Errorf("when they come again: %+v, %v", rec, err)
	}
}

func TestFaultHalfThatMeetsSilenceIsEndedWhenItsCallersHaveLeft(t *testing.T) {
	t.Parallel()
	first, gate, silent := make(chan struct{}), make(chan struct{}), make(chan struct{})
	calls := 0
	r := &recorder{room: semaphore.NewWeighted(queueBytes), observe: func(int, time.Duration, error) {}}
	r.insert = func(ctx context.Context, _ []*recording) error {
		switch calls++; calls {
		case 1: // alone: the others queue together
			close(first)
			<-gate
		case 2: // both of them: one does not fit
			return &pgconn.PgError{Code: "22P05"}
		case 4: // the second half
			if _, bounded := ctx.Deadline(); !bounded {
				t.Error("the commit may take for ever")
			}
			close(silent)
			<-ctx.Done()
			return ctx.Err()
		}
		return nil
	}
	tr := r.trackOf(delivery(1, 1))
	go func() { _ = r.record(t.Context(), &recording{event: delivery(1, 1)}) }()
	<-first
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	for nr := range 2 {
		go func() { ended <- r.record(ctx, &recording{event: delivery(1, nr+2)}) }()
	}
	dbtest.Eventually(t, 5*time.Second, "both to queue", func() bool { return tr.queued() == 2 })
	close(gate)
	<-silent
	if err := <-ended; err != nil {
		t.Errorf("the first half: %v", err)
	}

	leave()

	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the second half: %v", err)
	}
	within, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := r.record(within, &recording{event: delivery(1, 9)}); err != nil {
		t.Errorf("the next delivery: %v", err)
	}
}

func TestFaultQueueThatIsFullKeepsNobodyForLong(t *testing.T) {
	t.Parallel()
	db := New(dbtest.Control(t))
	db.recorder.room = semaphore.NewWeighted(3 * (eventBytes + 20))
	release := blockCommits(t, db)
	var events []NewEvent
	for nr := range 30 {
		events = append(events, delivery(int64(1+nr), nr))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()

	_, errs := recordAll(ctx, db, events)
	for _, err := range errs {
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the answer is %v", err)
		}
	}
	release()

	if _, errs = recordAll(t.Context(), db, events); errors.Join(errs...) != nil {
		t.Errorf("once there is room again: %v", errors.Join(errs...))
	}
	if n := counted(t, db, `SELECT count(*) FROM events`); n != len(events) {
		t.Errorf("%d events, want %d", n, len(events))
	}
}

func TestEveryMerchantHasOneTrackAndAllAreUsed(t *testing.T) {
	t.Parallel()
	r := newRecorder(nil)
	used := map[*track]int{}
	for merchant := range int64(1000) {
		e := delivery(merchant, 1)
		if r.trackOf(e) != r.trackOf(delivery(merchant, 2)) {
			t.Fatalf("merchant %d has two tracks", merchant)
		}
		used[r.trackOf(e)]++
		e.Merchant = nil
		used[r.trackOf(e)]++
	}
	for track, n := range used {
		if n < 2000/recordTracks/2 {
			t.Errorf("track %p has %d of 2000", track, n)
		}
	}
	if len(used) != recordTracks {
		t.Errorf("%d tracks are used", len(used))
	}
}
