package sandbox

import "time"

// Where a cart document is shown: the forms differ.
type cartForm int

const (
	cartInList cartForm = iota
	cartAlone
	cartInEvent
)

func (st *store) renderCart(w *writer, c *cart, form cartForm, now time.Time) {
	st.style(w, &c.record)
	w.obj("")
	w.int("id", c.id)
	if form == cartAlone {
		w.str("status", c.status())
	}
	w.money("total", c.total())
	w.money("subtotal", c.subtotal())
	w.money("total_discount", c.discount)
	w.strs("checkout_url", st.domain, "/checkout/", digits(c.id))
	w.int("age_in_minutes", minutesSince(c.created, now))
	w.date("created_at", c.created)
	w.date("updated_at", c.updated)
	st.renderBuyer(w, c.customer)
	st.renderCoupon(w, c, form)
	w.arr("items")
	for i := range c.lines {
		l := &c.lines[i]
		w.obj("")
		w.int("id", l.id)
		if l.product != nil {
			w.int("product_id", l.product.id)
		} else {
			w.null("product_id")
		}
		w.int("quantity", l.qty)
		if form != cartInEvent {
			weight := money(0)
			if l.product != nil {
				weight = l.product.good.weight
			}
			w.amount("weight", weight)
			st.renderItemAmounts(w, l.price, l.total(), st.tax)
			w.str("notes", "")
		}
		w.endObj()
	}
	w.endArr()
	w.endObj()
}

func (c *cart) status() string {
	if c.purchased {
		return "purchased"
	}
	return "active"
}

// renderCoupon writes the coupon, whose amounts are objects in the list and
// plain numbers in events.
func (st *store) renderCoupon(w *writer, c *cart, form cartForm) {
	if c.coupon == "" {
		w.null("coupon")
		return
	}
	w.obj("coupon")
	w.int("id", 2036833834)
	w.str("code", c.coupon)
	w.str("status", "active")
	w.str("type", "percentage")
	if form == cartInEvent {
		w.int("amount", 10)
		w.int("minimum_amount", 0)
	} else {
		w.money("amount", riyal(10))
		w.money("minimum_amount", 0)
	}
	w.stamp("expiry_date", c.created+90*24*3600)
	if form == cartInEvent {
		w.null("start_date")
		w.str("created_at", eventTime(time.Unix(c.created, 0)))
		w.bool("free_shipping", true)
	} else {
		w.date("created_at", c.created)
	}
	w.endObj()
}

// eventTime is how store events write their time.
func eventTime(t time.Time) string {
	return t.In(riyadh).Format("Mon Jan 02 2006 15:04:05 GMT-0700")
}
