package sandbox

import (
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	// highLimit is what is announced where limits are off.
	highLimit = 60000

	customersLimit  = 500
	customersWindow = 10 * time.Minute
	// patience is how many refused calls to the customers endpoints a window
	// bears before the address is restricted.
	patience = 100
)

// planLimit is how many calls a minute a store's plan allows. Salla lists none
// for basic; the lowest number its page mentions is taken.
func planLimit(plan string) int {
	switch plan {
	case "plus":
		return 120
	case "pro":
		return 360
	case "special":
		return 720
	}
	return 60
}

// window counts calls in one minute. What exceeds the limit is let through
// once a second until the minute is over.
type window struct {
	start   time.Time
	used    int
	lastOne time.Time // the last call let through beyond the limit
	limited int       // refused calls so far
	most    int       // calls let through in the busiest minute
}

// take counts a call and says whether it is let through, what remains and when
// the minute ends.
func (w *window) take(now time.Time, limit int) (ok bool, remaining int, reset time.Time) {
	if now.Sub(w.start) >= time.Minute {
		*w = window{start: now, limited: w.limited, most: w.most}
	}
	reset = w.start.Add(time.Minute)
	if w.used >= limit {
		if now.Sub(w.lastOne) < time.Second {
			w.limited++
			return false, 0, reset
		}
		w.lastOne = now
	}
	w.used++
	w.most = max(w.most, w.used)
	if w.used == limit {
		w.lastOne = now
	}
	return true, max(0, limit-w.used), reset
}

// admit counts the call against the store's plan, and against the caller's
// address for customers. It writes the headers, and the answer of a refusal.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, st *store) bool {
	now := s.now()
	limit := highLimit
	if s.documentedRate() {
		limit = planLimit(st.spec.Plan)
	}
	st.mu.Lock()
	ok, remaining, reset := st.window.take(now, limit)
	st.mu.Unlock()

	h := w.Header()
	h.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(remaining))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(reset.Unix(), 10))
	if !ok {
		tooMany(w, time.Second)
		return false
	}
	if s.documentedRate() && isCustomers(r.URL.Path) {
		return s.egress.admit(w, r, now)
	}
	return true
}

func (s *Server) documentedRate() bool { return s.cfg.Rate == "documented" }

func isCustomers(path string) bool {
	return path == "/customers" || strings.HasPrefix(path, "/customers/")
}

func tooMany(w http.ResponseWriter, wait time.Duration) {
	w.Header().Set("Retry-After", strconv.Itoa(max(1, int((wait+time.Second-1)/time.Second))))
	sallaError(w, http.StatusTooManyRequests, "too_many_requests", "Rate limit exceeded.")
}

// egress counts calls to the customers endpoints by the address they come
// from, whatever the merchant.
type egress struct {
	mu     sync.Mutex
	byAddr map[string]*span
}

type span struct {
	start         time.Time
	used, refused int
}

func newEgress() *egress { return &egress{byAddr: map[string]*span{}} }

func (e *egress) admit(w http.ResponseWriter, r *http.Request, now time.Time) bool {
	addr, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		addr = r.RemoteAddr
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	sp := e.byAddr[addr]
	if sp == nil || now.Sub(sp.start) >= customersWindow {
		sp = &span{start: now}
		e.byAddr[addr] = sp
	}
	if sp.used < customersLimit {
		sp.used++
		return true
	}
	sp.refused++
	if sp.refused > patience {
		sallaError(w, http.StatusForbidden, "forbidden", "blocked due to many errors in a time")
		return false
	}
	tooMany(w, sp.start.Add(customersWindow).Sub(now))
	return false
}
