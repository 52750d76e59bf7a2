package sandbox

import (
	"fmt"
	"math/rand/v2"
	"time"
)

func (s *Server) productAct(merchant, id int64, do func(st *store, p *product, r *rand.Rand, now time.Time) ([]Event, error)) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		p, ok := st.products.find(id)
		if !ok {
			return Change{}, fmt.Errorf("no product %d", id)
		}
		events, err := do(st, p, r, now)
		return Change{id, events}, err
	})
}

func (st *store) productEvent(name string, p *product, now time.Time) Event {
	return st.storeEvent(name, now, func(w *writer) { st.renderProduct(w, p, productInEvent) })
}

// CreateProduct adds a product.
func (s *Server) CreateProduct(merchant int64) (Change, error) {
	return s.act(merchant, func(st *store, r *rand.Rand, now time.Time) (Change, error) {
		p := st.newProduct(r, now.Unix())
		return Change{p.id, []Event{st.productEvent("product.created", p, now)}}, nil
	})
}

// UpdateProduct gives a product another name and quantity. A quantity that
// falls below ten has an event of its own besides.
func (s *Server) UpdateProduct(merchant, id int64) (Change, error) {
	return s.productAct(merchant, id, func(st *store, p *product, r *rand.Rand, now time.Time) ([]Event, error) {
		p.name = p.good.name + " " + st.words.colours[r.IntN(len(st.words.colours))]
		was := p.quantity
		p.quantity = r.IntN(60)
		p.touch(now)
		events := []Event{st.productEvent("product.updated", p, now)}
		if was >= 10 && p.quantity < 10 {
			events = append(events, st.productEvent("product.quantity.low", p, now))
		}
		return events, nil
	})
}

// ChangePrice changes a product's price by up to a fifth, or to the given one
// in major units where that is above 0. The price event has its own form, with
// plain numbers.
func (s *Server) ChangePrice(merchant, id, price int64) (Change, error) {
	return s.productAct(merchant, id, func(st *store, p *product, r *rand.Rand, now time.Time) ([]Event, error) {
		was := p.price
		p.price = riyal(price)
		if price <= 0 {
			p.price = was * money(80+r.Int64N(41)) / 100 / 500 * 500
			if p.price == was {
				p.price += 500
			}
		}
		p.regular = max(p.regular, p.price)
		p.touch(now)
		return []Event{
			st.storeEvent("product.price.updated", now, func(w *writer) { st.renderPriceEvent(w, p) }),
			st.productEvent("product.updated", p, now),
		}, nil
	})
}

// renderPriceEvent writes plain numbers and no time of update.
func (st *store) renderPriceEvent(w *writer, p *product) {
	tax := p.price.percent(st.tax)
	w.obj("")
	w.int("id", p.id)
	w.str("sku", p.sku)
	w.intText("mpn", 10000000+int64(die(p.hash, 36, 90000000)), true)
	w.intText("gtin", 45000000000+int64(die(p.hash, 37, 900000000)), true)
	w.amount("cost", p.regular/2)
	w.null("starting_price")
	w.amount("price", p.price)
	w.obj("sale_price")
	if p.onSale() {
		w.amount("amount", p.price)
	} else {
		w.int("amount", 0)
	}
	if p.onSale() && p.saleEnd > 0 {
		w.day("expired_at", p.saleEnd)
	} else {
		w.null("expired_at")
	}
	w.endObj()
	w.amount("tax", tax)
	w.amount("taxed_price", p.price+tax)
	w.amount("regular_price", p.regular)
	w.str("currency", st.spec.Currency)
	w.bool("with_tax", st.tax > 0)
	w.endObj()
}

// SetProductStatus shows (sale), sells out (out) or hides (hidden) a product.
func (s *Server) SetProductStatus(merchant, id int64, status string) (Change, error) {
	return s.productAct(merchant, id, func(st *store, p *product, _ *rand.Rand, now time.Time) ([]Event, error) {
		switch status {
		case "sale", "out", "hidden":
		default:
			return nil, fmt.Errorf("no product status %q", status)
		}
		p.status = status
		p.touch(now)
		return []Event{
			st.storeEvent("product.status.updated", now, func(w *writer) {
				w.obj("")
				w.int("id", p.id)
				w.str("sku", p.sku)
				w.str("name", p.name)
				w.str("status", p.status)
				w.bool("is_available", p.status == "sale")
				w.endObj()
			}),
			st.productEvent("product.updated", p, now),
		}, nil
	})
}

// DeleteProduct removes a product; orders that have it show null from now on.
func (s *Server) DeleteProduct(merchant, id int64) (Change, error) {
	return s.productAct(merchant, id, func(st *store, p *product, _ *rand.Rand, now time.Time) ([]Event, error) {
		p.status = "deleted"
		p.touch(now)
		e := st.productEvent("product.deleted", p, now)
		p.gone = true
		return []Event{e}, nil
	})
}
