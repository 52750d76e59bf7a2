package sandbox

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
)

// StoreSpec says what a store is to be. The same Seed and spec give the same
// store, except that its history ends with the day on which it is added.
type StoreSpec struct {
	Merchant int64  `json:"merchant"`
	Name     string `json:"name,omitempty"`     // default: one of a list
	Email    string `json:"email,omitempty"`    // of the store; default: owner-MERCHANT@example.com
	Plan     string `json:"plan,omitempty"`     // basic, plus, pro (default) or special
	Limit    int    `json:"limit,omitempty"`    // calls a minute, enforced whatever Config.Rate is; 0: as the plan and Rate say
	Currency string `json:"currency,omitempty"` // default SAR
	Type     string `json:"type,omitempty"`     // demo, development (default) or live
	// What the lists give at first.
	Products  int `json:"products"`
	Orders    int `json:"orders"`
	Customers int `json:"customers"`
	Carts     int `json:"carts"`
	// Cursor names the lists that page by cursor and tell no totals: short for
	// Lists with nothing but that.
	Cursor map[string]bool `json:"cursor,omitempty"`
	// Lists gives the form of customers, products, orders and carts where it is
	// not the documented one.
	Lists map[string]ListForm `json:"lists,omitempty"`
	// Scopes is what the merchant grants; default: Config.Scopes.
	Scopes string `json:"scopes,omitempty"`
	// Plain turns off the loose types that a record's values are otherwise
	// written in.
	Plain bool `json:"plain,omitempty"`
}

// Counts is how many records each list of a store gives.
type Counts struct {
	Customers int `json:"customers"`
	Products  int `json:"products"`
	Orders    int `json:"orders"`
	Carts     int `json:"carts"`
}

// store is one merchant's shop. Everything below mu is guarded by it; records
// are never shared outside a held lock.
type store struct {
	spec   StoreSpec
	words  *tables
	seed   uint64
	domain string
	tax    int64 // percent

	mu        sync.Mutex
	products  *shelf[*product]
	orders    *shelf[*order]
	customers *shelf[*customer]
	carts     *shelf[*cart]
	guest     *customer // buys where the store has no customers
	subs      []*subscription
	nextSub   int64
	installed int64 // Unix time; 0: not installed
	histories int64 // changes of status so far
	acts      uint64
	views     views
	window    window
}

// record is what every kind of document has.
type record struct {
	seq     int
	id      int64
	hash    uint64 // decides the loose forms of its values
	created int64  // Unix seconds
	updated int64
	gone    bool // deleted: neither in the list nor readable
	left    bool // no longer in the list, still readable
}

type recorded interface{ meta() *record }

func (r *record) meta() *record { return r }

func (r *record) shown() bool { return !r.gone && !r.left }

// shelf holds the records of one kind, oldest first.
type shelf[T recorded] struct {
	all  []T
	byID map[int64]T
	next int64 // id of the next record
}

func newShelf[T recorded](firstID int64, n int) *shelf[T] {
	return &shelf[T]{all: make([]T, 0, n), byID: make(map[int64]T, n), next: firstID}
}

// put gives the record its id and place. Ids grow with time and have gaps, as
// a table shared by all shops would give them.
func (s *shelf[T]) put(v T) {
	m := v.meta()
	m.seq, m.id = len(s.all), s.next
	s.next += 1 + int64(die(m.hash, 1, 97))
	s.all = append(s.all, v)
	s.byID[m.id] = v
}

// listed gives the records that the list shows, newest first.
func (s *shelf[T]) listed(keep func(T) bool) []T {
	out := make([]T, 0, len(s.all))
	for i := len(s.all) - 1; i >= 0; i-- {
		if v := s.all[i]; v.meta().shown() && (keep == nil || keep(v)) {
			out = append(out, v)
		}
	}
	return out
}

func (s *shelf[T]) count() int {
	n := 0
	for _, v := range s.all {
		if v.meta().shown() {
			n++
		}
	}
	return n
}

// find gives a record that can be read.
func (s *shelf[T]) find(id int64) (T, bool) {
	v, ok := s.byID[id]
	if !ok || v.meta().gone {
		var none T
		return none, false
	}
	return v, true
}

func (s *shelf[T]) ids() []int64 {
	var ids []int64
	for _, v := range s.all {
		if m := v.meta(); m.shown() {
			ids = append(ids, m.id)
		}
	}
	return ids
}

// AddStore adds a store, or does nothing if the merchant has one already.
func (s *Server) AddStore(spec StoreSpec) {
	spec = s.withDefaults(spec)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.stores[spec.Merchant]; ok {
		return
	}
	s.stores[spec.Merchant] = s.buildStore(spec)
}

func (s *Server) withDefaults(spec StoreSpec) StoreSpec {
	h := mix(s.cfg.Seed, uint64(spec.Merchant))
	spec.Name = cmp.Or(spec.Name, oneOf(h, 2, s.words.stores))
	spec.Email = cmp.Or(spec.Email, fmt.Sprintf("owner-%d@example.com", spec.Merchant))
	spec.Plan = cmp.Or(spec.Plan, "pro")
	spec.Currency = cmp.Or(spec.Currency, "SAR")
	spec.Type = cmp.Or(spec.Type, "development")
	spec.Scopes = cmp.Or(spec.Scopes, s.cfg.Scopes)
	return spec
}

// Source tells how many records each list of the store gives now.
func (s *Server) Source(merchant int64) Counts {
	st, ok := s.store(merchant)
	if !ok {
		return Counts{}
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return Counts{
		Customers: st.customers.count(),
		Products:  st.products.count(),
		Orders:    st.orders.count(),
		Carts:     st.carts.count(),
	}
}

// SourceIDs returns the ids a list gives now, ascending. The list is one of
// customers, products, orders and carts; another name gives none.
func (s *Server) SourceIDs(merchant int64, list string) []int64 {
	st, ok := s.store(merchant)
	if !ok {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	var ids []int64
	switch list {
	case "customers":
		ids = st.customers.ids()
	case "products":
		ids = st.products.ids()
	case "orders":
		ids = st.orders.ids()
	case "carts":
		ids = st.carts.ids()
	}
	slices.Sort(ids)
	return ids
}

// Merchants returns the merchants that have a store, ascending.
func (s *Server) Merchants() []int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]int64, 0, len(s.stores))
	for m := range s.stores {
		out = append(out, m)
	}
	slices.Sort(out)
	return out
}

func (s *Server) store(merchant int64) (*store, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st, ok := s.stores[merchant]
	return st, ok
}
