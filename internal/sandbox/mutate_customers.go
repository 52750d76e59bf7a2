package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"
)

func (st *store) customerEvent(name string, u *customer, now time.Time) Event {
	return st.storeEvent(name, now, func(w *writer) { st.renderCustomer(w, u, customerInEvent, nil) })
}

// CreateCustomer registers a customer.
func (s *Server) CreateCustomer(merchant int64) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		u := st.newCustomer(r, now.Unix())
		return Change{u.id, []Event{st.customerEvent("customer.created", u, now)}}, nil
	})
}

// UpdateCustomer moves a customer to another place and family name.
func (s *Server) UpdateCustomer(merchant, id int64) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		u, ok := st.customers.find(id)
		if !ok {
			return Change{}, fmt.Errorf("no customer %d", id)
		}
		u.last = st.words.families[r.IntN(len(st.words.families))]
		u.place = &st.words.places[r.IntN(len(st.words.places))]
		u.mobile = u.place.mobile + r.Int64N(u.place.mobile/10)
		u.touch(now)
		return Change{id, []Event{st.customerEvent("customer.updated", u, now)}}, nil
	})
}

// DeleteCustomer removes a customer. Salla has no event for it.
func (s *Server) DeleteCustomer(merchant, id int64) (Change, error) {
	return s.act(merchant, func(st *store, _ *rand.Rand, _ time.Time) (Change, error) {
		u, ok := st.customers.find(id)
		if !ok {
			return Change{}, fmt.Errorf("no customer %d", id)
		}
		u.gone = true
		return Change{ID: id}, nil
	})
}
