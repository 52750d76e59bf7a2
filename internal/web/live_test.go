package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/a-h/templ"
	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/dbtest"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/templates"
)

const (
	testEvery = 30 * time.Millisecond
	testBeat  = 150 * time.Millisecond
	testLimit = time.Second // for requests that are no streams
)

// studio is a server with one page that refreshes itself.
type studio struct {
	*site
	url   string
	parts atomic.Pointer[func(context.Context) (map[string]templ.Component, error)]
	made  atomic.Int64 // how often the parts were made
	stop  chan struct{}
}

func newStudio(t *testing.T) *studio {
	t.Helper()
	st := &studio{site: newSite(t), stop: make(chan struct{})}
	st.s.Stopping = st.stop
	st.s.console.feeds = feeds{every: testEvery, beat: testBeat}
	operator, session := uuid.Must(uuid.NewV7()), uuid.Must(uuid.NewV7())
	st.exec(`INSERT INTO operators (id, email, password) VALUES ($1, 'noura@wosool.example', '-')`, operator)
	st.exec(`INSERT INTO sessions (id, token_hash, operator_id, address, agent) VALUES ($1, $2, $3, '192.0.2.1', 'test')`, session, []byte("hash"), operator)
	st.show(func(context.Context) (map[string]templ.Component, error) {
		return map[string]templ.Component{"still": templ.Raw("still")}, nil
	})
	page := st.s.handle(func(w http.ResponseWriter, r *http.Request) error {
		return st.s.live(w, r, func(ctx context.Context) (map[string]templ.Component, error) {
			st.made.Add(1)
			return (*st.parts.Load())(ctx)
		})
	})
	signed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), operatorKey{}, Operator{ID: operator, Session: session, Role: store.RoleAdmin})))
	})
	server := httptest.NewUnstartedServer(st.s.withConsole(withTimeout(testLimit)(signed)))
	server.Config.ReadTimeout, server.Config.WriteTimeout = testLimit, testLimit
	server.Start()
	t.Cleanup(server.Close)
	st.url = server.URL
	return st
}

func (st *studio) show(parts func(context.Context) (map[string]templ.Component, error)) {
	st.parts.Store(&parts)
}

// viewer is one console that looks.
type viewer struct {
	t      *testing.T
	lines  *bufio.Scanner
	close  func()
	status int
}

func (st *studio) view(path string) *viewer {
	st.t.Helper()
	ctx, cancel := context.WithTimeout(st.t.Context(), 20*time.Second)
	st.t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, st.url+path, nil)
	if err != nil {
		st.t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		st.t.Fatal(err)
	}
	st.t.Cleanup(func() { _ = resp.Body.Close() })
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	return &viewer{t: st.t.(*testing.T), lines: lines, close: cancel, status: resp.StatusCode}
}

// next reads what comes next: "part KEY HTML", another event's name, or a
// comment; "" is the end.
func (v *viewer) next() string {
	v.t.Helper()
	event := ""
	for v.lines.Scan() {
		line := v.lines.Text()
		switch {
		case strings.HasPrefix(line, ":"):
			return line
		case strings.HasPrefix(line, "event: "):
			event = strings.TrimPrefix(line, "event: ")
		case strings.HasPrefix(line, "data: "):
			if event != "part" {
				return event
			}
			var p struct{ Key, HTML string }
			if err := json.Unmarshal([]byte(strings.TrimPrefix(line, "data: ")), &p); err != nil {
				v.t.Fatal(err)
			}
			return strings.TrimSpace("part " + p.Key + " " + p.HTML)
		}
	}
	return ""
}

// until reads to what begins with want, and returns what came before it.
func (v *viewer) until(want string) []string {
	v.t.Helper()
	var before []string
	for {
		got := v.next()
		switch {
		case strings.HasPrefix(got, want):
			return before
		case got == "":
			v.t.Fatalf("the stream ended before %q; it had %q", want, before)
		}
		before = append(before, got)
	}
}

// All parts come first, then those that changed, for longer than other requests
// may take; the words of relative times are no change.
func TestLiveSendsWhatChanged(t *testing.T) {
	t.Parallel()
	st := newStudio(t)
	var n atomic.Int64
	begun := time.Now()
	st.show(func(context.Context) (map[string]templ.Component, error) {
		since := templates.Moment{ISO: "2025-11-14T11:02:11Z", Rel: fmt.Sprintf("%d ms ago", time.Since(begun).Milliseconds())}
		return map[string]templ.Component{
			"still": templates.When(since), "moves": templ.Raw(fmt.Sprintf("n=%d", n.Load())),
		}, nil
	})
	v := st.view("/page")
	for _, want := range []string{"part moves n=0", "part still <time", "part strip"} {
		if got := v.next(); !strings.HasPrefix(got, want) {
			t.Fatalf("first came %q, want %q", got, want)
		}
	}
	for i := 1; time.Since(begun) < 2*testLimit; i++ { // beyond every limit of the server
		n.Store(int64(i))
		for _, other := range v.until(fmt.Sprintf("part moves n=%d", i)) {
			if other != ": still here" && !strings.HasPrefix(other, "part strip") {
				t.Errorf("%q was sent though it did not change", other)
			}
		}
	}
}

func TestLiveIsMadeOnceForAll(t *testing.T) {
	t.Parallel()
	st := newStudio(t)
	begun := time.Now()
	var viewers sync.WaitGroup
	for range 6 {
		viewers.Go(func() {
			v := st.view("/page")
			v.until(": still here")
			v.until(": still here")
		})
	}
	viewers.Wait()
	most := int64(time.Since(begun)/(testEvery*9/10)) + 2
	if made := st.made.Load(); made > most || made < 3 {
		t.Errorf("the parts were made %d times for 6 viewers, want between 3 and %d", made, most)
	}
}

func TestLiveDoesNotShareBetweenAddresses(t *testing.T) {
	t.Parallel()
	st := newStudio(t)
	st.view("/page?q=1").until("part still")
	made := st.made.Load()
	st.view("/page?q=2").until("part still")
	if st.made.Load() == made {
		t.Error("another address was shown the parts of the first")
	}
}

func TestLiveEnds(t *testing.T) {
	t.Parallel()
	t.Run("with the connection", func(t *testing.T) {
		t.Parallel()
		st := newStudio(t)
		v := st.view("/page")
		v.until("part still")
		v.close()
		dbtest.Eventually(t, 10*time.Second, "nobody looks", func() bool {
			st.s.console.feeds.mu.Lock()
			defer st.s.console.feeds.mu.Unlock()
			return len(st.s.console.feeds.open) == 0
		})
	})
	t.Run("with the process", func(t *testing.T) {
		t.Parallel()
		st := newStudio(t)
		v := st.view("/page")
		v.until("part still")
		close(st.stop)
		for v.next() != "" {
		}
	})
	t.Run("with the session", func(t *testing.T) {
		t.Parallel()
		st := newStudio(t)
		v := st.view("/page")
		v.until(": still here")
		st.exec(`DELETE FROM sessions`)
		v.until("out")
		if got := v.next(); got != "" {
			t.Errorf("after the end came %q", got)
		}
	})
}

func TestLiveSaysThatItIsNotUpToDate(t *testing.T) {
	t.Parallel()
	st := newStudio(t)
	v := st.view("/page")
	v.until("part still")
	good := *st.parts.Load()
	st.show(func(context.Context) (map[string]templ.Component, error) { return nil, errors.New("no database") })
	v.until("stale")
	st.show(good)
	if before := v.until("fresh"); len(before) > 0 && before[0] != ": still here" {
		t.Errorf("while nothing is known %q was sent", before)
	}
}

// A stream that can't begin is answered as the page would be.
func TestLiveThatCannotBegin(t *testing.T) {
	t.Parallel()
	st := newStudio(t)
	st.show(func(context.Context) (map[string]templ.Component, error) { return nil, errors.New("no database") })
	if v := st.view("/page"); v.status != http.StatusInternalServerError {
		t.Errorf("status %d, want 500", v.status)
	}
}
