package sandbox

import "strconv"

func digits(n int64) string { return strconv.FormatInt(n, 10) }

// renderOrderFull writes the old full form, which is also the body of the
// order events: items with their products, shipping and shipments, and no time
// of update. Events also carry what the detail's example lacks.
func (st *store) renderOrderFull(w *writer, o *order, event bool) {
	st.style(w, &o.record)
	w.obj("")
	w.int("id", o.id)
	w.int("reference_id", o.reference)
	st.renderOrderLinks(w, o, false)
	w.date("date", o.created)
	w.str("source", o.source)
	w.bool("draft", false)
	w.bool("read", o.read)
	w.str("source_device", "desktop")
	st.renderSource(w, o)
	st.renderStatus(w, o)
	w.str("payment_method", o.method())
	if o.payment == "bank" || die(o.hash, 131, 2) == 0 {
		w.strs("receipt_image", "https://cdn.salla.sa/", shortCode(o.hash), "/receipt.png")
	} else {
		w.null("receipt_image")
	}
	w.str("currency", st.spec.Currency)
	st.renderAmounts(w, o)
	if !event {
		st.renderExchange(w)
	}
	st.renderShipping(w, o)
	w.arr("shipments")
	if o.shipping > 0 {
		st.renderShipment(w, o, event)
	}
	w.endArr()
	w.bool("can_cancel", o.cancellable())
	w.bool("show_weight", !event)
	w.bool("can_reorder", true)
	st.renderPending(w, o)
	w.str("total_weight", arabicWeight(o.weight()))
	w.arr("shipment_branch")
	if !event {
		st.renderBranch(w, "[]")
	}
	w.endArr()
	w.key("customer")
	st.renderCustomer(w, o.customer, customerInFull, nil)
	w.arr("items")
	for i := range o.lines {
		st.renderItem(w, o, &o.lines[i], itemInFull)
	}
	w.endArr()
	w.raw("product_reservations", "[]")
	st.style(w, &o.record)
	st.renderBank(w, o)
	st.renderOrderTags(w, o)
	w.endObj()
}

func (st *store) renderBranch(w *writer, kind string) {
	w.obj("")
	w.int("id", 1469878560)
	w.str("name", "الفرع الرئيسي")
	w.str("status", "active")
	w.bool("is_default", true)
	w.raw("type", kind)
	w.endObj()
}

// renderShipping writes the old shipping object: who sends, who receives, from
// where to where.
func (st *store) renderShipping(w *writer, o *order) {
	if o.shipping == 0 {
		w.null("shipping")
		return
	}
	u := o.customer
	w.obj("shipping")
	w.int("id", 1830000000+o.reference%1000000)
	if st.loose(&o.record, 132, 2) {
		w.str("app_id", "618297749")
	} else {
		w.null("app_id")
	}
	w.str("company", oneOf(o.hash, 133, st.words.couriers))
	w.str("logo", "https://cdn.salla.sa/jKxK/logo.png")
	w.key("receiver")
	st.renderReceiver(w, o)
	w.obj("shipper")
	w.str("name", st.spec.Name)
	w.str("company_name", st.spec.Name)
	w.str("email", "")
	w.str("phone", "0555555555")
	w.endObj()
	w.key("pickup_address")
	st.renderAddress(w, "السعودية", "SA", "Riyadh", "طريق الملك فهد", "الملك فهد", "12262", 24.694018, 46.6521887)
	w.key("address")
	st.renderAddress(w, u.place.code, u.place.code, u.place.city, u.street, u.block, postcode(o), 0, 0)
	w.obj("shipment")
	if o.status == shipped || o.status == delivering || o.status == delivered || o.status == completed {
		w.strs("id", "SAIF", digits(o.reference%100000))
		w.null("pickup_id")
		w.strs("tracking_link", "https://example.com/track/SAIF", digits(o.reference%100000))
		w.raw("label", `{"format":"pdf","url":"https://example.com/shipping-policy/label.pdf"}`)
	} else {
		w.str("id", "0")
		w.null("pickup_id")
		w.str("tracking_link", "0")
		w.raw("label", "[]")
	}
	w.endObj()
	if st.loose(&o.record, 134, 3) {
		w.raw("policy_options", `{"return_police":"0","restore_items":"1","send_status_sms":true,"boxes":"1"}`)
	} else {
		w.raw("policy_options", "[]")
	}
	w.int("shipment_reference", 242000000+o.reference%1000000)
	w.int("branch_id", 1723506348)
	w.endObj()
}

func postcode(o *order) string { return strconv.Itoa(11000 + die(o.hash, 135, 70000)) }

func (st *store) renderAddress(w *writer, country, code, city, street, block, post string, lat, lng float64) {
	w.obj("")
	w.str("country", country)
	w.str("country_code", code)
	w.str("city", city)
	w.strs("shipping_address", street, "، الحي ", block, " ", post, ", ", city)
	w.str("street_number", street)
	w.str("block", block)
	w.str("postal_code", post)
	w.obj("geo_coordinates")
	w.float("lat", lat)
	w.float("lng", lng)
	w.endObj()
	w.endObj()
}

func (st *store) renderShipment(w *writer, o *order, event bool) {
	w.obj("")
	w.int("id", 640000000+o.reference%10000000)
	w.null("created_at")
	w.str("type", "shipment")
	w.int("courier_id", 802226618)
	w.str("courier_name", oneOf(o.hash, 133, st.words.couriers))
	w.str("courier_logo", "https://example.com/courier.png")
	for _, k := range []string{"shipping_number", "tracking_number", "pickup_id"} {
		w.null(k)
	}
	w.bool("trackable", false)
	w.null("tracking_link")
	w.null("label")
	if o.payment == "cod" {
		w.str("payment_method", "cod")
	} else {
		w.str("payment_method", "pre_paid")
	}
	w.str("source", "store")
	w.str("status", st.words.statuses[o.status].slug)
	w.money("total", o.total())
	w.money("cash_on_delivery", o.cod)
	w.bool("is_international", o.customer.place.code != "SA")
	w.obj("total_weight")
	w.amount("value", o.weight())
	w.str("units", "kg")
	w.endObj()
	if event {
		w.raw("shipping_route", `{"id":1867988940,"name":"Default Route"}`)
	}
	w.arr("packages")
	for i := range o.lines {
		l := &o.lines[i]
		w.obj("")
		w.int("item_id", l.id)
		w.null("external_id")
		w.int("quantity", l.qty)
		w.raw("weight", `{"value":0.5,"units":"kg"}`)
		w.endObj()
	}
	w.endArr()
	st.renderStop(w, "ship_from", "branch", "المستودع الرئيسي", "", "966555855555", "السعودية", "Medina", "حي مسجد الدرع", "مسجد الدرع", "00000", event)
	w.int("branch_id", 1790435930)
	w.endObj()
	u := o.customer
	st.renderStop(w, "ship_to", "address", u.name(), u.email, u.place.dial[1:]+digits(u.mobile), u.place.country, u.place.city, u.street, u.block, postcode(o), event)
	w.endObj()
	w.raw("meta", `{"app_id":846904320,"policy_options":{"dimensions":{"length":"","width":"","height":""}}}`)
	w.endObj()
}

// renderStop writes one end of a shipment; the caller ends the object.
func (st *store) renderStop(w *writer, key, kind, name, email, phone, country, city, street, block, post string, event bool) {
	w.obj(key)
	w.str("type", kind)
	w.str("name", name)
	w.str("email", email)
	w.str("phone", phone)
	w.str("country", country)
	w.str("city", city)
	if event {
		w.obj("region")
		w.int("id", 1473353380)
		w.str("name", "منطقة الرياض")
		w.str("code", "RD")
		w.endObj()
	}
	w.strs("address_line", street, ", ", city)
	w.str("street_number", street)
	w.str("block", block)
	if event {
		w.str("short_address", "RHMA3184")
		w.str("building_number", "2846")
		w.str("additional_number", "7556")
	}
	w.str("postal_code", post)
	w.float("latitude", 24.524655575978006)
	w.float("longitude", 39.56918120384216)
}

// renderOrderStatusEvent writes data of order.status.updated: data.id is the
// change's own, the status is a text, the order is within.
func (st *store) renderOrderStatusEvent(w *writer, o *order, change, at int64) {
	st.style(w, &o.record)
	s := &st.words.statuses[o.status]
	w.obj("")
	w.int("id", change)
	w.str("status", s.name)
	w.null("customized")
	w.str("note", o.note)
	w.date("created_at", at)
	w.obj("order")
	w.int("id", o.id)
	w.int("reference_id", o.reference)
	st.renderOrderLinks(w, o, false)
	w.date("date", o.created)
	w.str("source", o.source)
	w.str("source_device", "desktop")
	st.renderSource(w, o)
	if o.completed > 0 {
		w.date("first_complete_at", o.completed)
	} else {
		w.null("first_complete_at")
	}
	w.obj("status")
	w.int("id", st.statusID(o.status))
	w.str("name", s.name)
	w.str("slug", s.slug)
	w.endObj()
	w.str("payment_method", o.method())
	w.str("currency", st.spec.Currency)
	st.renderAmounts(w, o)
	st.renderShipping(w, o)
	w.bool("can_cancel", o.cancellable())
	w.bool("show_weight", false)
	w.bool("can_reorder", false)
	st.renderPending(w, o)
	w.str("total_weight", arabicWeight(o.weight()))
	w.arr("shipment_branch")
	st.renderBranch(w, "{}")
	w.endArr()
	st.renderBuyer(w, o.customer)
	w.arr("items")
	for i := range o.lines {
		st.renderItem(w, o, &o.lines[i], itemInStatus)
	}
	w.endArr()
	w.money("total", o.total())
	w.endObj()
	w.endObj()
}
