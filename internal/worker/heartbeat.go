package worker

import (
	"context"
	"maps"
	"os"
	"runtime/metrics"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/telemetry"
)

const (
	beatEvery  = 2 * time.Second // well within store.WorkerLostAfter
	forgetBeat = 30 * 60         // beats between two looks at processes that are long gone: an hour
)

// heart writes to PostgreSQL what this process is and does, until it is stopped.
// It goes on where PostgreSQL does not answer: the next beat tells all again.
type heart struct {
	*Worker
	self  store.Worker // what does not change
	tasks *busy

	asked chan struct{} // closed when the process is asked to stop
	drain func()        // tells that the process is asked to stop
	stop  func()        // ends the beats and tells that the process has stopped
}

// startHeart begins to beat. capacity is how many tasks the process does at once.
func (w *Worker) startHeart(ctx context.Context, tasks *busy, capacity int) *heart {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	h := &heart{Worker: w, tasks: tasks, asked: make(chan struct{}), self: store.Worker{
		ID: uuid.New(), Host: host, PID: os.Getpid(), Version: version(), Concurrency: capacity, Lanes: w.Lanes,
	}}
	beating, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var loop sync.WaitGroup
	loop.Go(func() { h.beat(beating) })
	h.drain = sync.OnceFunc(func() { close(h.asked) })
	h.stop = func() {
		cancel()
		loop.Wait()
		last, done := context.WithTimeout(context.WithoutCancel(ctx), beatEvery)
		defer done()
		if err := h.DB.WorkerStopped(last, h.self.ID); err != nil {
			h.Log.WarnContext(ctx, "could not tell that this worker stopped: it will count as lost", "error", err)
		}
	}
	return h
}

// beat writes at once, then again and again, and once more when the stop begins.
func (h *heart) beat(ctx context.Context) {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	asked := h.asked
	stopping, failing := false, false
	for n := 0; ; n++ {
		err := h.once(ctx, stopping, n%forgetBeat == 0)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil && !failing:
			h.Log.WarnContext(ctx, "heartbeat not written; it goes on", "error", err)
		case err == nil && failing:
			h.Log.InfoContext(ctx, "heartbeat is written again")
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return
		case <-asked:
			stopping, asked = true, nil
		case <-tick.C:
		}
	}
}

// once writes one beat, and now and then forgets processes that are long gone.
func (h *heart) once(ctx context.Context, stopping, forget bool) error {
	ctx, cancel := context.WithTimeout(ctx, beatEvery)
	defer cancel()
	beat := h.self
	beat.MemoryBytes, beat.Busy = memory(), h.tasks.list()
	if err := h.DB.Beat(ctx, beat, stopping); err != nil {
		return err
	}
	if forget {
		return h.DB.ForgetWorkers(ctx)
	}
	return nil
}

// memory is what the process holds of the machine's, in bytes.
func memory() int64 {
	samples := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(samples)
	for _, s := range samples {
		if s.Value.Kind() != metrics.KindUint64 {
			return 0
		}
	}
	return int64(samples[0].Value.Uint64() - samples[1].Value.Uint64()) //nolint:gosec // less than any machine has
}

// version names what this process was built of, as short as it can be told.
func version() string {
	b := telemetry.ThisBuild()
	if b.Revision == "" && (b.Version == "(devel)" || b.Version == "unknown") {
		return "dev" // built from a work tree, without version control's stamp
	}
	if b.Revision == "" {
		return b.Version
	}
	name := b.Revision[:min(len(b.Revision), 12)]
	if b.Modified {
		name += "+"
	}
	return name
}

// busy is what a process has in hand. Its zero value has nothing.
type busy struct {
	mu    sync.Mutex
	tasks map[uuid.UUID]store.WorkerTask // by holder, which is one attempt's
}

// begin notes that the leased row is being worked on, until end is called.
func (b *busy) begin(l store.Lease) (end func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tasks == nil {
		b.tasks = make(map[uuid.UUID]store.WorkerTask)
	}
	b.tasks[l.Holder] = store.WorkerTask{Task: l.Kind, Row: l.ID, Tenant: l.Tenant, Since: time.Now().UTC()}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.tasks, l.Holder)
	}
}

// list is what is in hand now, the oldest first.
func (b *busy) list() []store.WorkerTask {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Values(b.tasks), func(x, y store.WorkerTask) int { return x.Since.Compare(y.Since) })
}
