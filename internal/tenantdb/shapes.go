package tenantdb

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
)

// The resources that are imported.
const (
	Customers    = "customers"
	Products     = "products"
	Orders       = "orders"
	Carts        = "carts"
	OrderDetails = "order_details"
)

// Shape is one of the forms in which the source gives a record: where its
// document is kept and which columns it may fill. Use the shapes below.
type Shape struct {
	Resource string
	Table    string
	Key      string   // column of the source's id
	Document string   // column of the document
	Hash     string   // column of the document's hash
	Columns  []string // columns that Record.Fields may name
	// Event: the document was sent to us, so that it may be older than it comes.
	Event bool
	// Part: the document is only a part of the record. It adds to a row that is
	// there and says nothing of the record's own update time.
	Part bool

	seen   string // column of the run that has counted the record, "" if it does not count
	onSeen string // what else is true of a record that a list shows
}

// Record is one record in one shape.
type Record struct {
	Key string // the source's id
	// Document is kept as it is.
	Document json.RawMessage
	// Hash is of what the columns and the document's lasting content say: equal
	// hashes mean that nothing changed. Leave out what changes by itself. Nil is
	// the SHA-256 of the document as it came.
	Hash []byte
	// Fields are the columns to fill: text, bool, json.Number, time.Time or what
	// encodes to JSON. Nil empties a column; one that is not named keeps its value
	// or, in a new row, gets the model's default.
	Fields map[string]any
	// Fill, if set, gives Fields: for a record that is to be written, and not for one
	// that has not changed, which costs nothing then. It may be called again. An
	// *Unfit makes a reject of the record.
	Fill func() (map[string]any, error)
	// SourceUpdatedAt is the record's own update time, nil if the document has none.
	SourceUpdatedAt *time.Time
	// ReadAt is when our request began; for an event, when it was received.
	ReadAt time.Time
}

// Unfit is what Fill says of a record that cannot be kept: the value at fault, ""
// if it is the record as a whole, and why, in words.
type Unfit struct{ Field, Reason string }

func (e *Unfit) Error() string { return e.Reason }

// Batch is a number of records in the same shape.
type Batch struct {
	Shape   Shape
	Records []Record
}

func customerColumns() []string {
	return []string{
		"first_name", "last_name", "email", "phone", "city", "country", "country_code", "avatar_url", "registered_at",
	}
}

func productColumns() []string {
	return []string{
		"name", "description", "price", "compare_price", "currency", "stock_quantity", "sku", "barcode",
		"main_image", "images", "image_alt", "status", "categories", "brand_id", "weight", "requires_shipping",
		"meta_title", "meta_description", "slug", "canonical_url",
	}
}

func orderColumns() []string {
	return append(orderListColumns(),
		"subtotal", "total_tax", "total_discount", "total_shipping", "shipping_address", "fulfillments", "refunds",
		"discount_codes", "order_notes",
		// The list has no time of a status: were these its own, a detail that sets
		// them would make the list's document look changed.
		"closed_at", "cancelled_at")
}

func orderListColumns() []string {
	return []string{
		"order_number", "salla_customer_id", "customer", "status", "financial_status", "fulfillment_status",
		"currency", "total", "payment_method", "placed_at",
	}
}

func cartColumns() []string {
	return []string{"customer_id", "total", "currency", "item_count", "items", "abandoned_at", "recovery_status"}
}

func listed(resource, table, key string, columns []string) Shape {
	return Shape{
		Resource: resource, Table: table, Key: key, Document: "source_document", Hash: "source_hash",
		Columns: columns, seen: "seen_run",
	}
}

func (s Shape) detail(columns []string) Shape {
	s.Document, s.Hash, s.Columns, s.seen, s.onSeen = "source_detail", "detail_hash", columns, "", ""
	return s
}

func (s Shape) event(columns []string) Shape {
	s.Document, s.Hash, s.Columns, s.seen, s.onSeen = "source_event", "event_hash", columns, "", ""
	s.Event = true
	return s
}

// CustomerList is a customer as the list gives it.
func CustomerList() Shape {
	return listed(Customers, "people", "salla_customer_id", customerColumns())
}

// CustomerDetail is a customer read singly.
func CustomerDetail() Shape { return CustomerList().detail(customerColumns()) }

// CustomerEvent is a customer as an event brought it.
func CustomerEvent() Shape { return CustomerList().event(customerColumns()) }

// ProductList is a product as the list gives it.
func ProductList() Shape {
	return listed(Products, "salla_products", "salla_product_id", productColumns())
}

// ProductDetail is a product read singly.
func ProductDetail() Shape { return ProductList().detail(productColumns()) }

// ProductEvent is a product as an event brought it.
func ProductEvent() Shape { return ProductList().event(productColumns()) }

// OrderList is an order as the list gives it.
func OrderList() Shape { return listed(Orders, "salla_orders", "order_id", orderListColumns()) }

// OrderDetail is an order read singly, in an import's second pass or for an
// event; it counts towards OrderDetails.
func OrderDetail() Shape {
	s := OrderList().detail(orderColumns())
	s.Resource, s.seen = OrderDetails, "detail_run"
	return s
}

// OrderItems are the items of an order that is there already.
func OrderItems() Shape {
	s := OrderList()
	s.Resource, s.Document, s.Hash, s.Columns = OrderDetails, "source_items", "items_hash", []string{"line_items"}
	s.Part, s.seen = true, ""
	return s
}

// OrderEvent is an order as an event brought it, items and all.
func OrderEvent() Shape { return OrderList().event(append(orderColumns(), "line_items")) }

// CartList is an abandoned cart as the list gives it.
func CartList() Shape {
	s := listed(Carts, "salla_carts", "salla_cart_id", cartColumns())
	s.onSeen = ", left_list = false"
	return s
}

// CartDetail is an abandoned cart read singly.
func CartDetail() Shape { return CartList().detail(cartColumns()) }

// CartEvent is an abandoned cart as an event brought it.
func CartEvent() Shape { return CartList().event(cartColumns()) }

func shapes() []Shape {
	return []Shape{
		CustomerList(), CustomerDetail(), CustomerEvent(), ProductList(), ProductDetail(), ProductEvent(),
		OrderList(), OrderDetail(), OrderItems(), OrderEvent(), CartList(), CartDetail(), CartEvent(),
	}
}

// counting returns the shape that counts records of a resource, or fault.Invalid.
func counting(resource string) (Shape, error) {
	for _, s := range []Shape{CustomerList(), ProductList(), OrderList(), CartList(), OrderDetail()} {
		if s.Resource == resource {
			return s, nil
		}
	}
	return Shape{}, fault.New(fault.Invalid, "%q is no imported resource", resource)
}

// rivals returns, for each other shape of the table, the hash that no longer
// holds once s changes one of the columns that both fill.
func (s Shape) rivals() map[string][]string {
	shared := map[string][]string{}
	for _, o := range shapes() {
		if o.Table != s.Table || o.Hash == s.Hash {
			continue
		}
		for _, c := range o.Columns {
			// An order's customer has another form in each shape; it is a copy that
			// nothing is computed from.
			if slices.Contains(s.Columns, c) && c != "customer" {
				shared[o.Hash] = append(shared[o.Hash], c)
			}
		}
	}
	return shared
}

// Outcome is what became of one record.
type Outcome string

// What can become of a record.
const (
	Stored    Outcome = "stored"
	Unchanged Outcome = "unchanged"
	Stale     Outcome = "stale"      // older than what is stored
	NeedsRead Outcome = "needs_read" // only a read of the record can tell
	Rejected  Outcome = "rejected"   // kept among the rejects
)

// PageRef says which page of an import is meant, and how it is read.
type PageRef struct {
	Stream, Run  uuid.UUID
	Seq          int
	Resource     string
	Pass         int
	DateRange    string
	PageOrCursor string
	PerPage      int
}
