package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Change is what an act did to a store.
type Change struct {
	ID     int64   `json:"id"`     // of the record
	Events []Event `json:"events"` // delivered where subscribed; none where Salla has none
}

// act changes a store under its lock and then publishes what do returns. The
// random numbers given to do differ from act to act and are seeded.
func (s *Server) act(merchant int64, do func(st *store, r *rand.Rand, now time.Time) (Change, error)) (Change, error) {
	st, ok := s.store(merchant)
	if !ok {
		return Change{}, fmt.Errorf("no store %d", merchant)
	}
	st.mu.Lock()
	st.acts++
	c, err := do(st, newRand(st.seed, forActs, st.acts), s.now())
	clear(st.views)
	st.mu.Unlock()
	if err != nil {
		return Change{}, fmt.Errorf("store %d: %w", merchant, err)
	}
	s.publish(st, c.Events)
	return c, nil
}

// touch moves a record's time of update forward, at least by a second: two
// changes never share one.
func (r *record) touch(now time.Time) {
	r.updated = max(now.Unix(), r.updated+1)
}
