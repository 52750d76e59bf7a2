package web

import (
	"context"
	"sync"
	"time"

	"github.com/a-h/templ"
)

// feeds lets the consoles that look at the same address share the making of its
// parts. Its zero value is ready for use.
type feeds struct {
	every, beat time.Duration // zero: liveEvery and liveBeat

	mu   sync.Mutex
	open map[string]*feed
}

// feed is one address that somebody looks at. Nothing runs for it: its viewers come
// when the last shot is over, and the first of them makes the next one for all.
type feed struct {
	every, beat time.Duration
	viewers     int           // guarded by feeds.mu
	turn        chan struct{} // holds one token: who has it may make a shot

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
		f = &feed{every: l.every, beat: l.beat, turn: make(chan struct{}, 1)}
		if f.every == 0 {
			f.every = liveEvery
		}
		if f.beat == 0 {
			f.beat = liveBeat
		}
		if l.open == nil {
			l.open = make(map[string]*feed)
		}
		l.open[address] = f
	}
	f.viewers++
	return f, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		f.viewers--
		if f.viewers == 0 {
			delete(l.open, address)
		}
	}
}

// now gives the parts as they are, those another viewer has just had or new ones, and
// when to come again. Nobody changes what it returns. After a failure, which is the
// viewer's own, the last parts stay.
func (f *feed) now(ctx context.Context, parts func(context.Context) (map[string]templ.Component, error)) (*shot, time.Time, error) {
	select {
	case f.turn <- struct{}{}:
		defer func() { <-f.turn }()
	case <-ctx.Done():
		return nil, time.Time{}, ctx.Err()
	}
	if f.shot != nil && time.Now().Before(f.over) {
		return f.shot, f.over, nil
	}
	ctx, cancel := context.WithTimeout(ctx, liveSlow)
	defer cancel()
	list, err := parts(ctx)
	if err != nil {
		return f.shot, time.Now().Add(f.every), err
	}
	next, err := newShot(ctx, list, f.shot)
	if err != nil {
		return f.shot, time.Now().Add(f.every), err
	}
	f.shot, f.over = next, time.Now().Add(f.every)
	return next, f.over, nil
}
