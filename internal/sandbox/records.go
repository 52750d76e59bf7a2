package sandbox

// product is one product; a deleted one stays for the orders that name it.
type product struct {
	record
	good     *good
	name     string
	sku      string
	price    money // before tax, what a buyer pays now
	regular  money // before tax, without the sale
	quantity int
	sold     int
	status   string // sale, out, hidden, deleted
	options  bool
	saleEnd  int64
}

// onSale says whether the product sells below its regular price.
func (p *product) onSale() bool { return p.price < p.regular }

type customer struct {
	record
	first, last   person
	woman         bool
	place         *place
	email         string
	mobile        int64
	birthday      int64
	street, block string
}

func (u *customer) name() string { return u.first.name + " " + u.last.name }

// line is a bought or wanted product as it was named at that time.
type line struct {
	id      int64
	product *product // nil: the shop deleted it long ago
	name    string
	sku     string
	price   money // of one, before tax
	qty     int64
}

func (l *line) total() money { return l.price * money(l.qty) }

type order struct {
	record
	reference int64
	customer  *customer
	lines     []line
	status    uint8
	payment   string
	source    string
	coupon    string
	discount  money
	shipping  money
	cod       money
	tax       int64 // percent
	completed int64 // when it was first completed; 0: never
	note      string
	read      bool
}

func (o *order) subtotal() money {
	var sum money
	for i := range o.lines {
		sum += o.lines[i].total()
	}
	return sum
}

func (o *order) taxAmount() money {
	return (o.subtotal() - o.discount + o.shipping).percent(o.tax)
}

func (o *order) total() money {
	return o.subtotal() - o.discount + o.shipping + o.cod + o.taxAmount()
}

func (o *order) unpaid() bool { return o.status == paymentPending }

type cart struct {
	record
	customer  *customer
	lines     []line
	coupon    string
	discount  money
	purchased bool
}

func (c *cart) subtotal() money {
	var sum money
	for i := range c.lines {
		sum += c.lines[i].total()
	}
	return sum
}

func (c *cart) total() money { return c.subtotal() - c.discount }
