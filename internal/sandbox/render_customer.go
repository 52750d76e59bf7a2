package sandbox

import (
	"slices"
	"strconv"
)

// Where a customer document is shown: the forms differ.
type customerForm int

const (
	customerInList customerForm = iota
	customerAlone
	customerInEvent  // customer.created, customer.updated
	customerInOrders // the list of orders
	customerInLight  // light details: no groups
	customerInFull   // full details and order events: no groups
)

const femaleAvatar = "https://i.ibb.co/jyqRQfQ/avatar-female.webp"

const maleAvatar = "https://cdn.assets.salla.network/prod/admin/cp/assets/images/avatar_male.png"

func (u *customer) avatar() string {
	if u.woman {
		return femaleAvatar
	}
	return maleAvatar
}

// renderCustomer writes the customer with its loose forms: what may be missing
// is missing for some.
func (st *store) renderCustomer(w *writer, u *customer, form customerForm, fields []string) {
	st.style(w, &u.record)
	rich := form == customerAlone && len(fields) > 0 // the detail with fields[] asked
	newer := rich || st.loose(&u.record, 81, 2)      // the newer of the two documented forms
	alone := form == customerAlone || form == customerInList

	w.obj("")
	w.int("id", u.id)
	if alone && newer {
		w.str("full_name", u.name())
	}
	w.str("first_name", u.first.name)
	w.str("last_name", u.last.name)
	if st.loose(&u.record, 82, 20) {
		w.str("mobile", strconv.FormatInt(u.mobile, 10))
	} else {
		w.int("mobile", u.mobile)
	}
	if st.loose(&u.record, 83, 5) {
		w.str("mobile_code", u.place.dial[1:])
	} else {
		w.str("mobile_code", u.place.dial)
	}
	w.str("email", u.email)
	if rich || !alone || !st.loose(&u.record, 84, 12) {
		w.obj("urls")
		w.strs("customer", st.domain, "/profile")
		w.strs("admin", "https://s.salla.sa/customers/", shortCode(u.hash), shortCode(mix(u.hash)))
		if form == customerInLight {
			w.strs("digital_content", st.domain, "/orders/digital/", shortCode(mix(u.hash, 2)))
		}
		w.endObj()
	}
	w.str("avatar", u.avatar())
	if u.woman {
		w.str("gender", "female")
	} else {
		w.str("gender", "male")
	}
	st.renderBirthday(w, u, rich || !alone || newer)
	st.renderPlace(w, u, newer || !alone)
	if alone && newer {
		w.str("lang", "ar")
		if rich || !st.loose(&u.record, 88, 6) {
			w.date("created_at", u.created)
		} else {
			w.null("created_at")
		}
	}
	st.renderCustomerUpdated(w, u)
	if rich {
		st.renderStats(w, u, fields)
	}
	st.renderGroups(w, u, form)
	switch {
	case form == customerInEvent:
		w.raw("source", `{"device":"desktop","user-agent":"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)","ip":"203.0.113.9"}`)
		w.bool("is_notifications_enabled", true)
	case form == customerInList && (newer || len(fields) > 0):
		w.null("block_reason")
		w.bool("is_blocked", false)
		w.bool("is_inactive", false)
		w.bool("is_notifications_enabled", true)
	}
	w.endObj()
}

func (st *store) renderBirthday(w *writer, u *customer, shown bool) {
	switch {
	case st.loose(&u.record, 85, 4):
		w.null("birthday")
	case shown:
		w.date("birthday", startOfDayUnix(u.birthday))
	}
}

func startOfDayUnix(unix int64) int64 {
	const day = 24 * 60 * 60
	local := unix + 3*60*60
	return local - ((local%day)+day)%day - 3*60*60
}

func (st *store) renderPlace(w *writer, u *customer, code bool) {
	if st.loose(&u.record, 86, 5) {
		w.str("city", u.place.cityLatin)
	} else {
		w.str("city", u.place.city)
	}
	if st.loose(&u.record, 87, 6) && u.place.code == "SA" {
		w.str("country", "السعودية | Saudi Arabia")
	} else {
		w.str("country", u.place.country)
	}
	if code {
		w.str("country_code", u.place.code)
		w.str("currency", st.spec.Currency)
	}
	switch {
	case st.loose(&u.record, 89, 9):
		w.str("location", "null")
	case st.loose(&u.record, 90, 9):
		w.str("location", "")
	default:
		w.strs("location", "حي ", u.block, " - ", u.street)
	}
}

// renderCustomerUpdated writes the time as an object, or as the string that
// the schema's own sample shows.
func (st *store) renderCustomerUpdated(w *writer, u *customer) {
	if st.loose(&u.record, 91, 25) {
		w.stamp("updated_at", u.updated)
		return
	}
	w.date("updated_at", u.updated)
}

func (st *store) renderGroups(w *writer, u *customer, form customerForm) {
	if form == customerInLight || form == customerInFull {
		return
	}
	w.arr("groups")
	if die(u.hash, 92, 3) == 0 {
		w.int("", 11323141+int64(die(u.hash, 93, 3)))
	}
	w.endArr()
}

// renderStats writes what fields[] asks for; each asked name is a key of its
// own at the top.
func (st *store) renderStats(w *writer, u *customer, fields []string) {
	count, done, canceledOrders, sum, last := st.purchases(u)
	w.obj("stats")
	w.int("orders_count", count)
	w.amount("orders_amount", sum)
	w.endObj()
	w.int("pending_rating_count", done)
	ratio := func(n int64) int64 {
		if count == 0 {
			return 0
		}
		return n * 100 / count
	}
	write := map[string]func(k string){
		"is_blocked":               func(k string) { w.bool(k, false) },
		"is_whitelisted":           func(k string) { w.bool(k, false) },
		"is_inactive":              func(k string) { w.bool(k, false) },
		"is_orders_rated":          func(k string) { w.bool(k, false) },
		"is_notifications_enabled": func(k string) { w.bool(k, true) },
		"block_reason":             w.null,
		"country_id":               w.null,
		"abandoned_carts_items":    w.null,
		"custom_fields":            func(k string) { w.raw(k, "[]") },
		"total_points":             func(k string) { w.int(k, int64(die(u.hash, 94, 90))) },
		"wallet_balance":           func(k string) { w.int(k, 0) },
		"orders_count":             func(k string) { w.int(k, count) },
		"orders_amount":            func(k string) { w.amount(k, sum) },
		"orders_average":           func(k string) { w.amount(k, sum/money(max(1, count))) },
		"orders_cancel":            func(k string) { w.int(k, canceledOrders) },
		"orders_cancel_ratio":      func(k string) { w.int(k, ratio(canceledOrders)) },
		"orders_complete_ratio":    func(k string) { w.int(k, ratio(done)) },
		"latest_purchase": func(k string) {
			if last == 0 {
				w.null(k)
				return
			}
			w.date(k, last)
		},
		"current_store_customer": func(k string) {
			w.obj(k)
			w.int("id", 295000000+u.id%1000000)
			w.int("approval_status", 1)
			w.null("reason")
			w.date("created_at", u.created)
			w.date("updated_at", u.updated)
			w.null("last_login_date")
			w.endObj()
		},
	}
	asked := slices.Clone(fields)
	slices.Sort(asked)
	for _, name := range slices.Compact(asked) {
		if f, ok := write[name]; ok {
			f(name)
		}
	}
}

// purchases sums up a customer's orders as the shop sees them.
func (st *store) purchases(u *customer) (count, done, canceledOrders int64, sum money, last int64) {
	for _, o := range st.orders.all {
		if o.customer != u || !o.shown() {
			continue
		}
		count++
		last = max(last, o.created)
		switch o.status {
		case canceled:
			canceledOrders++
			continue
		case completed, delivered:
			done++
		}
		sum += o.total()
	}
	return count, done, canceledOrders, sum, last
}

// renderBuyer writes the short customer of carts and status events.
func (st *store) renderBuyer(w *writer, u *customer) {
	w.obj("customer")
	w.int("id", u.id)
	w.str("name", u.name())
	w.strs("mobile", u.place.dial, strconv.FormatInt(u.mobile, 10))
	w.str("email", u.email)
	w.str("avatar", u.avatar())
	w.str("country", u.place.country)
	w.str("city", u.place.city)
	w.endObj()
}
