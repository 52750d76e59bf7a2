package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"
)

func (st *store) cartEvent(t *cart, now time.Time) Event {
	return st.storeEvent("abandoned.cart", now, func(w *writer) { st.renderCart(w, t, cartInEvent, now) })
}

func (s *Server) cartAct(merchant, id int64, do func(st *store, t *cart, r *rand.Rand, now time.Time) ([]Event, error)) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		t, ok := st.carts.find(id)
		if !ok {
			return Change{}, fmt.Errorf("no cart %d", id)
		}
		events, err := do(st, t, r, now)
		return Change{id, events}, err
	})
}

// AbandonCart leaves a new cart behind.
func (s *Server) AbandonCart(merchant int64) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		t := st.newCart(r, now.Unix(), st.buyer(r, len(st.customers.all)))
		return Change{t.id, []Event{st.cartEvent(t, now)}}, nil
	})
}

// UpdateCart adds one more of a cart's first item; the event is the same as of
// a new cart.
func (s *Server) UpdateCart(merchant, id int64) (Change, error) {
	return s.cartAct(merchant, id, func(st *store, t *cart, _ *rand.Rand, now time.Time) ([]Event, error) {
		if t.purchased {
			return nil, fmt.Errorf("cart %d is bought", id)
		}
		t.lines[0].qty++
		t.touch(now)
		return []Event{st.cartEvent(t, now)}, nil
	})
}

// PurchaseCart buys a cart, which leaves the list. Its events carry the status
// and plain numbers only. No order is made of it: see CreateOrder.
func (s *Server) PurchaseCart(merchant, id int64) (Change, error) {
	return s.cartAct(merchant, id, func(st *store, t *cart, _ *rand.Rand, now time.Time) ([]Event, error) {
		if t.purchased {
			return nil, fmt.Errorf("cart %d is bought already", id)
		}
		t.purchased, t.left = true, true
		t.touch(now)
		return []Event{
			st.storeEvent("abandoned.cart.status.changed", now, func(w *writer) {
				w.obj("")
				w.int("id", t.id)
				w.str("status", t.status())
				w.endObj()
			}),
			st.storeEvent("abandoned.cart.purchased", now, func(w *writer) {
				w.obj("")
				w.int("id", t.id)
				w.str("status", t.status())
				w.str("currency", st.spec.Currency)
				w.amount("total", t.total())
				w.amount("subtotal", t.subtotal())
				w.amount("total_discount", t.discount)
				w.endObj()
			}),
		}, nil
	})
}

// LeaveCart takes a cart off the list, as old ones are. It can still be read,
// and there is no event.
func (s *Server) LeaveCart(merchant, id int64) (Change, error) {
	return s.cartAct(merchant, id, func(_ *store, t *cart, _ *rand.Rand, _ time.Time) ([]Event, error) {
		t.left = true
		return nil, nil
	})
}

// RemoveCart removes a cart altogether. Salla has no event for it.
func (s *Server) RemoveCart(merchant, id int64) (Change, error) {
	return s.cartAct(merchant, id, func(_ *store, t *cart, _ *rand.Rand, _ time.Time) ([]Event, error) {
		t.gone = true
		return nil, nil
	})
}
