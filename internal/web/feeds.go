package web

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/a-h/templ"
)

// feeds lets the consoles that look at the same address share the making of its
// parts. Its zero value is ready for use.
type feeds struct {
	every, beat time.Duration // zero: liveEvery and liveBeat

	mu    sync.Mutex
	open  map[string]*feed
	count atomic.Int64 // of open
}

// What making the parts of all open pages together may take: a twentieth of the time,
// unless that would let one be older than so many times what it should. Imports are
// never shown as they were more than two seconds ago: their pages do not wait.
const (
	feedsShare = 20
	feedsRest  = 3
)

// feed is one address that somebody looks at. Nothing runs for it: whoever of
// its viewers comes first after the last shot is over makes the next one.
type feed struct {
	every, beat time.Duration
	most        int           // times every that a shot may be shown
	viewers     int           // guarded by feeds.mu
	turn        chan struct{} // holds one token: who has it may make a shot
	others      *atomic.Int64 // how many feeds are open, with this one

	// Guarded by turn.
	over time.Time // when the shot is
	shot *shot
}

// join adds a viewer to the feed of an address. leave is called once.
func (l *feeds) join(address string) (f *feed, leave func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f = l.open[address]
	if f == nil {
		f = &feed{most: feedsRest, every: l.every, beat: l.beat, turn: make(chan struct{}, 1), others: &l.count}
		if f.every == 0 {
			f.every = liveEvery
		}
		if f.beat == 0 {
			f.beat = liveBeat
		}
		if showsImports(address) {
			f.most = 1
		}
		if l.open == nil {
			l.open = make(map[string]*feed)
		}
		l.open[address] = f
		l.count.Add(1)
	}
	f.viewers++
	return f, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		f.viewers--
		if f.viewers == 0 {
			delete(l.open, address)
			l.count.Add(-1)
		}
	}
}

// now gives the parts as they are: those another viewer has just had, or new
// ones. Nobody changes what it returns.
func (f *feed) now(ctx context.Context, parts func(context.Context) (map[string]templ.Component, error)) (*shot, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.shot != nil && time.Now().Before(f.over) {
		return f.shot, nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveSlow)
	defer cancel()
	begun := time.Now()
	list, err := parts(ctx)
	if err != nil {
		return nil, err
	}
	next, err := newShot(ctx, list, f.shot)
	if err != nil {
		return nil, err
	}
	f.shot, f.over = next, time.Now().Add(f.rest(time.Since(begun)))
	return next, nil
}

// rest is how long a shot is shown that took so long to make. The viewers' clocks
// are not quite in step, so that it is a little less than they wait.
func (f *feed) rest(took time.Duration) time.Duration {
	fair := took * feedsShare * time.Duration(f.others.Load())
	return min(max(fair, f.every), f.every*time.Duration(f.most)) * 9 / 10
}

// showsImports tells whether an address is that of a page that shows how imports go on.
func showsImports(address string) bool {
	return strings.Contains(address, importsPath) || strings.Contains(address, tenantsPath+"/")
}
