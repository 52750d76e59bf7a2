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

	customersFlag Class = 1 << 7
)

// OfCustomers returns the class for a call to a customers endpoint, which counts
// against the egress address as well.
func (c Class) OfCustomers() Class { return c | customersFlag }

// Customers tells whether the call goes to a customers endpoint.
func (c Class) Customers() bool { return c&customersFlag != 0 }

// reserve is the percentage of a limit that the class leaves to those before it.
func (c Class) reserve() int {
	switch c &^ customersFlag {
	case Page:
		return 5
	case Detail:
		return 15
	}
	return 0
}

// stagger lets the classes come back one after the other when a window opens.
func (c Class) stagger() time.Duration {
	switch c &^ customersFlag {
	case Page:
		return 250 * time.Millisecond
	case Detail:
		return time.Second
	}
	return 0
}
