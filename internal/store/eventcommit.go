package store

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/semaphore"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// Deliveries that come at the same time share a commit. Each track has one
// committer, which takes everything that queues there, commits it at once and
// takes what came meanwhile: who comes alone waits for nobody. A merchant's
// deliveries go one track, so that copies of a delivery, and the merchant's
// window, are contended for by other processes only.
const (
	recordTracks = 2
	groupEvents  = 128
	groupBytes   = 4 << 20  // one event may be larger
	queueBytes   = 64 << 20 // of what waits for its commit; who comes then waits for room
	eventBytes   = 4 << 10  // what an event weighs besides what it says

	// groupTime ends a commit that PostgreSQL never answers: nobody waits that long.
	groupTime = 10 * time.Second
)

// recorder groups events into commits. It has no goroutine while nothing queues.
type recorder struct {
	room    *semaphore.Weighted
	tracks  [recordTracks]track
	insert  func(ctx context.Context, events []*recording) error
	observe func(events int, took time.Duration, err error)
}

// track is a queue and its committer.
type track struct {
	mu    sync.Mutex
	queue []*recording
	busy  bool // there is a committer
}

// recording is an event on its way into the table.
type recording struct {
	event   NewEvent
	headers []byte
	weight  int64
	group   *group // whose commit it is in; nil while it queues
	parted  bool   // the group's work does not wait for it

	// What became of it, once done is closed.
	done chan struct{}
	out  RecordedEvent
	room bool // it is held though its merchant's window has room
	err  error
}

// group is what one committer has in hand. Its work ends once nobody waits for it.
type group struct {
	events  []*recording
	waiting int
	cancel  context.CancelFunc
}

func newRecorder(pool *pgxpool.Pool) *recorder {
	return &recorder{
		room:    semaphore.NewWeighted(queueBytes),
		insert:  func(ctx context.Context, events []*recording) error { return insertEvents(ctx, pool, events) },
		observe: func(int, time.Duration, error) {},
	}
}

// ObserveCommits has fn told of each commit of deliveries: how many there were in
// it, how long it took, and whether it failed. It is called before the first
// delivery comes.
func (db *DB) ObserveCommits(fn func(events int, took time.Duration, err error)) {
	db.recorder.observe = fn
}

// record returns once the event is committed, or certainly is not because of an
// error. Where ctx ends before, nobody knows.
func (r *recorder) record(ctx context.Context, rec *recording) error {
	p := rec.event.Payload
	rec.weight = min(int64(eventBytes+len(p.JSON)+len(p.Text)+len(p.Sealed)), queueBytes)
	rec.done = make(chan struct{})
	if err := r.room.Acquire(ctx, rec.weight); err != nil {
		return fmt.Errorf("wait for others to be committed: %w", err)
	}
	t := r.trackOf(rec.event)
	t.mu.Lock()
	t.queue = append(t.queue, rec)
	if !t.busy {
		t.busy = true
		go r.work(t)
	}
	t.mu.Unlock()
	select {
	case <-rec.done:
		return rec.err
	case <-ctx.Done():
		return r.leave(ctx, t, rec)
	}
}

// trackOf gives the track of an event: always the same for a merchant, and for
// the copies of a delivery.
func (r *recorder) trackOf(e NewEvent) *track {
	var n uint64
	if e.Merchant != nil {
		n = uint64(*e.Merchant)
	} else {
		for _, b := range e.Key[:min(8, len(e.Key))] {
			n = n<<8 | uint64(b)
		}
	}
	const golden = 0x9e3779b97f4a7c15 // spreads neighbours
	at, _ := bits.Mul64(n*golden, recordTracks)
	return &r.tracks[at]
}

// leave is for who can't wait any longer. The last to leave a group ends its work.
func (r *recorder) leave(ctx context.Context, t *track, rec *recording) error {
	t.mu.Lock()
	g := rec.group
	if g == nil {
		t.queue = slices.DeleteFunc(t.queue, func(other *recording) bool { return other == rec })
		t.mu.Unlock()
		r.room.Release(rec.weight)
		return fmt.Errorf("wait for the commit: %w", ctx.Err())
	}
	last := g.part(rec)
	t.mu.Unlock()
	if last {
		g.cancel()
		<-rec.done // at once, now: perhaps it was committed all the same
	}
	select {
	case <-rec.done:
		if rec.err == nil {
			return nil
		}
	default:
	}
	return fmt.Errorf("wait for the commit: %w", ctx.Err())
}

// part is told, under the track's lock, that nobody waits for the event any more:
// who brought it has gone, or is answered. last: nobody is left who waits for the work.
func (g *group) part(rec *recording) (last bool) {
	if rec.parted {
		return false
	}
	rec.parted = true
	g.waiting--
	return g.waiting == 0
}

// work commits what queues on a track, until nothing does.
func (r *recorder) work(t *track) {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), groupTime) // of nobody alone
		g := t.next(cancel)
		if g == nil {
			cancel()
			return
		}
		r.commitGroup(ctx, t, g)
		cancel()
	}
}

// next takes what is to be committed together. Where there is nothing, the
// committer is dismissed.
func (t *track) next(cancel context.CancelFunc) *group {
	t.mu.Lock()
	defer t.mu.Unlock()
	n, weight := 0, int64(0)
	for n < len(t.queue) && n < groupEvents && (n == 0 || weight+t.queue[n].weight <= groupBytes) {
		weight += t.queue[n].weight
		n++
	}
	if n == 0 {
		t.busy = false
		return nil
	}
	g := &group{events: slices.Clone(t.queue[:n]), waiting: n, cancel: cancel}
	t.queue = slices.Delete(t.queue, 0, n)
	for _, rec := range g.events {
		rec.group = g
	}
	return g
}

// commitGroup commits a group. Whatever happens, everybody is answered.
func (r *recorder) commitGroup(ctx context.Context, t *track, g *group) {
	defer func() {
		if v := recover(); v != nil {
			r.answer(t, unanswered(g.events), fmt.Errorf("record events: panic: %v\n%s", v, debug.Stack()))
		}
	}()
	r.commit(ctx, t, g.events)
}

// unanswered are the events of which it is not known yet what became of them.
func unanswered(events []*recording) []*recording {
	return slices.DeleteFunc(slices.Clone(events), func(rec *recording) bool {
		select {
		case <-rec.done:
			return true
		default:
			return false
		}
	})
}

// commit commits events in one transaction. If PostgreSQL refuses the data of one
// of them, each half is tried without the other, so that the good ones get in.
func (r *recorder) commit(ctx context.Context, t *track, events []*recording) {
	begun := time.Now()
	err := r.insert(ctx, events)
	if again(err) && ctx.Err() == nil {
		// A connection that had died, or one that was cut off, perhaps after the
		// commit. The keys tell: what is there already by its own id is not written twice.
		err = r.insert(ctx, events)
	}
	r.observe(len(events), time.Since(begun), err)
	switch half := len(events) / 2; {
	case err == nil:
	case !unfit(err):
		err = fmt.Errorf("record events: %w", err)
	case half > 0 && protect.Neighbour:
		r.commit(ctx, t, events[:half])
		r.commit(ctx, t, events[half:])
		return
	default:
		err = fault.New(fault.Invalid, "the payload is not one that jsonb can hold")
	}
	r.answer(t, events, err)
}

// answer tells who waits what became of their events. Work that goes on for others
// ends where all of those have gone.
func (r *recorder) answer(t *track, events []*recording, err error) {
	t.mu.Lock()
	for _, rec := range events {
		if rec.group.part(rec) {
			defer rec.group.cancel()
		}
	}
	t.mu.Unlock()
	for _, rec := range events {
		if err != nil {
			rec.err = err
		}
		r.room.Release(rec.weight)
		close(rec.done)
	}
}

// again tells whether a commit failed for a reason that a second try may not meet:
// the connection was lost, or another transaction was in the way.
func again(err error) bool {
	if err == nil {
		return false
	}
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok {
		return true
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "08", "40", "57": // connection exception, transaction rollback, operator intervention
		return true
	}
	return false
}
