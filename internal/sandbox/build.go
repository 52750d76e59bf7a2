package sandbox

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"time"
)

// history is how long ago a store opened.
const history = 2 * 365 * 24 * time.Hour

// purposes of random numbers, so that no two kinds of record share them.
const (
	forProducts = iota + 100
	forCustomers
	forOrders
	forCarts
	forActs
)

// buildStore makes a store and its past. The past ends at midnight (Riyadh)
// before now, so that a store built twice on a day is the same store.
func (s *Server) buildStore(spec StoreSpec) *store {
	seed := mix(s.cfg.Seed, uint64(spec.Merchant))
	st := &store{
		spec:      spec,
		words:     s.words,
		seed:      seed,
		views:     views{},
		domain:    "https://salla.sa/dev-" + strconv.FormatUint(seed, 36),
		tax:       taxOf(spec.Currency),
		products:  newShelf[*product](1000000000+int64(die(seed, 21, 90000000)), spec.Products),
		customers: newShelf[*customer](1100000000+int64(die(seed, 22, 90000000)), spec.Customers),
		orders:    newShelf[*order](1200000000+int64(die(seed, 23, 90000000)), spec.Orders),
		carts:     newShelf[*cart](1300000000+int64(die(seed, 24, 90000000)), spec.Carts),
		nextSub:   60000000 + int64(die(seed, 25, 9000000)),
		histories: 190000000 + int64(die(seed, 26, 9000000)),
	}
	b := builder{st: st, end: startOfDay(s.now()).Unix()}
	b.start = b.end - int64(history/time.Second)
	b.products(newRand(seed, forProducts))
	b.customers(newRand(seed, forCustomers))
	b.orders(newRand(seed, forOrders))
	b.carts(newRand(seed, forCarts))
	return st
}

func startOfDay(t time.Time) time.Time {
	y, m, d := t.In(riyadh).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, riyadh)
}

func taxOf(currency string) int64 {
	switch currency {
	case "SAR":
		return 15
	case "AED":
		return 5
	case "BHD":
		return 10
	}
	return 0
}

// builder fills a new store between two instants.
type builder struct {
	st         *store
	start, end int64
}

// moments gives n times in order; bend above 1 makes a shop that grows.
func (b *builder) moments(r *rand.Rand, n int, bend float64) []int64 {
	out := make([]int64, n)
	for i := range out {
		out[i] = b.start + int64(math.Pow(r.Float64(), 1/bend)*float64(b.end-b.start-3600))
	}
	slices.Sort(out)
	return out
}

func (b *builder) products(r *rand.Rand) {
	for _, at := range b.moments(r, b.st.spec.Products, 1) {
		p := b.st.newProduct(r, at)
		p.updated = at + r.Int64N(b.end-at)
		p.sold = r.IntN(400)
	}
}

func (b *builder) customers(r *rand.Rand) {
	for _, at := range b.moments(r, b.st.spec.Customers, 1.4) {
		c := b.st.newCustomer(r, at)
		c.updated = at + r.Int64N(b.end-at)
	}
	b.st.guest = b.st.makeCustomer(r, b.start)
}

func (b *builder) orders(r *rand.Rand) {
	times := b.moments(r, b.st.spec.Orders, 1.4)
	known := 0 // customers registered by then
	for _, at := range times {
		for known < len(b.st.customers.all) && b.st.customers.all[known].created <= at {
			known++
		}
		o := b.st.newOrder(r, at, b.st.buyer(r, known))
		b.age(r, o)
	}
}

// age moves an order to where it would be by the end of the past.
func (b *builder) age(r *rand.Rand, o *order) {
	o.status = statusAt(o.hash, b.end-o.created)
	o.updated = min(b.end-1, o.created+r.Int64N(9*24*3600))
	o.read = r.IntN(10) > 0
	if o.status == completed || o.status == delivered || o.status == restored {
		o.completed = o.updated
	}
}

func (b *builder) carts(r *rand.Rand) {
	month := int64(60 * 24 * 3600)
	for i := range b.st.spec.Carts {
		at := b.end - month + int64(i)*(month-7200)/int64(b.st.spec.Carts) + r.Int64N(1800)
		c := b.st.newCart(r, at, b.st.buyer(r, len(b.st.customers.all)))
		c.updated = at + r.Int64N(b.end-at)
	}
}

// buyer picks one of the first known customers, some far more often.
func (st *store) buyer(r *rand.Rand, known int) *customer {
	if known == 0 {
		return st.guest
	}
	f := r.Float64()
	return st.customers.all[int(f*f*float64(known))]
}

func (st *store) newProduct(r *rand.Rand, at int64) *product {
	g := &st.words.goods[r.IntN(len(st.words.goods))]
	n := len(st.products.all) + 1
	p := &product{
		record:   record{hash: mix(st.seed, forProducts, uint64(n)), created: at, updated: at},
		good:     g,
		sku:      fmt.Sprintf("SKU-%05d", n),
		quantity: r.IntN(200),
		status:   "sale",
		options:  len(g.sizes) > 0 && r.IntN(3) == 0,
	}
	p.name = g.name
	if f := st.words.flavours[r.IntN(len(st.words.flavours))]; f != "" {
		p.name += " " + f
	}
	if !p.options && len(g.sizes) > 0 {
		p.name += " - " + g.sizes[r.IntN(len(g.sizes))]
	}
	p.regular = priceBetween(r, g.low, g.high)
	p.price = p.regular
	if r.IntN(4) == 0 {
		p.price = (p.regular * money(60+r.Int64N(35)) / 100) / 500 * 500
		p.saleEnd = at + r.Int64N(3*365*24*3600)
	}
	switch roll := r.IntN(20); {
	case roll == 0:
		p.status = "hidden"
	case roll == 1:
		p.status, p.quantity = "out", 0
	}
	st.products.put(p)
	return p
}

// priceBetween gives a price a shop would write: whole, or ending .50 or .95.
func priceBetween(r *rand.Rand, low, high int64) money {
	p := riyal(low + r.Int64N(high-low))
	switch r.IntN(4) {
	case 0:
		return p + 500
	case 1:
		return p + 950
	}
	return p
}

func (st *store) newCustomer(r *rand.Rand, at int64) *customer {
	c := st.makeCustomer(r, at)
	st.customers.put(c)
	return c
}

func (st *store) makeCustomer(r *rand.Rand, at int64) *customer {
	w := st.words
	n := len(st.customers.all) + 1
	c := &customer{
		record: record{hash: mix(st.seed, forCustomers, uint64(n)), created: at, updated: at},
		woman:  r.IntN(2) == 0,
		last:   w.families[r.IntN(len(w.families))],
		place:  &w.places[r.IntN(len(w.places))],
		street: w.streets[r.IntN(len(w.streets))],
		block:  w.districts[r.IntN(len(w.districts))],
	}
	if c.woman {
		c.first = w.women[r.IntN(len(w.women))]
	} else {
		c.first = w.men[r.IntN(len(w.men))]
	}
	c.mobile = c.place.mobile + r.Int64N(c.place.mobile/10)
	c.birthday = b1960 + r.Int64N(45*365*24*3600)
	c.email = fmt.Sprintf("%s.%s%d@example.com", c.first.latin, c.last.latin, n)
	if n > 1 && r.IntN(60) == 0 {
		c.email = st.customers.all[n-2].email // a family shares one
	}
	return c
}

const b1960 = -315619200 // Unix time of 1960-01-01

func (st *store) newOrder(r *rand.Rand, at int64, by *customer) *order {
	n := len(st.orders.all) + 1
	o := &order{
		record:    record{hash: mix(st.seed, forOrders, uint64(n)), created: at, updated: at},
		reference: 40000000 + int64(die(st.seed, 27, 900000)) + int64(n)*3,
		customer:  by,
		lines:     st.lines(r, 1+r.IntN(4)*r.IntN(2)),
		status:    underReview,
		payment:   st.words.payments[r.IntN(len(st.words.payments))],
		source:    [...]string{"store", "store", "store", "buyer-app", "dashboard", "landing"}[r.IntN(6)],
		tax:       st.tax,
	}
	if r.IntN(3) > 0 {
		o.shipping = riyal(15 + 5*r.Int64N(4))
	}
	if o.payment == "cod" {
		o.cod = riyal(10 + r.Int64N(10))
	}
	if r.IntN(6) == 0 {
		o.coupon = st.words.coupons[r.IntN(len(st.words.coupons))]
		o.discount = o.subtotal().percent(5 + 5*r.Int64N(4))
	}
	if o.payment == "bank" && r.IntN(3) == 0 {
		o.status = paymentPending
	}
	st.orders.put(o)
	return o
}

func (st *store) newCart(r *rand.Rand, at int64, by *customer) *cart {
	n := len(st.carts.all) + 1
	c := &cart{
		record:   record{hash: mix(st.seed, forCarts, uint64(n)), created: at, updated: at},
		customer: by,
		lines:    st.lines(r, 1+r.IntN(3)),
	}
	if r.IntN(5) == 0 {
		c.coupon = st.words.coupons[r.IntN(len(st.words.coupons))]
		c.discount = c.subtotal().percent(10)
	}
	st.carts.put(c)
	return c
}

func (st *store) lines(r *rand.Rand, n int) []line {
	out := make([]line, n)
	for i := range out {
		l := line{id: 100000000 + r.Int64N(1900000000), qty: 1 + r.Int64N(3)*r.Int64N(2)}
		if p := st.someProduct(r); p == nil || r.IntN(40) == 0 {
			l.name, l.sku, l.price = "منتج محذوف", "OLD-"+strconv.Itoa(i+1), riyal(50+r.Int64N(200))
		} else {
			l.product, l.name, l.sku, l.price = p, p.name, p.sku, p.price
		}
		out[i] = l
	}
	return out
}

// someProduct picks a product that is not deleted, some far more often; nil
// where there seems to be none.
func (st *store) someProduct(r *rand.Rand) *product {
	for range 10 {
		f := r.Float64()
		i := int(f * f * float64(len(st.products.all)))
		if i < len(st.products.all) && !st.products.all[i].gone {
			return st.products.all[i]
		}
	}
	return nil
}
