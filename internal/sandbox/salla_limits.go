package sandbox

import (
	"math"
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

// allowance is how many calls a minute a store may make; limited is false where that
// is only announced.
func (s *Server) allowance(st *store) (limit int, limited bool) {
	switch {
	case st.spec.Limit > 0:
		return st.spec.Limit, true
	case s.documentedRate():
		return planLimit(st.spec.Plan), true
	}
	return highLimit, false
}

// SetLimit changes a store's limit, as a change of its plan does; 0: as the plan says.
func (s *Server) SetLimit(merchant int64, limit int) {
	st, ok := s.store(merchant)
	if !ok {
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.spec.Limit = limit
}

// window counts calls in one minute. What exceeds the limit is let through
// once a second until the minute is over.
type window struct {
	start   time.Time
	used    int
	lastOne time.Time // the last call let through beyond the limit

	level  float64   // of the leaky bucket: calls that have not leaked yet
	leaked time.Time // when level was true

	calls   int // let through so far
	limited int // refused so far
	beyond  int // let through beyond the limit so far
	most    int // let through in the busiest minute
	minutes []int
}

// memory is how many minutes' counts are kept.
const memory = 60

// take counts a call and says whether it is let through, what remains and when
// the minute ends; of a leaky bucket, when it is empty.
func (w *window) take(now time.Time, limit int, leaky bool) (ok bool, remaining int, reset time.Time) {
	if now.Sub(w.start) >= time.Minute {
		if w.used > 0 {
			w.minutes = append(w.minutes, w.used)
			w.minutes = w.minutes[max(0, len(w.minutes)-memory):]
		}
		w.start, w.used, w.lastOne = now, 0, time.Time{}
	}
	reset = w.start.Add(time.Minute)
	rate := float64(limit) / 60
	full := w.used >= limit
	if leaky {
		w.level = max(w.level-now.Sub(w.leaked).Seconds()*rate, 0)
		w.leaked = now
		full = w.level > float64(limit-1)
	}
	if full && !leaky && now.Sub(w.lastOne) >= time.Second {
		w.beyond++
		full = false
	}
	if full {
		w.limited++
	} else {
		w.used++
		w.calls++
		w.level++
		w.most = max(w.most, w.used)
		if w.used >= limit {
			w.lastOne = now
		}
	}
	if leaky {
		empty := now.Add(time.Duration(w.level / rate * float64(time.Second)))
		return !full, max(limit-int(math.Ceil(w.level)), 0), empty
	}
	return !full, max(0, limit-w.used), reset
}

// admit counts the call against the store's plan, and against the caller's
// address for customers. It writes the headers, and the answer of a refusal.
func (s *Server) admit(w http.ResponseWriter, r *http.Request, st *store) bool {
	now := s.now()
	leaky := s.Options().LeakyLimits
	st.mu.Lock()
	limit, limited := s.allowance(st)
	ok, remaining, reset := st.window.take(now, limit, limited && leaky)
	st.mu.Unlock()

	h := w.Header()
	h.Set("Date", now.UTC().Format(http.TimeFormat))
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
