package sandbox

import (
	"context"
	"math/rand/v2"
	"time"
)

// LiveOptions say how busy the stores are.
type LiveOptions struct {
	PerSecond float64 `json:"per_second"` // acts of all stores together; default 1
	Merchants []int64 `json:"merchants"`  // default: every installed store
}

// Live lets the stores live until ctx ends or the Server closes: orders
// arrive, statuses move, prices change, carts are left and bought, customers
// edited, products deleted. Each act has its webhooks.
func (s *Server) Live(ctx context.Context, o LiveOptions) {
	if o.PerSecond <= 0 {
		o.PerSecond = 1
	}
	ctx, cancel := s.untilClosed(ctx)
	defer cancel()
	tick := time.NewTicker(max(time.Millisecond, time.Duration(float64(time.Second)/o.PerSecond)))
	defer tick.Stop()
	r := newRand(s.cfg.Seed, 9002)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			s.liveOnce(r, o.Merchants)
		}
	}
}

// liveOnce does one act in one store. An act that finds nothing to act on is
// let go: there will be another.
func (s *Server) liveOnce(r *rand.Rand, merchants []int64) {
	if len(merchants) == 0 {
		merchants = s.installedMerchants()
	}
	if len(merchants) == 0 {
		return
	}
	m := merchants[r.IntN(len(merchants))]
	st, ok := s.store(m)
	if !ok {
		return
	}
	var err error
	switch roll := r.IntN(100); {
	case roll < 34:
		_, err = s.CreateOrder(m)
	case roll < 56:
		err = s.moveSomeOrder(m, st, r)
	case roll < 66:
		_, err = s.ChangePrice(m, pick(st, st.products, r, 0), 0)
	case roll < 72:
		_, err = s.UpdateProduct(m, pick(st, st.products, r, 0))
	case roll < 81:
		_, err = s.AbandonCart(m)
	case roll < 86:
		if _, err = s.PurchaseCart(m, pick(st, st.carts, r, 30)); err == nil {
			_, err = s.CreateOrder(m)
		}
	case roll < 91:
		_, err = s.UpdateCustomer(m, pick(st, st.customers, r, 0))
	case roll < 96:
		_, err = s.CreateCustomer(m)
	case roll < 97:
		_, err = s.RefundOrder(m, pick(st, st.orders, r, 50), r.IntN(2) == 0)
	case roll < 98:
		_, err = s.CreateProduct(m)
	case roll < 99:
		_, err = s.DeleteProduct(m, pick(st, st.products, r, 0))
	default:
		_, err = s.UpdateCart(m, pick(st, st.carts, r, 30))
	}
	if err != nil {
		s.log.Debug("nothing to act on", "merchant", m, "error", err)
	}
}

// moveSomeOrder moves a recent order one status on.
func (s *Server) moveSomeOrder(m int64, st *store, r *rand.Rand) error {
	id := pick(st, st.orders, r, 60)
	st.mu.Lock()
	o, ok := st.orders.find(id)
	next := uint8(underReview)
	if ok {
		next, ok = statusNext(o.status)
	}
	st.mu.Unlock()
	if !ok {
		return nil // it has come to its end
	}
	_, err := s.UpdateOrderStatus(m, id, st.words.statuses[next].slug)
	return err
}

// pick chooses a shown record, among the newest where recent is above 0, or 0.
func pick[T recorded](st *store, s *shelf[T], r *rand.Rand, recent int) int64 {
	st.mu.Lock()
	defer st.mu.Unlock()
	n := len(s.all)
	from := 0
	if recent > 0 {
		from = max(0, n-recent)
	}
	for range 20 { // deleted ones are few
		if from == n {
			return 0
		}
		if m := s.all[from+r.IntN(n-from)].meta(); m.shown() {
			return m.id
		}
	}
	return 0
}

func (s *Server) installedMerchants() []int64 {
	var out []int64
	for _, m := range s.Merchants() {
		st, ok := s.store(m)
		if !ok {
			continue
		}
		st.mu.Lock()
		on := st.installed != 0
		st.mu.Unlock()
		if on {
			out = append(out, m)
		}
	}
	return out
}

// startLive replaces what lives now; a nil stops it.
func (s *Server) startLive(o *LiveOptions) {
	s.liveMu.Lock()
	defer s.liveMu.Unlock()
	if s.liveEnd != nil {
		s.liveEnd()
		s.liveEnd = nil
	}
	if o == nil {
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	s.liveEnd = cancel
	if !s.background(func(context.Context) { s.Live(ctx, *o) }) {
		cancel()
	}
}
