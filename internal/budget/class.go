package budget

import "time"

// Class says what a call is for, and so who waits for whom when calls are scarce.
type Class uint8

// The classes, the most urgent first. Live and Provisioning may use every call of
// a store; a part is kept from pages, and a larger one from details.
const (
	Live Class = iota
	Provisioning
	Page
	Detail

	begunFlag     Class = 1 << 6
	customersFlag Class = 1 << 7
)

// OfCustomers returns the class for a call to a customers endpoint, which counts
// against the egress address as well.
func (c Class) OfCustomers() Class { return c | customersFlag }

// Customers tells whether the call goes to a customers endpoint.
func (c Class) Customers() bool { return c&customersFlag != 0 }

// Begun returns the class for a call without which an earlier one of class c was made
// for nothing: it comes before those that begin something.
func (c Class) Begun() Class { return c | begunFlag }

// plain is the class without its flags.
func (c Class) plain() Class { return c &^ (begunFlag | customersFlag) }

// reserve is the percentage of a limit that the class leaves to those before it.
func (c Class) reserve() int {
	switch {
	case c.plain() == Page, c.plain() == Detail && c&begunFlag != 0:
		return 5
	case c.plain() == Detail:
		return 15
	}
	return 0
}

// spare is how many calls the class wants to find free beside its own: a detail that
// begins has a second one.
func (c Class) spare() int {
	if c&^customersFlag == Detail {
		return 1
	}
	return 0
}

// stagger lets the classes come back one after the other when a window opens.
func (c Class) stagger() time.Duration {
	switch c.plain() {
	case Page:
		return 100 * time.Millisecond
	case Detail:
		return 250 * time.Millisecond
	}
	return 0
}
