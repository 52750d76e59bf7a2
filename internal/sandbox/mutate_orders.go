package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// orderAct finds an order and lets do change it.
func (s *Server) orderAct(merchant, id int64, do func(st *store, o *order, now time.Time) ([]Event, error)) (Change, error) {
	return s.act(merchant, func(st *store, _ *rand.Rand, now time.Time) (Change, error) {
		o, ok := st.orders.find(id)
		if !ok {
			return Change{}, fmt.Errorf("no order %d", id)
		}
		events, err := do(st, o, now)
		return Change{id, events}, err
	})
}

func (st *store) orderEvent(name string, o *order, now time.Time) Event {
	return st.storeEvent(name, now, func(w *writer) { st.renderOrderFull(w, o, true) })
}

// CreateOrder takes a new order from one of the store's customers.
func (s *Server) CreateOrder(merchant int64) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		o := st.newOrder(r, now.Unix(), st.buyer(r, len(st.customers.all)))
		return Change{o.id, []Event{st.orderEvent("order.created", o, now)}}, nil
	})
}

// UpdateOrderStatus moves an order to the status with this slug, or fails for
// an unknown one. A cancellation has an event of its own besides.
func (s *Server) UpdateOrderStatus(merchant, id int64, slug string) (Change, error) {
	return s.orderAct(merchant, id, func(st *store, o *order, now time.Time) ([]Event, error) {
		next, ok := statusBySlug(slug)
		if !ok {
			return nil, fmt.Errorf("no status %q", slug)
		}
		return st.moveOrder(o, next, now), nil
	})
}

func (st *store) moveOrder(o *order, next uint8, now time.Time) []Event {
	o.status = next
	o.touch(now)
	if o.completed == 0 && (next == completed || next == delivered) {
		o.completed = now.Unix()
	}
	o.note = "تم تحديث حالة الطلب إلى " + st.words.statuses[next].name
	st.histories += 3
	change := st.histories
	events := []Event{
		st.storeEvent("order.status.updated", now, func(w *writer) {
			st.renderOrderStatusEvent(w, o, change, now.Unix())
		}),
		st.orderEvent("order.updated", o, now),
	}
	if next == canceled {
		events = append(events, st.orderEvent("order.cancelled", o, now))
	}
	return events
}

// RefundOrder gives money back: all of it, which also moves the order to
// restored, or part of it, which leaves its status.
func (s *Server) RefundOrder(merchant, id int64, full bool) (Change, error) {
	return s.orderAct(merchant, id, func(st *store, o *order, now time.Time) ([]Event, error) {
		var events []Event
		if full {
			events = st.moveOrder(o, restored, now)
		} else {
			o.touch(now)
			events = []Event{st.orderEvent("order.updated", o, now)}
		}
		return append([]Event{st.orderEvent("order.refunded", o, now)}, events...), nil
	})
}

// PayOrder settles an order that waited for its payment.
func (s *Server) PayOrder(merchant, id int64) (Change, error) {
	return s.orderAct(merchant, id, func(st *store, o *order, now time.Time) ([]Event, error) {
		if !o.unpaid() {
			return nil, fmt.Errorf("order %d is not unpaid", id)
		}
		events := st.moveOrder(o, underReview, now)
		return append([]Event{st.orderEvent("order.payment.updated", o, now)}, events...), nil
	})
}

// ReviseOrder changes how many of its first item an order has.
func (s *Server) ReviseOrder(merchant, id int64) (Change, error) {
	return s.orderAct(merchant, id, func(st *store, o *order, now time.Time) ([]Event, error) {
		o.lines[0].qty++
		o.touch(now)
		return []Event{
			st.orderEvent("order.products.updated", o, now),
			st.orderEvent("order.total.price.updated", o, now),
			st.orderEvent("order.updated", o, now),
		}, nil
	})
}

// DeleteOrder removes an order from the list and from reading.
func (s *Server) DeleteOrder(merchant, id int64) (Change, error) {
	return s.orderAct(merchant, id, func(st *store, o *order, now time.Time) ([]Event, error) {
		e := st.orderEvent("order.deleted", o, now)
		o.gone = true
		return []Event{e}, nil
	})
}
