package sandbox

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// listOrders gives the light list. What the filters leave out is documented;
// filters on what a sandbox order does not have (branch, tags, …) are ignored.
func (s *Server) listOrders(c *call) {
	q := c.r.URL.Query()
	form := c.st.form("orders")
	from, to, ok := c.between(form, q.Get("from_date"), q.Get("to_date"), "from_date", "to_date")
	if !ok {
		return
	}
	by, descending, ok := sortOf(q.Get("sort_by"))
	if !ok {
		sallaInvalid(c.w, map[string][]string{"sort_by": {"حقل sort_by غير صالحٍ"}})
		return
	}

	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	all := view(c.st.views, viewName("orders", q), func() []*order {
		return c.st.sortedOrders(by, descending, from, to, c.st.orderFilter(q))
	})
	sendPage(c, listing{ListForm: form, path: "/orders", noLinks: "{}", half: c.st.spec.Orders / 2}, all, c.st.renderOrderListed)
}

func sortOf(s string) (by string, descending, ok bool) {
	if s == "" {
		return "created_at", true, true
	}
	i := strings.LastIndexByte(s, '-')
	if i < 0 {
		return "", false, false
	}
	by, way := s[:i], s[i+1:]
	known := by == "id" || by == "total" || by == "updated_at" || by == "created_at"
	return by, way == "desc", known && (way == "asc" || way == "desc")
}

// sortedOrders gives the kept orders that were placed between two instants. Ids
// and times of creation ascend together.
func (st *store) sortedOrders(by string, descending bool, from, to int64, keep func(*order) bool) []*order {
	base := placed(st.orders.all, from, to)
	var key func(*order) int64
	switch by {
	case "updated_at":
		key = func(o *order) int64 { return o.updated }
	case "total":
		key = func(o *order) int64 { return int64(o.total()) }
	}
	out := make([]*order, 0, len(base))
	for _, o := range base {
		if o.shown() && keep(o) {
			out = append(out, o)
		}
	}
	if key != nil {
		slices.SortStableFunc(out, func(a, b *order) int { return cmp.Compare(key(a), key(b)) })
	}
	if descending {
		slices.Reverse(out)
	}
	return out
}

// placed is the part of the orders, oldest first, that was placed between two
// instants.
func placed(all []*order, from, to int64) []*order {
	low, _ := slices.BinarySearchFunc(all, from, func(o *order, at int64) int { return cmp.Compare(o.created, at) })
	high, _ := slices.BinarySearchFunc(all[low:], to+1, func(o *order, at int64) int { return cmp.Compare(o.created, at) })
	return all[low : low+high]
}

func (st *store) orderFilter(q url.Values) func(*order) bool {
	statuses, payments, sources := q["status[]"], q["payment_method[]"], q["source[]"]
	keyword, country, city := strings.ToLower(q.Get("keyword")), q.Get("country"), q.Get("city")
	reference, by, coupon, bought := q.Get("reference_id"), q.Get("customer_id"), q.Get("coupon"), q.Get("product")
	unread := q.Get("unread") == "true" || q.Get("unread") == "1"
	none := func(list []string, v string) bool { return len(list) > 0 && !slices.Contains(list, v) }
	ids := make([]string, len(st.words.statuses)) // made once: an id for each of 10,000 orders costs more than the page
	for i := range ids {
		ids[i] = strconv.FormatInt(st.statusID(uint8(i)), 10)
	}
	return func(o *order) bool {
		switch u := o.customer; {
		case none(statuses, ids[o.status]):
		case none(payments, o.method()):
		case none(sources, o.source):
		case keyword != "" && !sameID(keyword, o.reference) && !u.matches(keyword):
		case country != "" && country != u.place.country && country != u.place.code:
		case city != "" && city != u.place.city && city != u.place.cityLatin:
		case reference != "" && !sameID(reference, o.reference):
		case by != "" && !sameID(by, u.id):
		case coupon != "" && coupon != o.coupon:
		case unread && o.read:
		case bought != "" && !o.has(bought):
		default:
			return true
		}
		return false
	}
}

func (o *order) has(product string) bool {
	return slices.ContainsFunc(o.lines, func(l line) bool {
		return l.product != nil && sameID(product, l.product.id)
	})
}

// showOrder gives the light form where it is asked for, else the old full one.
// reference_id, given in the query, finds the order instead of the path.
func (s *Server) showOrder(c *call) {
	q := c.r.URL.Query()
	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	o, ok := c.st.orders.find(c.pathID())
	if ref := q.Get("reference_id"); ref != "" {
		i := slices.IndexFunc(c.st.orders.all, func(o *order) bool { return !o.gone && sameID(ref, o.reference) })
		if ok = i >= 0; ok {
			o = c.st.orders.all[i]
		}
	}
	if !ok {
		c.notFound()
		return
	}
	c.sendOne(func(w *writer) {
		if q.Get("format") == "light" {
			c.st.renderOrderLight(w, o)
			return
		}
		c.st.renderOrderFull(w, o, false)
	})
}

// listOrderItems gives all items of one order, without pages.
func (s *Server) listOrderItems(c *call) {
	id, err := strconv.ParseInt(c.r.URL.Query().Get("order_id"), 10, 64)
	if err != nil {
		sallaInvalid(c.w, map[string][]string{"order_id": {"حقل order_id إجباري"}})
		return
	}
	c.st.mu.Lock()
	defer c.st.mu.Unlock()
	o, ok := c.st.orders.find(id)
	if !ok {
		c.notFound()
		return
	}
	c.sendOne(func(w *writer) {
		w.arr("")
		for i := range o.lines {
			c.st.renderItem(w, o, &o.lines[i], itemInList)
		}
		w.endArr()
	})
}
