package imports

import "github.com/wosool/wosool/internal/salla"

// fillCart fills an abandoned cart. Nothing but the id is required. A list and its
// events name no status: what is on it is still abandoned, and keeps what we have
// made of it since.
func fillCart(m *mapped, _ form, d document) error {
	f, r := m.fields(), read(d, "cart")
	r.time("update time", "updated_at")
	if r.has("customer") {
		f["customer_id"] = orNil(r.object("customer", "customer").id("customer's id", "id"))
	}
	f.money("total", r, "total")
	if currency := r.currency("total", "subtotal"); currency != "" {
		f["currency"] = currency
	}
	if r.has("created_at") {
		f["abandoned_at"] = instant(r.time("time", "created_at"))
	}
	if r.has("items") {
		fillCartItems(f, r)
	}
	switch status := r.text("status", "status"); status {
	case "":
	case "purchased":
		f["recovery_status"] = "RECOVERED"
	case "active":
		f["recovery_status"] = "PENDING"
	default:
		m.Strange = strange(status)
	}
	return r.err()
}

func fillCartItems(f fields, r reader) {
	items := []map[string]any{}
	quantities := []salla.Number{"0"}
	for _, item := range r.list("items", "items") {
		quantity := item.number("item's quantity", "quantity")
		quantities = append(quantities, quantity)
		line := map[string]any{
			"id": orNil(item.id("item's id", "id")), "product_id": orNil(item.id("item's product id", "product_id")),
			"quantity": decimal(quantity),
		}
		if amounts := item.object("item's amounts", "amounts"); amounts.doc != nil {
			line["total"] = decimal(amounts.money("item's total", "total"))
		}
		items = append(items, line)
	}
	f["items"] = embed(items)
	f["item_count"] = decimal(sum(quantities...))
}
