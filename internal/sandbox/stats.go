package sandbox

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// Stats is what was asked of the sandbox so far.
type Stats struct {
	// Calls counts answers by endpoint ("salla GET /orders/{id}") and status;
	// status 0: no answer was given.
	Calls map[string]map[string]int `json:"calls"`
	// Refreshes were answered with new tokens; Reuses are second uses of a
	// refresh token.
	Refreshes int `json:"refreshes"`
	Reuses    int `json:"reuses"`
	// Resent counts refresh tokens that came again, whatever was made of the
	// request before, unless that was answered 429.
	Resent int `json:"resent"`
	// Rates by merchant.
	Rates map[int64]Rate `json:"rates"`
	// Deliveries counts attempts, and deliveries by how they ended.
	Deliveries map[string]int `json:"deliveries"`
}

// Rate is how a store's limit was used.
type Rate struct {
	Limit   int `json:"limit"`   // calls a minute
	Calls   int `json:"calls"`   // calls let through
	Most    int `json:"most"`    // calls let through in the busiest minute
	Beyond  int `json:"beyond"`  // calls let through, one a second, after the limit
	Limited int `json:"limited"` // calls refused

	Minutes []int `json:"minutes"` // calls let through in each minute that is over, up to the last 60
}

// Stats returns the counters.
func (s *Server) Stats() Stats {
	out := Stats{Calls: s.stats.calls(), Rates: map[int64]Rate{}, Deliveries: s.courier.counts()}
	out.Refreshes, out.Reuses, out.Resent = s.grants.counts()
	for _, m := range s.Merchants() {
		st, ok := s.store(m)
		if !ok {
			continue
		}
		st.mu.Lock()
		limit, _ := s.allowance(st)
		w := st.window
		out.Rates[m] = Rate{Limit: limit, Calls: w.calls, Most: w.most, Beyond: w.beyond, Limited: w.limited, Minutes: slices.Clone(w.minutes)}
		st.mu.Unlock()
	}
	return out
}

type stats struct {
	mu    sync.Mutex
	byKey map[string]map[string]int
	id    *regexp.Regexp
}

func newStats() *stats {
	return &stats{
		byKey: map[string]map[string]int{},
		id:    regexp.MustCompile(`/(?:[0-9]+|(?:user|org|orginv|orgmem|sit)_[A-Za-z0-9]+)(/|$)`),
	}
}

func (s *stats) call(system, method, path string, status int) {
	key := system + " " + method + " " + s.id.ReplaceAllString(path, "/{id}$1")
	s.mu.Lock()
	defer s.mu.Unlock()
	by := s.byKey[key]
	if by == nil {
		by = map[string]int{}
		s.byKey[key] = by
	}
	by[strconv.Itoa(status)]++
}

func (s *stats) calls() map[string]map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]map[string]int, len(s.byKey))
	for k, v := range s.byKey {
		out[k] = maps.Clone(v)
	}
	return out
}
