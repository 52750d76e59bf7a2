package sandbox

// renderOptions writes the choices of a product and the stock of each. The
// stock is a number, a string or {}, as the list and the detail disagree.
func (st *store) renderOptions(w *writer, p *product, form productForm) {
	w.arr("options")
	if p.options {
		st.renderOption(w, p)
	}
	w.endArr()
	w.arr("skus")
	if p.options {
		for i := range p.good.sizes {
			st.renderSKU(w, p, i, form)
		}
	}
	w.endArr()
}

func optionID(p *product) int64 { return 700000000 + int64(die(p.hash, 61, 99000000)) }

func valueID(p *product, i int) int64 {
	return 400000000 + int64(die(p.hash, 62, 99000000)) + int64(i)
}

func (st *store) renderOption(w *writer, p *product) {
	id := optionID(p)
	w.obj("")
	w.int("id", id)
	w.str("name", "المقاس")
	w.str("description", "اختر المقاس")
	w.str("type", "radio")
	w.bool("required", true)
	w.int("associated_with_order_time", 0)
	w.bool("availability_range", false)
	w.bool("not_same_day_order", false)
	w.bool("choose_date_time", false)
	w.str("from_date_time", "2022-06-23 01:04:38")
	w.str("to_date_time", "2028-06-23 01:04:38")
	w.int("sort", 5)
	w.bool("advance", true)
	w.str("display_type", "text")
	w.str("visibility", "always")
	w.raw("translations", `{"ar":{`)
	w.str("option_name", "المقاس")
	w.str("description", "اختر المقاس")
	w.endObj()
	w.endObj()
	w.arr("values")
	for i, size := range p.good.sizes {
		w.obj("")
		w.int("id", valueID(p, i))
		w.str("name", size)
		w.money("price", 0)
		w.str("formatted_price", "")
		w.str("display_value", "")
		w.bool("advance", true)
		w.int("option_id", id)
		w.str("image_url", "")
		w.str("hashed_display_value", "")
		w.raw("translations", `{"ar":{`)
		w.str("option_details_name", size)
		w.endObj()
		w.endObj()
		w.bool("is_default", i == 0)
		w.bool("is_out_of_stock", false)
		w.endObj()
	}
	w.endArr()
	w.endObj()
}

func (st *store) renderSKU(w *writer, p *product, i int, form productForm) {
	stock := int64(p.quantity / len(p.good.sizes))
	w.obj("")
	w.int("id", 1200000000+int64(die(p.hash, 63, 90000000))+int64(i))
	w.money("price", p.price)
	w.money("regular_price", 0)
	w.money("cost_price", 0)
	w.raw("sale_price", "{}")
	w.bool("has_special_price", false)
	switch {
	case st.loose(&p.record, 64, 5):
		w.raw("stock_quantity", "{}")
	default:
		w.intText("stock_quantity", stock, form == productAlone || st.loose(&p.record, 65, 2))
	}
	w.bool("unlimited_quantity", false)
	w.str("notify_low", "13")
	w.str("barcode", p.sku)
	w.strs("sku", p.sku, "-", string(rune('A'+i)))
	w.intText("mpn", 45000000000+int64(i), true)
	w.intText("gtin", 58636000+int64(i), true)
	w.arr("related_options")
	w.int("", optionID(p))
	w.endArr()
	w.arr("related_option_values")
	w.int("", valueID(p, i))
	w.endArr()
	w.amount("weight", p.good.weight)
	w.str("weight_type", "kg")
	w.str("weight_label", arabicWeight(p.good.weight))
	w.bool("is_user_subscribed_to_sku", false)
	w.bool("is_default", i == 0)
	w.endObj()
}

// arabicWeight is a label such as ٠٫٢٥ كجم.
func arabicWeight(m money) string {
	var out []rune
	for _, c := range appendMoney(nil, m, 0) {
		if c == '.' {
			out = append(out, '٫')
			continue
		}
		out = append(out, '٠'+rune(c-'0'))
	}
	return string(out) + " كجم"
}
