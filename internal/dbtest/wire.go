package dbtest

import (
	"errors"
	"net"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"
)

// Wire stands between processes and a server: it passes their bytes on, and goes
// wrong when it is told to. Connections that go over it must not be encrypted.
// It is safe for concurrent use.
type Wire struct {
	t      testing.TB
	target string // host:port of the server
	url    *url.URL
	port   int

	mu       sync.Mutex
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	held     [2]bool // both ways, by direction
	latency  time.Duration
	catches  []*Catch
	changed  chan struct{} // closed at every change
	ended    bool
	work     sync.WaitGroup
}

// direction is which way bytes go over a connection.
type direction int

const (
	requests direction = iota // from a process to its server
	replies                   // back
)

// NewWire puts a wire before the server of a URL. It ends with the test.
func NewWire(t testing.TB, server string) *Wire {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil || u.Host == "" {
		t.Fatal("the server of a wire is given by its URL: scheme://host:port/…")
	}
	w := &Wire{t: t, target: u.Host, links: map[*link]struct{}{}, changed: make(chan struct{})}
	for range 5 {
		w.port = freePort(t)
		if w.listener, err = w.listen(); err == nil {
			break
		}
	}
	if err != nil {
		t.Fatalf("listen for a wire: %v", err)
	}
	u.Host = w.addr()
	w.url = u
	w.accept(w.listener)
	t.Cleanup(w.end)
	return w
}

// URL returns the server's URL by way of the wire.
func (w *Wire) URL() string { return w.url.String() }

func (w *Wire) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(w.port)) }

func (w *Wire) listen() (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(w.t.Context(), "tcp", w.addr())
}

// Pass ends whatever is wrong with the wire: what it held goes on, and
// connections are accepted again. Catches that have not caught are forgotten.
func (w *Wire) Pass() {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held, w.latency, w.catches = [2]bool{}, 0, nil
	for l := range w.links {
		l.held = [2]bool{}
	}
	w.tell()
	if w.listener != nil || w.ended {
		return
	}
	listener, err := w.listen()
	if err != nil {
		w.t.Errorf("listen for a wire again: %v", err)
		return
	}
	w.listener = listener
	w.accept(listener)
}

// Refuse resets every connection and refuses new ones, as a server that is not
// there.
func (w *Wire) Refuse() {
	w.mu.Lock()
	listener := w.listener
	w.listener = nil
	w.mu.Unlock()
	if listener != nil {
		_ = listener.Close()
	}
	w.Cut()
}

// Cut resets every connection that is there now.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for l := range w.links {
		l.reset()
	}
}

// HoldRequests keeps back whatever processes send: the server hears nothing more.
func (w *Wire) HoldRequests() { w.hold(requests) }

// HoldReplies keeps back whatever the server answers to what still reaches it.
func (w *Wire) HoldReplies() { w.hold(replies) }

func (w *Wire) hold(d direction) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held[d] = true
	w.tell()
}

// Slow delays everything that goes over the wire, each way, from now on.
func (w *Wire) Slow(latency time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.latency = latency
	w.tell()
}

// CatchRequest holds the next connection on which a process sends the markers,
// one after the other: what has the last of them does not reach the server.
func (w *Wire) CatchRequest(markers ...string) *Catch { return w.catch(requests, markers) }

// CatchReply is CatchRequest, but lets it pass and holds the server's answer.
func (w *Wire) CatchReply(markers ...string) *Catch { return w.catch(replies, markers) }

func (w *Wire) catch(d direction, markers []string) *Catch {
	c := &Catch{hold: d, caught: make(chan struct{})}
	for _, m := range markers {
		c.markers = append(c.markers, []byte(m))
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.catches = append(w.catches, c)
	return c
}

// Catch waits for one connection.
type Catch struct {
	markers [][]byte
	hold    direction
	caught  chan struct{}
}

// Caught tells whether the connection came and is held.
func (c *Catch) Caught() bool {
	select {
	case <-c.caught:
		return true
	default:
		return false
	}
}

// tell wakes whoever waits for a change. The caller holds the lock.
func (w *Wire) tell() {
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *Wire) accept(listener net.Listener) {
	w.work.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			w.work.Go(func() { w.connect(client) })
		}
	})
}

// connect joins a process to the server, until either of them ends.
func (w *Wire) connect(client net.Conn) {
	var dialer net.Dialer
	server, err := dialer.DialContext(w.t.Context(), "tcp", w.target)
	if err != nil {
		abort(client)
		return
	}
	l := &link{wire: w, ends: [2]net.Conn{client, server}, closed: make(chan struct{}), seen: map[*Catch]*progress{}}
	w.mu.Lock()
	if w.ended || w.listener == nil {
		w.mu.Unlock()
		abort(client)
		abort(server)
		return
	}
	w.links[l] = struct{}{}
	w.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { l.carry(requests) })
	both.Go(func() { l.carry(replies) })
	both.Wait()
	l.reset()
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.links, l)
}

func (w *Wire) end() {
	w.mu.Lock()
	w.ended = true
	w.mu.Unlock()
	w.Refuse()
	w.work.Wait()
}

// abort closes a connection as a crash does: by a reset.
func abort(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	if err := c.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		return // it is gone either way
	}
}
