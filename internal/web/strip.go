package web

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const (
	stripFor  = 2 * time.Second        // how long what was found holds
	stripWait = 500 * time.Millisecond // how long a page waits for it
	stripSlow = 250 * time.Millisecond // answers that take longer are worth a word
)

// strip remembers what is not well, since it is on every page: whoever comes
// first after it is over asks again, and nobody waits for them. Its zero value
// is ready for use.
type strip struct {
	mu     sync.Mutex
	asked  time.Time
	asking bool
	found  condition
}

// condition is how what everything needs is doing.
type condition struct {
	redis, postgres ailing
	noWorker        bool
	merchants       int // stores whose merchant has to grant access again
}

// ailing is since when something does not answer, or answers slowly.
type ailing struct {
	since time.Time // zero: it is well
	down  bool
}

// next is the state after an answer that took d, or did not come.
func (a ailing) next(d time.Duration, err error, now time.Time) ailing {
	down := err != nil
	if !down && d < stripSlow {
		return ailing{}
	}
	if a.since.IsZero() || a.down != down {
		a.since = now
	}
	a.down = down
	return a
}

// stripOf says what is not well, for a reader in zone loc.
func (s *Server) stripOf(ctx context.Context, loc *time.Location) []templates.Notice {
	if c := &s.console.strip; c.begin() {
		func() {
			var ok bool
			found := c.last()
			defer func() { c.end(found, ok) }()
			found, ok = s.examine(ctx, found)
		}()
	}
	return s.console.strip.last().notices(time.Now(), loc)
}

// begin tells whether the caller is the one to ask again; it then calls end.
func (c *strip) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := !c.asking && time.Since(c.asked) > stripFor
	c.asking = c.asking || due
	return due
}

func (c *strip) end(found condition, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking = false
	if ok {
		c.found, c.asked = found, time.Now()
	}
}

func (c *strip) last() condition {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.found
}

// examine asks PostgreSQL and Redis. It is not ok where whoever asks has gone.
func (s *Server) examine(ctx context.Context, was condition) (now condition, ok bool) {
	within, cancel := context.WithTimeout(ctx, stripWait)
	defer cancel()
	now = was
	redis := make(chan ailing, 1)
	go func() {
		if s.PingRedis == nil {
			redis <- ailing{}
			return
		}
		begun := time.Now()
		err := s.PingRedis(within)
		redis <- was.redis.next(time.Since(begun), err, begun)
	}()
	begun := time.Now()
	err := s.DB.Ping(within)
	now.postgres = was.postgres.next(time.Since(begun), err, begun)
	if err == nil {
		s.count(within, &now)
	}
	now.redis = <-redis
	return now, !errors.Is(ctx.Err(), context.Canceled)
}

// count keeps what was known where an answer does not come in time.
func (s *Server) count(ctx context.Context, now *condition) {
	if workers, err := s.DB.Workers(ctx); err == nil {
		now.noWorker = true
		for _, w := range workers {
			now.noWorker = now.noWorker && w.State != store.WorkerRunning
		}
	}
	if n, err := s.DB.CountNeed(ctx, store.NeedReauthorisation); err == nil {
		now.merchants = n
	}
}

// notices puts a condition into words.
func (c condition) notices(now time.Time, loc *time.Location) []templates.Notice {
	var list []templates.Notice
	ails := func(a ailing, name, consequence string) {
		if a.since.IsZero() {
			return
		}
		since := templates.NewMoment(a.since.Truncate(time.Second), now, loc).Clock
		if a.down {
			list = append(list, templates.Notice{Kind: templates.Broken, Text: name + " does not answer since " + since + ": " + consequence})
			return
		}
		list = append(list, templates.Notice{Kind: templates.Wait, Text: name + " answers slowly since " + since})
	}
	ails(c.postgres, "PostgreSQL", "deliveries are refused, and sent again by Salla")
	ails(c.redis, "Redis", "deliveries are kept, work waits")
	if c.noWorker {
		list = append(list, templates.Notice{
			Kind: templates.Broken, Text: "No worker runs: deliveries are kept, work waits", Href: "/admin/workers",
		})
	}
	switch {
	case c.merchants == 1:
		list = append(list, templates.Notice{Kind: templates.Wait, Text: "1 grant needs its merchant", Href: "/admin/tenants?status=needs_reauthorisation"})
	case c.merchants > 1:
		list = append(list, templates.Notice{
			Kind: templates.Wait, Text: templates.Count(c.merchants) + " grants need their merchants",
			Href: "/admin/tenants?status=needs_reauthorisation",
		})
	}
	return list
}
