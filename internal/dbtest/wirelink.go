package dbtest

import (
	"bytes"
	"net"
	"slices"
	"sync"
	"time"
)

// link is one connection over a Wire.
type link struct {
	wire   *Wire
	ends   [2]net.Conn // the process, the server
	held   [2]bool     // guarded by the wire's lock
	seen   map[*Catch]*progress
	once   sync.Once
	closed chan struct{}
}

// progress is how much of a Catch's markers a connection has sent.
type progress struct {
	next int
	tail []byte // of what was sent, where a marker may have begun
}

// reset ends the connection on both sides.
func (l *link) reset() {
	l.once.Do(func() {
		close(l.closed)
		abort(l.ends[0])
		abort(l.ends[1])
	})
}

// carry takes bytes one way. Reading goes on while they are held, so that the
// end of a process is noticed.
func (l *link) carry(d direction) {
	from, to := l.ends[d], l.ends[1-d]
	chunks := make(chan []byte, 1024)
	var reader sync.WaitGroup
	reader.Go(func() {
		defer close(chunks)
		for {
			chunk := make([]byte, 32<<10)
			n, err := from.Read(chunk)
			if n > 0 {
				if d == requests {
					l.look(chunk[:n])
				}
				select {
				case chunks <- chunk[:n]:
				case <-l.closed:
					return
				}
			}
			if err != nil {
				if l.isHeld(d) {
					l.reset() // what was held is lost with its sender
				}
				return
			}
		}
	})
	defer reader.Wait()
	for chunk := range chunks {
		if !l.pass(d) {
			return
		}
		if _, err := to.Write(chunk); err != nil {
			l.reset()
			return
		}
	}
	if tcp, ok := to.(*net.TCPConn); ok {
		_ = tcp.CloseWrite() // fails where it is closed already
	}
}

// pass waits until bytes may go that way; false: the connection is over.
func (l *link) pass(d direction) bool {
	slowed := false
	for {
		l.wire.mu.Lock()
		held, latency, changed := l.held[d] || l.wire.held[d], l.wire.latency, l.wire.changed
		l.wire.mu.Unlock()
		var after <-chan time.Time
		switch {
		case held:
		case latency > 0 && !slowed:
			after = time.After(latency)
		default:
			return true
		}
		select {
		case <-after:
			slowed = true
		case <-changed:
		case <-l.closed:
			return false
		}
	}
}

func (l *link) isHeld(d direction) bool {
	l.wire.mu.Lock()
	defer l.wire.mu.Unlock()
	return l.held[d] || l.wire.held[d]
}

// look finds the markers of catches in what a process sends.
func (l *link) look(chunk []byte) {
	w := l.wire
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := 0; i < len(w.catches); i++ {
		c := w.catches[i]
		p := l.seen[c]
		if p == nil {
			p = &progress{}
			l.seen[c] = p
		}
		if !p.take(c.markers, chunk) {
			continue
		}
		l.held[c.hold] = true
		close(c.caught)
		w.catches = append(w.catches[:i:i], w.catches[i+1:]...)
		i--
	}
}

// take looks through a further chunk; true: the last marker was found.
func (p *progress) take(markers [][]byte, chunk []byte) bool {
	text := slices.Concat(p.tail, chunk)
	for p.next < len(markers) {
		at := bytes.Index(text, markers[p.next])
		if at < 0 {
			p.tail = bytes.Clone(text[max(0, len(text)-len(markers[p.next])+1):])
			return false
		}
		text = text[at+len(markers[p.next]):]
		p.next++
	}
	return true
}
