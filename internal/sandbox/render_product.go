package sandbox

import (
	"strconv"
	"strings"
	"time"
)

// Where a product document is shown: the forms differ.
type productForm int

const (
	productInList productForm = iota
	productLight
	productAlone
	productInEvent
)

// style sets the loose forms that the record's values are written in.
func (st *store) style(w *writer, r *record) {
	w.currency = st.spec.Currency
	w.moneyText, w.dateForm = false, 0
	if st.spec.Plain {
		return
	}
	w.moneyText = die(r.hash, 31, 12) == 0
	switch die(r.hash, 32, 16) {
	case 0:
		w.dateForm = 1 // no timezone
	case 1:
		w.dateForm = 2 // only the date
	}
}

// loose rolls a die that only loose stores have.
func (st *store) loose(r *record, purpose uint64, n int) bool {
	return !st.spec.Plain && die(r.hash, purpose, n) == 0
}

func (st *store) renderProduct(w *writer, p *product, form productForm) {
	st.style(w, &p.record)
	id := strconv.FormatInt(p.id, 10)
	link := strings.Join([]string{st.domain, "/", slugged(p.name), "/p", id}, "")
	image := "https://cdn.salla.sa/" + shortCode(p.hash) + "/main.jpg"
	tax := p.price.percent(st.tax)

	w.obj("")
	w.int("id", p.id)
	w.obj("promotion")
	if die(p.hash, 33, 4) == 0 {
		w.str("title", "عرض رمضان")
		w.str("sub_title", "عروض رمضان الخاصة")
	} else {
		w.null("title")
		w.null("sub_title")
	}
	w.endObj()
	w.str("sku", p.sku)
	if !st.loose(&p.record, 34, 5) {
		w.strs("thumbnail", "https://cdn.salla.sa/", shortCode(p.hash), "/thumb.jpg")
	}
	if form == productInEvent && st.loose(&p.record, 35, 2) {
		w.null("mpn")
		w.null("gtin")
	} else {
		w.intText("mpn", 10000000+int64(die(p.hash, 36, 90000000)), true)
		w.intText("gtin", 45000000000+int64(die(p.hash, 37, 900000000)), true)
	}
	w.str("type", p.good.kind)
	w.str("name", p.name)
	w.str("short_link_code", shortCode(p.hash))
	w.obj("urls")
	w.str("customer", link)
	w.strs("admin", "https://s.salla.sa/products/", id)
	w.endObj()
	w.money("price", p.price)
	w.money("taxed_price", p.price+tax)
	w.money("pre_tax_price", p.price)
	w.money("tax", tax)
	w.strs("description", "<p>", p.name, "</p>")
	w.intText("quantity", int64(p.quantity), form == productInList && st.loose(&p.record, 38, 3))
	w.str("status", p.status)
	w.bool("is_available", p.status == "sale" && p.quantity > 0)
	w.int("views", int64(die(p.hash, 39, 5000)))
	st.renderSale(w, p, form)
	w.bool("require_shipping", p.good.weight > 0)
	w.key("cost_price")
	w.b = append(w.b, '"')
	w.b = appendMoney(w.b, p.regular/2, 0)
	w.b = append(w.b, '"')
	w.amount("weight", p.good.weight)
	w.str("weight_type", "kg")
	w.bool("with_tax", st.tax > 0)
	w.str("url", link)
	hasImage := !st.loose(&p.record, 41, 9)
	if hasImage {
		w.str("main_image", image)
	} else {
		w.null("main_image")
	}
	w.arr("images")
	if hasImage && form != productLight {
		st.renderImage(w, p, image)
	}
	w.endArr()
	w.intText("sold_quantity", int64(p.sold), st.loose(&p.record, 42, 3))
	w.obj("rating")
	w.int("total", int64(die(p.hash, 43, 200)))
	w.int("count", int64(die(p.hash, 43, 200)/4))
	w.int("rate", int64(die(p.hash, 43, 6)))
	w.endObj()
	w.money("regular_price", p.regular)
	w.int("max_items_per_user", 0)
	if form == productInEvent && st.loose(&p.record, 44, 3) {
		w.null("maximum_quantity_per_order")
		w.null("notify_quantity")
	} else {
		w.intText("maximum_quantity_per_order", 10, st.loose(&p.record, 45, 2))
		w.str("notify_quantity", "10")
	}
	w.bool("show_in_app", true)
	w.bool("hide_quantity", false)
	w.bool("unlimited_quantity", p.good.kind == "digital")
	w.bool("managed_by_branches", false)
	w.obj("services_blocks")
	w.arr("installments")
	w.endArr()
	w.endObj()
	st.renderCalories(w, p)
	w.bool("customized_sku_quantity", false)
	w.raw("channels", `["web","app"]`)
	if form == productInEvent {
		w.null("starting_price")
	} else if st.loose(&p.record, 46, 3) {
		w.raw("starting_price", "{}")
	}
	w.obj("metadata")
	if st.loose(&p.record, 47, 3) {
		w.null("title")
		w.null("description")
	} else {
		w.str("title", p.name)
		w.strs("description", "تسوق ", p.name, " الآن من ", st.spec.Name)
		w.strs("url", "p-", id)
	}
	w.endObj()
	if form == productAlone {
		st.renderScopedPrices(w, p)
	}
	w.bool("allow_attachments", false)
	w.bool("is_pinned", die(p.hash, 48, 20) == 0)
	w.stamp("pinned_date", p.created)
	w.int("sort", 0)
	w.bool("enable_upload_image", false)
	w.stamp("updated_at", p.updated)
	if form != productLight {
		st.renderOptions(w, p, form)
	}
	st.renderCategories(w, p, form)
	st.renderBrand(w, p, form)
	w.arr("tags")
	if die(p.hash, 49, 5) == 0 {
		w.obj("")
		w.int("id", 1890742133)
		w.str("name", "الأكثر مبيعا")
		w.endObj()
	}
	w.endArr()
	w.endObj()
}

// renderSale writes what a sale costs and when it ends; no end is {}, null or
// missing, and a date where there is one.
func (st *store) renderSale(w *writer, p *product, form productForm) {
	if p.onSale() {
		w.money("sale_price", p.price)
	} else {
		w.money("sale_price", 0)
	}
	switch {
	case p.onSale() && p.saleEnd > 0:
		w.day("sale_end", p.saleEnd)
	case form == productInEvent:
		w.null("sale_end")
	default:
		w.raw("sale_end", "{}")
	}
}

func (st *store) renderCalories(w *writer, p *product) {
	switch {
	case p.good.kind != "food":
		w.null("calories")
	case st.loose(&p.record, 51, 2):
		w.str("calories", "350")
	default:
		w.int("calories", 500)
	}
}

func (st *store) renderImage(w *writer, p *product, url string) {
	w.obj("")
	w.int("id", 1700000000+int64(die(p.hash, 52, 90000000)))
	w.str("url", url)
	w.bool("main", true)
	w.str("three_d_image_url", "")
	w.str("alt", p.name)
	w.str("video_url", "")
	w.str("type", "image")
	w.int("sort", 0)
	w.endObj()
}

func (st *store) renderScopedPrices(w *writer, p *product) {
	w.arr("scoped_prices")
	w.obj("")
	w.int("scope_id", 566146469)
	w.amount("price", p.price)
	w.amount("cost_price", p.regular/2)
	w.null("sale_price")
	w.null("sale_end")
	w.null("sale_start")
	w.str("currency", st.spec.Currency)
	w.endObj()
	w.endArr()
}

// renderCategories writes the category in the list's form or the detail's: the
// latter has more keys, and its time is a string.
func (st *store) renderCategories(w *writer, p *product, form productForm) {
	w.arr("categories")
	if form != productInList || die(p.hash, 53, 6) > 0 {
		id := categoryID(p.good)
		w.obj("")
		w.int("id", id)
		w.str("name", p.good.category)
		if form == productAlone {
			w.strs("image", "https://cdn.salla.sa/", shortCode(p.hash), "/cat.jpg")
		}
		w.obj("urls")
		w.strs("customer", st.domain, "/", slugged(p.good.category), "/c", strconv.FormatInt(id, 10))
		w.str("admin", "https://s.salla.sa/categories")
		w.endObj()
		w.int("parent_id", 0)
		w.str("status", "active")
		w.int("sort_order", 1)
		if form == productAlone {
			w.raw("show_in", `{"app":true,"salla_points":false}`)
			w.bool("has_hidden_products", false)
			w.stamp("update_at", p.created)
			w.obj("metadata")
			w.str("title", p.good.category)
			w.str("description", p.good.category)
			w.str("url", "category")
			w.endObj()
			w.raw("sub_categories", "[]")
		} else {
			w.raw("items", "[]")
			w.date("update_at", p.created)
		}
		w.endObj()
	}
	w.endArr()
}

// renderBrand writes a brand; none is {}, null or a missing key.
func (st *store) renderBrand(w *writer, p *product, form productForm) {
	switch {
	case p.good.brand != "":
		w.obj("brand")
		w.int("id", 700000000+int64(len(p.good.brand)))
		w.str("name", p.good.brand)
		w.strs("logo", "https://cdn.salla.sa/", shortCode(p.hash), "/brand.png")
		w.null("description")
		w.endObj()
	case form == productInEvent:
		w.null("brand")
	case st.loose(&p.record, 54, 2):
		w.raw("brand", "{}")
	}
}

func categoryID(g *good) int64 {
	var h uint64
	for _, c := range g.category {
		h = mix(h, uint64(c))
	}
	return 1030000000 + int64(h%90000000)
}

// slugged is a name as a shop's addresses hold it.
func slugged(name string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case ' ', '"', '<', '>', '/', '&', '(', ')', ',':
			return '-'
		}
		return r
	}, name)
}

// shortCode is the seven letters of a product's short link.
func shortCode(h uint64) string {
	var b [7]byte
	for i := range b {
		b[i] = letters[h%62]
		h /= 62
	}
	return string(b[:])
}

// minutesSince is a cart's age, as of now.
func minutesSince(unix int64, now time.Time) int64 {
	return max(0, (now.Unix()-unix)/60)
}
