package web

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/wosool/wosool/templates"
)

// The tempo of event streams.
const (
	liveEvery = time.Second      // how often the parts of a page are made again
	liveBeat  = 15 * time.Second // how often a stream that is silent shows that it is there
	liveSlow  = 10 * time.Second // how long making the parts, or sending them, may take
)

// live answers a page's stream of server-sent events: the parts of the page by
// their keys (see templates.Live), first all, then those that changed. It ends
// with the connection, the operator's session and the process.
//
// parts is called every second, once for all who look at the same address: what
// it gives may depend on the address and the reader's zone, and on nothing else
// of the request. A failure of the first call is returned with nothing written;
// later ones tell the page that it is not up to date.
func (s *Server) live(w http.ResponseWriter, r *http.Request, parts func(context.Context) (map[string]templ.Component, error)) error {
	ctx, cancel := connection(r)
	defer cancel()
	loc := zoneOf(r)
	all := func(ctx context.Context) (map[string]templ.Component, error) {
		list, err := parts(ctx)
		if err != nil {
			return nil, err
		}
		list = maps.Clone(list)
		list["strip"] = templates.Notices(s.stripOf(ctx, loc))
		return list, nil
	}
	f, leave := s.console.feeds.join(r.URL.RequestURI() + " " + loc.String())
	defer leave()
	shot, err := f.now(ctx, all)
	if err != nil {
		return err
	}
	out := newStream(w)
	defer out.close()
	out.open()

	tick := time.NewTicker(f.every)
	defer tick.Stop()
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
			if s.signedOut(ctx) {
				out.write("event: out\ndata: {}\n\n")
				return nil
			}
			out.write(": still here\n\n")
		case <-tick.C:
			next, err := f.now(ctx, all)
			if ctx.Err() != nil {
				return nil
			}
			if err != nil {
				out.stale()
				s.noteStale(ctx, r, out, err)
				continue
			}
			out.fresh()
			shot = next
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

// signedOut tells whether the operator's session has ended. While the database
// does not answer nobody knows: then the stream goes on, and shows nothing new.
func (s *Server) signedOut(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, liveSlow)
	defer cancel()
	in, err := s.stillSignedIn(ctx)
	return err == nil && !in
}

// stream writes server-sent events. After a failure it writes nothing more.
type stream struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
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

// changed sends those parts of a shot that differ from what was sent.
func (o *stream) changed(shot map[string]string) {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(shot)) {
		html := shot[key]
		still := withoutClocks(html)
		if last, ok := o.sent[key]; ok && last == still {
			continue
		}
		o.sent[key] = still
		data, err := json.Marshal(struct {
			Key  string `json:"key"`
			HTML string `json:"html"`
		}{key, html})
		if err != nil { // two strings: it can't
			o.err = err
			return
		}
		fmt.Fprintf(&b, "event: part\ndata: %s\n\n", data)
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

var clocks = regexp.MustCompile(`(<time [^>]*data-rel[^>]*>)[^<]*`)

// withoutClocks leaves out the words of relative times: the page counts them on
// by itself.
func withoutClocks(html string) string { return clocks.ReplaceAllString(html, "$1") }

// rendered makes the parts of a page.
func rendered(ctx context.Context, parts map[string]templ.Component) (map[string]string, error) {
	shot := make(map[string]string, len(parts))
	for key, c := range parts {
		var b bytes.Buffer
		if err := c.Render(ctx, &b); err != nil {
			return nil, fmt.Errorf("render part %s: %w", key, err)
		}
		shot[key] = b.String()
	}
	return shot, nil
}
