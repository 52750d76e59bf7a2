package sandbox

// Where an order's item is shown: what tells its product differs.
type itemForm int

const (
	itemInList   itemForm = iota // GET /orders/items: no product at all
	itemInFull                   // the whole product, null when it was deleted
	itemInStatus                 // product_id
)

func (st *store) renderItem(w *writer, o *order, l *line, form itemForm) {
	st.style(w, &o.record)
	w.obj("")
	w.int("id", l.id)
	if form == itemInStatus {
		if l.product != nil {
			w.int("product_id", l.product.id)
		} else {
			w.null("product_id")
		}
	}
	w.str("name", l.name)
	w.str("sku", l.sku)
	w.int("quantity", l.qty)
	weight := money(0)
	if l.product != nil {
		weight = l.product.good.weight
	}
	if form != itemInStatus {
		w.str("currency", st.spec.Currency)
	}
	w.amount("weight", weight)
	if form != itemInStatus {
		w.str("weight_label", arabicWeight(weight))
	}
	if form == itemInFull && st.loose(&o.record, 121, 3) && l.product != nil {
		w.str("weight_type", "kg")
		w.str("product_type", l.product.good.kind)
		w.strs("product_thumbnail", "https://cdn.salla.sa/", shortCode(l.product.hash), "/thumb.jpg")
		w.intText("mpn", 10000000+int64(die(l.product.hash, 36, 90000000)), true)
		w.intText("gtin", 45000000000+int64(die(l.product.hash, 37, 900000000)), true)
	}
	st.renderItemAmounts(w, l.price, l.total(), o.tax)
	if form != itemInStatus {
		st.renderItemRest(w, o, l, form)
	}
	w.endObj()
}

func (st *store) renderItemAmounts(w *writer, price, total money, tax int64) {
	w.obj("amounts")
	w.money("price_without_tax", price)
	w.money("total_discount", 0)
	w.obj("tax")
	if tax == 0 {
		w.str("percent", "0.00")
	} else {
		w.strs("percent", digits(tax), ".00")
	}
	w.money("amount", total.percent(tax))
	w.endObj()
	w.money("total", total)
	w.endObj()
}

func (st *store) renderItemRest(w *writer, o *order, l *line, form itemForm) {
	if die(o.hash, 122, 8) == 0 {
		w.str("notes", "تغليف هدية")
	} else {
		w.str("notes", "")
	}
	if form == itemInFull {
		w.key("product")
		st.renderItemProduct(w, l.product)
		st.style(w, &o.record)
	}
	w.arr("options")
	if l.product != nil && l.product.options {
		st.renderItemOption(w, o, l)
	}
	w.endArr()
	w.raw("images", "[]")
	w.raw("codes", "[]")
	w.raw("files", "[]")
	if form == itemInList {
		w.raw("reservations", "[]")
	}
}

// renderItemOption writes what was chosen; the value is an object for one
// choice and an array for several.
func (st *store) renderItemOption(w *writer, o *order, l *line) {
	p := l.product
	i := die(o.hash, 123, len(p.good.sizes))
	several := st.loose(&o.record, 124, 4)
	w.obj("")
	w.int("id", l.id+310000000)
	w.int("product_option_id", optionID(p))
	w.str("name", "المقاس")
	if several {
		w.str("type", "checkbox")
		w.arr("value")
	} else {
		w.str("type", "radio")
		w.key("value")
	}
	w.obj("")
	w.int("id", valueID(p, i))
	w.str("name", p.good.sizes[i])
	w.money("price", 0)
	w.endObj()
	if several {
		w.endArr()
	}
	w.endObj()
}

// renderItemProduct writes the product inside an item, with prices after tax.
func (st *store) renderItemProduct(w *writer, p *product) {
	if p == nil || p.gone {
		w.raw("", "null")
		return
	}
	st.style(w, &p.record)
	with := func(m money) money { return m + m.percent(st.tax) }
	w.obj("")
	w.int("id", p.id)
	w.str("type", p.good.kind)
	w.obj("promotion")
	w.null("title")
	w.null("sub_title")
	w.endObj()
	w.int("quantity", int64(p.quantity))
	w.str("status", p.status)
	w.bool("is_available", p.status == "sale" && p.quantity > 0)
	w.str("sku", p.sku)
	w.str("name", p.name)
	w.money("price", with(p.price))
	if p.onSale() {
		w.money("sale_price", with(p.price))
	} else {
		w.money("sale_price", 0)
	}
	w.str("currency", st.spec.Currency)
	w.strs("url", st.domain, "/", shortCode(p.hash))
	w.strs("thumbnail", "https://cdn.salla.sa/", shortCode(p.hash), "/thumb.jpg")
	w.bool("has_special_price", p.onSale())
	w.money("regular_price", with(p.regular))
	if p.good.kind == "food" {
		w.str("calories", "600.00")
	} else {
		w.null("calories")
	}
	w.null("mpn")
	w.null("gtin")
	w.str("description", p.name)
	w.null("favorite")
	w.raw("features", `{"availability_notify":{"email":true,"sms":true,"mobile":false}}`)
	w.null("starting_price")
	w.endObj()
}
