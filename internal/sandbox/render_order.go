package sandbox

import "strconv"

// renderOrderListed writes the light form of the list: no ids and no prices of
// what was bought, no time of update.
func (st *store) renderOrderListed(w *writer, o *order) {
	st.style(w, &o.record)
	w.obj("")
	w.int("id", o.id)
	w.int("reference_id", o.reference)
	w.money("total", o.total())
	if die(o.hash, 101, 3) == 0 {
		st.renderExchange(w)
	}
	w.date("date", o.created)
	st.renderStatus(w, o)
	w.bool("draft", false)
	w.bool("read", o.read)
	w.bool("can_cancel", o.cancellable())
	w.bool("can_reorder", true)
	st.renderPayment(w, o)
	w.obj("features")
	w.bool("digitalable", o.digital())
	w.bool("shippable", o.shipping > 0)
	w.bool("has_suspicious_alert", false)
	w.endObj()
	w.arr("items")
	for i := range o.lines {
		l := &o.lines[i]
		w.obj("")
		w.str("name", l.name)
		w.int("quantity", l.qty)
		if l.product != nil {
			w.strs("thumbnail", "https://cdn.salla.sa/", shortCode(l.product.hash), "/thumb.jpg")
		}
		w.endObj()
	}
	w.endArr()
	w.key("customer")
	st.renderCustomer(w, o.customer, customerInOrders, nil)
	w.endObj()
}

// renderOrderLight writes GET /orders/{id}?format=light: amounts, receiver and
// time of update, but no items, shipments or address.
func (st *store) renderOrderLight(w *writer, o *order) {
	st.style(w, &o.record)
	w.obj("")
	w.int("id", o.id)
	w.int("checkout_id", 1460000000+o.reference%10000000)
	w.int("reference_id", o.reference)
	w.obj("features")
	w.bool("shippable", o.shipping > 0)
	w.bool("digitalable", o.digital())
	w.bool("multiple_shipments_supported", false)
	w.bool("order_type_price_quote", false)
	w.bool("has_suspicious_alert", false)
	w.endObj()
	w.obj("actions")
	w.bool("cancellable", o.cancellable())
	w.bool("reorderable", true)
	w.bool("payable", o.unpaid())
	w.endObj()
	st.renderOrderLinks(w, o, true)
	w.date("date", o.created)
	w.date("updated_at", o.updated)
	w.str("source", o.source)
	st.renderSource(w, o)
	st.renderStatus(w, o)
	w.bool("is_price_quote", false)
	w.str("payment_method", o.method())
	w.str("currency", st.spec.Currency)
	st.renderAmounts(w, o)
	w.bool("can_cancel", o.cancellable())
	w.bool("show_weight", true)
	w.bool("can_reorder", true)
	st.renderPending(w, o)
	w.str("total_weight", arabicWeight(o.weight()))
	w.key("receiver")
	st.renderReceiver(w, o)
	w.key("customer")
	st.renderCustomer(w, o.customer, customerInLight, nil)
	st.style(w, &o.record)
	st.renderBank(w, o)
	st.renderOrderTags(w, o)
	w.endObj()
}

func (o *order) cancellable() bool { return o.status == paymentPending || o.status == underReview }

func (o *order) digital() bool {
	for i := range o.lines {
		if p := o.lines[i].product; p != nil && p.good.kind == "digital" {
			return true
		}
	}
	return false
}

func (o *order) weight() money {
	var sum money
	for i := range o.lines {
		if p := o.lines[i].product; p != nil {
			sum += p.good.weight * money(o.lines[i].qty)
		}
	}
	return sum
}

func (st *store) statusID(i uint8) int64 {
	return 500000000 + int64(die(st.seed, 102, 60000000)) + int64(i)*1301
}

// renderStatus writes the status; its customized form is an object, null or
// missing.
func (st *store) renderStatus(w *writer, o *order) {
	s := &st.words.statuses[o.status]
	w.obj("status")
	w.int("id", st.statusID(o.status))
	w.str("name", s.name)
	w.str("slug", s.slug)
	switch {
	case st.loose(&o.record, 103, 6):
		w.null("customized")
	case st.loose(&o.record, 104, 6):
	default:
		w.obj("customized")
		w.int("id", st.statusID(o.status)+420000000)
		w.str("name", s.name)
		w.endObj()
	}
	w.endObj()
}

// renderPayment writes how the order is paid, and until when it may be; what
// is not paid yet has the method waiting.
func (st *store) renderPayment(w *writer, o *order) {
	w.str("payment_method", o.method())
	st.renderPending(w, o)
}

func (o *order) method() string {
	if o.unpaid() {
		return "waiting"
	}
	return o.payment
}

func (st *store) renderPending(w *writer, o *order) {
	w.bool("is_pending_payment", o.unpaid())
	if o.unpaid() {
		w.int("pending_payment_ends_at", 172796)
	} else {
		w.int("pending_payment_ends_at", 0)
	}
}

func (st *store) renderExchange(w *writer) {
	w.obj("exchange_rate")
	w.str("base_currency", st.spec.Currency)
	w.str("exchange_currency", "USD")
	w.float("rate", 0.266592)
	w.endObj()
}

func (st *store) renderOrderLinks(w *writer, o *order, light bool) {
	code := shortCode(o.hash) + shortCode(mix(o.hash, 1))
	w.obj("urls")
	w.strs("customer", st.domain, "/order/", code)
	w.strs("admin", "https://s.salla.sa/orders/order/", code)
	if light {
		w.strs("digital_content", st.domain, "/orders/digital/", code)
	}
	w.strs("rating", st.domain, "/rating/", code)
	if o.unpaid() {
		w.strs("checkout", st.domain, "/checkout/", code)
	}
	w.endObj()
}

func (st *store) renderSource(w *writer, o *order) {
	w.obj("source_details")
	w.str("type", "direct")
	w.null("value")
	w.str("device", "desktop")
	w.str("user-agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64)")
	if st.loose(&o.record, 106, 4) {
		w.null("ip")
	} else {
		w.strs("ip", "203.0.113.", strconv.Itoa(1+die(o.hash, 107, 250)))
	}
	w.endObj()
}

// renderAmounts writes the sums of an order. The amount of a discount is a
// string, that of its shipping sometimes a number.
func (st *store) renderAmounts(w *writer, o *order) {
	w.obj("amounts")
	w.money("sub_total", o.subtotal())
	w.money("shipping_cost", o.shipping)
	w.money("cash_on_delivery", o.cod)
	w.obj("tax")
	w.strs("percent", strconv.FormatInt(o.tax, 10), ".00")
	w.money("amount", o.taxAmount())
	w.endObj()
	w.arr("discounts")
	if o.discount > 0 {
		w.obj("")
		w.str("title", "كوبون خصم")
		w.str("type", "normal")
		w.str("code", o.coupon)
		w.amountText("discount", o.discount)
		w.str("currency", st.spec.Currency)
		if st.loose(&o.record, 108, 2) {
			w.int("discounted_shipping", 0)
		} else {
			w.str("discounted_shipping", "0.00")
		}
		w.bool("hasMarketing", false)
		w.endObj()
	}
	w.endArr()
	w.money("total", o.total())
	w.endObj()
}

func (st *store) renderReceiver(w *writer, o *order) {
	u := o.customer
	w.obj("")
	w.str("name", u.name())
	w.str("email", u.email)
	w.strs("phone", u.place.dial[1:], strconv.FormatInt(u.mobile, 10))
	w.endObj()
}

func (st *store) renderBank(w *writer, o *order) {
	if o.payment != "bank" {
		w.null("bank")
		return
	}
	w.obj("bank")
	w.int("id", 1723506348)
	w.str("bank_name", oneOf(st.seed, 109, st.words.bank))
	w.int("bank_id", 1473353380)
	w.str("account_name", st.spec.Name)
	w.str("account_number", "000000608010167519")
	w.str("iban_number", "SA0380000000608010167519")
	w.str("status", "active")
	w.endObj()
}

func (st *store) renderOrderTags(w *writer, o *order) {
	w.arr("tags")
	if die(o.hash, 110, 12) == 0 {
		w.obj("")
		w.int("id", 525144736)
		w.str("name", "هدية")
		w.endObj()
	}
	w.endArr()
}
