package systemtest

import (
	"net/http"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/tasks"
)

// FLUSHALL in the middle of three imports, again and again: the rows are the
// truth, and everything goes on by itself.
func TestFaultFlushAll(t *testing.T) {
	t.Parallel()
	merchants := []int64{73401, 73402, 73403}
	server := dbtest.OwnRedis(t)
	o := options{workers: 2, redisURL: server.URL()}
	for _, m := range merchants {
		o.stores = append(o.stores, shop(m, 70))
	}
	s := newSystem(t, o)
	s.slowly(30 * time.Millisecond)
	for _, m := range merchants {
		s.install(m)
	}
	for range 3 {
		s.awaitCalls(40)
		if err := server.FlushAll(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitCalls(40)
	flushed := time.Now()
	if err := server.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.sandbox.ClearFaults()
	rdb, err := tasks.OpenRedis(server.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rdb.Close() })
	// 60 s in production: a tenth, and as much again for a busy machine.
	dbtest.Eventually(t, 12*time.Second, "everything that is due is queued again", func() bool {
		again, err := tasks.NewEnqueuer(rdb).Survived(t.Context())
		return err == nil && again
	})
	t.Logf("everything was queued again %v after FLUSHALL", time.Since(flushed).Round(time.Millisecond))
	// 90 s in production, likewise; the imports have to be read to their end first.
	s.awaitEqual(t, 90*time.Second, merchants...)
	t.Logf("equal counts %v after FLUSHALL", time.Since(flushed).Round(time.Millisecond))
	s.invariants(t, 60*time.Second)
}

// Redis refused, held, slow, out of memory and crashed, each in the middle of
// work: webhooks are accepted all the while, and everything goes on when it is
// back.
func TestFaultRedis(t *testing.T) {
	t.Parallel()
	server := dbtest.OwnRedis(t)
	wire := dbtest.NewWire(t, server.URL())
	memory := func(most string) {
		options, err := redis.ParseURL(server.URL())
		if err != nil {
			t.Fatal(err)
		}
		client := redis.NewClient(options)
		defer client.Close()
		if err := client.ConfigSet(t.Context(), "maxmemory", most).Err(); err != nil {
			t.Fatal(err)
		}
	}
	faults := []struct {
		name     string
		degraded bool // /readyz says so
		on, off  func()
	}{
		{"refused", true, wire.Refuse, wire.Pass},
		{"silent", true, wire.HoldReplies, func() { wire.Cut(); wire.Pass() }},
		{"slow", false, func() { wire.Slow(40 * time.Millisecond) }, wire.Pass},
		{"out of memory", false, func() { memory("1") }, func() { memory("0") }},
		{"killed", true, server.Kill, server.Start},
	}
	o := options{workers: 2, redisURL: wire.URL()}
	first := int64(73411)
	for i := range faults {
		o.stores = append(o.stores, shop(first+int64(2*i), 12), shop(first+int64(2*i)+1, 4))
	}
	s := newSystem(t, o)
	for i, f := range faults {
		during, meanwhile := first+int64(2*i), first+int64(2*i)+1
		s.install(during)
		s.awaitCalls(30)
		f.on()
		s.install(meanwhile)
		s.accepted(t, f.name)
		if f.degraded {
			s.ready(t, http.StatusOK, "degraded")
		}
		f.off()
		s.awaitEqual(t, 90*time.Second, during, meanwhile)
	}
	s.invariants(t, 60*time.Second)
}

// accepted fails unless every delivery so far was answered 200 at its first try.
func (s *system) accepted(t *testing.T, when string) {
	t.Helper()
	for _, d := range s.sandbox.Deliveries() {
		if len(d.Attempts) > 0 && d.Attempts[0].Status/100 != 2 {
			t.Errorf("%s: %s of %d was answered %d at first (%s), want a 2xx", when, d.Event, d.Merchant, d.Attempts[0].Status, d.Attempts[0].Error)
		}
	}
}
