package imports

import (
	"encoding/json"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/tenantdb"
)

// fillOrder fills an order: the day it was placed is required. A list says less
// than a detail, and a detail nothing of items and address; an event says all.
func fillOrder(m *mapped, how form, d document) error {
	f := m.fields()
	f["placed_at"] = instant(d.time("date"))
	if err := required("placed_at", "date", f["placed_at"], "order's date"); err != nil {
		return err
	}
	f.text("order_number", d, "reference_id")
	f.text("payment_method", d, "payment_method")
	if d.has("customer") {
		f["salla_customer_id"] = orNil(d.object("customer").id("id"))
		f["customer"] = raw(d, "customer")
	}
	amounts := d.object("amounts")
	if total := orderTotal(d, amounts); total.Amount != "" {
		f["total"] = decimal(total.Amount)
	} else if d.has("total") || amounts.has("total") {
		f["total"] = nil
	}
	if currency := orderCurrency(d, amounts); currency != "" {
		f["currency"] = currency
	}
	m.Strange = fillStatus(f, d)
	if how == asListed {
		return nil // when the status came to its end a list cannot tell
	}
	fillStatusTimes(f, d)
	fillAmounts(f, amounts)
	fillDelivery(f, d)
	if items, ok := d["items"]; ok {
		f["line_items"] = lineItems(items)
	}
	return nil
}

func orderTotal(d, amounts document) salla.Money {
	if total := amounts.money("total"); total.Amount != "" {
		return total
	}
	return d.money("total")
}

func orderCurrency(d, amounts document) string {
	if currency := currencyOf(d, "total"); currency != "" {
		return currency
	}
	return currencyOf(amounts, "total", "sub_total")
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
func fillStatus(f fields, d document) (strange string) {
	slug := d.object("status").text("slug")
	if slug == "" {
		return ""
	}
	status, fulfilment, known := statusOf(slug)
	if !known {
		strange = slug
	}
	f["status"], f["fulfillment_status"] = status, fulfilment
	pending, _ := d.yes("is_pending_payment")
	switch {
	case pending || slug == "payment_pending":
		f["financial_status"] = "PENDING"
	case status == "REFUNDED":
		f["financial_status"] = "REFUNDED"
	default:
		f["financial_status"] = "PAID"
	}
	return strange
}

// fillStatusTimes takes the best that a document knows of when its status came:
// the first completion where it is said, else the last update. A status that is
// over empties the time of its end.
func fillStatusTimes(f fields, d document) {
	if f["status"] == nil {
		return
	}
	at := d.time("updated_at")
	f["closed_at"], f["cancelled_at"] = nil, nil
	switch f["status"] {
	case "COMPLETED":
		if first := d.time("first_complete_at"); first != nil {
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

func fillAmounts(f fields, amounts document) {
	if amounts == nil {
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
	for _, discount := range amounts.list("discounts") {
		amount := discount.money("discount").Amount
		all = append(all, amount)
		codes = append(codes, map[string]any{
			"code": orNil(discount.text("code")), "title": orNil(discount.text("title")),
			"type": orNil(discount.text("type")), "amount": decimal(amount),
		})
	}
	f["total_discount"] = decimal(sum(all...))
	f["discount_codes"] = embed(codes)
}

// fillDelivery fills what only events and the old full documents say.
func fillDelivery(f fields, d document) {
	shipments := d.list("shipments")
	address := raw(d.object("shipping"), "address")
	if address == nil {
		for _, s := range shipments {
			if address = raw(s, "ship_to"); address != nil {
				break
			}
		}
	}
	if address != nil {
		f["shipping_address"] = address
	}
	if len(shipments) > 0 {
		f["fulfillments"] = raw(d, "shipments")
	}
}

// mapItems turns an order's items, read by themselves, into that part of it.
func mapItems(orderID string, r salla.Document, read tenantdb.Record) tenantdb.Record {
	return tenantdb.Record{
		Key: orderID, Document: r.Body, Hash: hashOf(r.Body), ReadAt: read.ReadAt,
		Fields: fields{"line_items": lineItems(r.Body)},
	}
}

// lineItems gives an order's items in one form, whichever document they are from.
// Not every one names the product.
func lineItems(items json.RawMessage) json.RawMessage {
	lines := []map[string]any{}
	for _, item := range objects(items) {
		product, amounts := item.object("product"), item.object("amounts")
		productID := item.id("product_id")
		if productID == "" {
			productID = product.id("id")
		}
		lines = append(lines, map[string]any{
			"id": orNil(item.id("id")), "product_id": orNil(productID), "name": orNil(item.text("name")),
			"sku": orNil(item.text("sku")), "quantity": decimal(item.number("quantity")),
			"currency": orNil(currencyOf(amounts, "total", "price_without_tax")),
			"price":    decimal(amounts.money("price_without_tax").Amount),
			"discount": decimal(amounts.money("total_discount").Amount),
			"tax":      decimal(amounts.money("tax").Amount),
			"total":    decimal(amounts.money("total").Amount),
			"options":  raw(item, "options"), "notes": orNil(item.text("notes")),
		})
	}
	return embed(lines)
}
