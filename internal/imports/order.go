package imports

import (
	"encoding/json"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/tenantdb"
)

// fillOrder fills an order: the day it was placed is required. A list says less
// than a detail, and a detail nothing of items and address; an event says all.
func fillOrder(m *mapped, how form, d document) error {
	f, r := m.fields(), read(d, "order")
	r.time("update time", "updated_at")
	f["placed_at"] = instant(r.time("date", "date"))
	if f["placed_at"] == nil {
		r.missing("date", "date")
	}
	f.text("order_number", r, "reference_id")
	f.text("payment_method", r, "payment_method")
	if r.has("customer") {
		f["salla_customer_id"] = orNil(r.object("customer", "customer").id("customer's id", "id"))
		f["customer"] = r.raw("customer", "customer")
	}
	amounts := r.object("amounts", "amounts")
	total := amounts.money("total", "total")
	if total == "" {
		total = r.money("total", "total")
	}
	if total != "" || r.has("total") || amounts.has("total") {
		f["total"] = decimal(total)
	}
	if currency := orderCurrency(r, amounts); currency != "" {
		f["currency"] = currency
	}
	m.Strange = fillStatus(f, r)
	if how == asListed {
		return r.err() // when the status came to its end a list cannot tell
	}
	fillStatusTimes(f, r)
	fillAmounts(f, amounts)
	fillDelivery(f, r)
	if how == asEvent && r.has("items") { // who reads an order singly reads its items, too
		f["line_items"] = lineItems(r, d["items"])
	}
	return r.err()
}

func orderCurrency(r, amounts reader) string {
	if currency := r.currency("total"); currency != "" {
		return currency
	}
	return amounts.currency("total", "sub_total")
}

// statusOf knows the source's statuses by their slugs; their names are the
// merchant's own words. fulfilment is ours.
func statusOf(slug string) (status, fulfilment string, known bool) {
	switch slug {
	case "payment_pending", "under_review":
		return "PENDING", "UNFULFILLED", true
	case "in_progress":
		return "CONFIRMED", "UNFULFILLED", true
	case "delivering", "shipped":
		return "CONFIRMED", "PARTIAL", true
	case "delivered", "completed":
		return "COMPLETED", "FULFILLED", true
	case "canceled", "cancelled": // the events spell it otherwise
		return "CANCELED", "UNFULFILLED", true
	case "restoring", "restored":
		return "REFUNDED", "UNFULFILLED", true
	}
	return "PENDING", "UNFULFILLED", false
}

// fillStatus fills all that follows from the status, and returns the slug where it
// is not known.
func fillStatus(f fields, r reader) (unknown string) {
	slug := r.object("status", "status").text("status", "slug")
	if slug == "" {
		return ""
	}
	status, fulfilment, known := statusOf(slug)
	if !known {
		unknown = strange(slug)
	}
	f["status"], f["fulfillment_status"] = status, fulfilment
	pending, _ := r.yes("state of payment", "is_pending_payment")
	switch {
	case pending || slug == "payment_pending":
		f["financial_status"] = "PENDING"
	case status == "REFUNDED":
		f["financial_status"] = "REFUNDED"
	default:
		f["financial_status"] = "PAID"
	}
	return unknown
}

// fillStatusTimes takes the best that a document knows of when its status came:
// the first completion where it is said, else the last update. A status that is
// over empties the time of its end.
func fillStatusTimes(f fields, r reader) {
	if f["status"] == nil {
		return
	}
	at := r.time("update time", "updated_at")
	f["closed_at"], f["cancelled_at"] = nil, nil
	switch f["status"] {
	case "COMPLETED":
		if first := r.time("completion", "first_complete_at"); first != nil {
			at = first
		}
		if at != nil {
			f["closed_at"] = *at
		}
	case "CANCELED":
		if at != nil {
			f["cancelled_at"] = *at
		}
	}
}

// keepStatusTimes leaves the times of an order's end as they are stored: a later
// update of the order does not close it again.
func keepStatusTimes(r tenantdb.Record, stored tenantdb.StoredRecord) {
	row := parse(stored.Row)
	for _, column := range []string{"closed_at", "cancelled_at"} {
		if r.Fields[column] != nil && row.time(column) != nil {
			delete(r.Fields, column)
		}
	}
}

func fillAmounts(f fields, amounts reader) {
	if amounts.doc == nil {
		return
	}
	f.money("subtotal", amounts, "sub_total")
	f.money("total_tax", amounts, "tax")
	f.money("total_shipping", amounts, "shipping_cost")
	if !amounts.has("discounts") {
		return
	}
	all := []salla.Number{"0"}
	codes := []map[string]any{}
	for _, discount := range amounts.list("discounts", "discounts") {
		amount := discount.money("discount", "discount")
		all = append(all, amount)
		codes = append(codes, map[string]any{
			"code":   orNil(discount.text("discount's code", "code")),
			"title":  orNil(discount.text("discount's title", "title")),
			"type":   orNil(discount.text("kind of discount", "type")),
			"amount": decimal(amount),
		})
	}
	f["total_discount"] = decimal(sum(all...))
	f["discount_codes"] = embed(codes)
}

// fillDelivery fills what only events and the old full documents say.
func fillDelivery(f fields, r reader) {
	shipments := r.list("shipments", "shipments")
	address := r.object("shipping", "shipping").raw("address", "address")
	for _, s := range shipments {
		if address != nil {
			break
		}
		address = s.raw("address", "ship_to")
	}
	if address != nil {
		f["shipping_address"] = address
	}
	if len(shipments) > 0 {
		f["fulfillments"] = r.raw("shipments", "shipments")
	}
}

// mapItems turns an order's items, read by themselves, into that part of it. The
// error is an *invalid: nothing of the order's detail can be kept then.
func mapItems(orderID string, doc salla.Document, read tenantdb.Record) (tenantdb.Record, error) {
	r := reader{subject: "order", fault: new(*invalid)}
	if err := tenantdb.CheckDocument(doc.Body); err != nil {
		return tenantdb.Record{}, &invalid{Field: "items" + tenantdb.Place(err), Reason: "of the order's items: " + err.Error()}
	}
	return tenantdb.Record{
		Key: orderID, Document: doc.Body, Hash: hashOf(doc.Body), ReadAt: read.ReadAt,
		Fields: fields{"line_items": lineItems(r, doc.Body)},
	}, r.err()
}

// withItems puts an order's items into its document, where full documents have
// them: it is how the two are kept together where they cannot be stored.
func withItems(order, items json.RawMessage) json.RawMessage {
	d := parse(order)
	if d == nil {
		return order
	}
	d["items"] = items
	return embed(d)
}

// lineItems gives an order's items in one form, whichever document they are from.
// Not every one names the product.
func lineItems(r reader, items json.RawMessage) json.RawMessage {
	lines := []map[string]any{}
	for _, item := range r.objects("items", "items", items) {
		productID := item.id("item's product id", "product_id")
		if productID == "" {
			productID = item.object("item's product", "product").id("item's product id", "id")
		}
		amounts := item.object("item's amounts", "amounts")
		lines = append(lines, map[string]any{
			"id": orNil(item.id("item's id", "id")), "product_id": orNil(productID),
			"name":     orNil(item.text("item's name", "name")),
			"sku":      orNil(item.text("item's SKU", "sku")),
			"quantity": decimal(item.number("item's quantity", "quantity")),
			"currency": orNil(amounts.currency("total", "price_without_tax")),
			"price":    decimal(amounts.money("item's price", "price_without_tax")),
			"discount": decimal(amounts.money("item's discount", "total_discount")),
			"tax":      decimal(amounts.money("item's tax", "tax")),
			"total":    decimal(amounts.money("item's total", "total")),
			"options":  item.raw("item's options", "options"),
			"notes":    orNil(item.text("item's notes", "notes")),
		})
	}
	return embed(lines)
}
