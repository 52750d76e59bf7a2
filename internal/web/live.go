package web

import (
	"context"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/wosool/wosool/templates"
)

// The tempo of event streams.
const (
	liveEvery = 1500 * time.Millisecond // how often the parts of a page are made again: what happens is seen within two seconds
	liveBeat  = 10 * time.Second        // how often a stream that is silent shows that it is there, and asks whether it may go on
	liveSlow  = 10 * time.Second        // how long making the parts, or sending them, may take
)

// live answers a page's stream of server-sent events: the parts of the page by
// their keys (see templates.Live), first all, then those that changed. It ends
// with the connection, the operator's session and the process.
//
// parts is called each liveEvery, once for all who look at the same address: what
// it gives may depend on the address, the reader's zone, language and role, and on
// nothing else of the request. A failure of the first call is returned with nothing written;
// later ones tell the page that it is not up to date.
func (s *Server) live(w http.ResponseWriter, r *http.Request, parts func(context.Context) (map[string]templ.Component, error)) error {
	ctx, cancel := connection(r)
	defer cancel()
	loc, language := zoneOf(r), languageOf(r)
	all := func(ctx context.Context) (map[string]templ.Component, error) {
		list, err := parts(ctx)
		if err != nil {
			return nil, err
		}
		list = maps.Clone(list)
		list["strip"] = templates.Notices(s.stripOf(ctx, loc))
		for key, part := range list {
			list[key] = s.in(language, part)
		}
		return list, nil
	}
	f, leave := s.console.feeds.join(string(operatorOf(ctx).Role) + " " + r.URL.RequestURI() + " " + loc.String() + " " + language)
	defer leave()
	shot, over, err := f.now(ctx, all)
	if err != nil {
		return err
	}
	out := newStream(w)
	defer out.close()
	out.open()

	next := time.NewTimer(time.Until(over))
	defer next.Stop()
	beat := time.NewTicker(f.beat)
	defer beat.Stop()
	for out.err == nil {
		out.changed(shot)
		select {
		case <-ctx.Done():
			return nil
		case <-s.Stopping:
			return nil
		case <-beat.C:
			switch s.standing(ctx) {
			case signedOut:
				out.write("event: out\ndata: {}\n\n")
				return nil
			case otherRole:
				return nil // the browser asks again by itself, and is answered by what it may see now
			}
			out.write(": still here\n\n")
		case <-next.C:
			shot, over, err = f.now(ctx, all)
			if ctx.Err() != nil {
				return nil
			}
			next.Reset(time.Until(over))
			if err != nil {
				out.stale()
				s.noteStale(ctx, r, out, err)
				continue
			}
			out.fresh()
		}
	}
	return nil // the reader has gone
}

// noteStale logs the first of a row of failures.
func (s *Server) noteStale(ctx context.Context, r *http.Request, out *stream, err error) {
	if out.failures == 1 {
		s.Log.WarnContext(ctx, "a page is not refreshed", "route", routeOf(r), "error", err)
	}
}

// connection is the request's context without the time limit that pages have.
func connection(r *http.Request) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	base, ok := r.Context().Value(consoleKey{}).(context.Context)
	if !ok {
		base = r.Context()
	}
	stop := context.AfterFunc(base, cancel)
	return ctx, func() { stop(); cancel() }
}

// standing tells how whoever a stream is for stands by now. While the database does
// not answer nobody knows: then the stream goes on, and shows nothing new.
func (s *Server) standing(ctx context.Context) standing {
	ctx, cancel := context.WithTimeout(ctx, liveSlow)
	defer cancel()
	now, err := s.standingNow(ctx)
	if err != nil {
		return asBefore
	}
	return now
}

// stream writes server-sent events. After a failure it writes nothing more.
type stream struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	last     *shot
	sent     map[string]string // by key: the parts as they were last sent, without what runs on by itself
	failures int               // in a row
	err      error
}

func newStream(w http.ResponseWriter) *stream {
	return &stream{w: w, rc: http.NewResponseController(w), sent: make(map[string]string)}
}

// open begins the stream; it lives longer than other requests may.
func (o *stream) open() {
	h := o.w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("X-Accel-Buffering", "no") // proxies that hold answers back are asked not to
	o.w.WriteHeader(http.StatusOK)
	_ = o.rc.SetReadDeadline(time.Time{}) // not every writer has deadlines; then nothing is to be lifted
	o.write("retry: 2000\n\n")
}

func (o *stream) write(text string) {
	if o.err != nil {
		return
	}
	_ = o.rc.SetWriteDeadline(time.Now().Add(liveSlow))
	if _, err := o.w.Write([]byte(text)); err != nil {
		o.err = err
		return
	}
	o.err = o.rc.Flush()
}

// changed sends those parts of a shot that differ from what was sent. Mostly it is
// the same shot as before, or the same parts: a hundred readers of one page cost a
// hundred comparisons of strings that are one and the same.
func (o *stream) changed(now *shot) {
	if now == o.last {
		return
	}
	o.last = now
	var b strings.Builder
	for _, key := range now.keys {
		p := now.parts[key]
		if last, ok := o.sent[key]; ok && last == p.still {
			continue
		}
		o.sent[key] = p.still
		b.WriteString(p.event)
	}
	if b.Len() > 0 {
		o.write(b.String())
	}
}

func (o *stream) stale() {
	o.failures++
	if o.failures == 1 {
		o.write("event: stale\ndata: {}\n\n")
	}
}

func (o *stream) fresh() {
	if o.failures > 0 {
		o.write("event: fresh\ndata: {}\n\n")
	}
	o.failures = 0
}

// close gives the connection back its deadline for the next request.
func (o *stream) close() { _ = o.rc.SetWriteDeadline(time.Time{}) }
