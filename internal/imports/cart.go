package imports

import "github.com/wosool/wosool/internal/salla"

// fillCart fills an abandoned cart. Nothing but the id is required. A list and its
// events name no status: what is on it is still abandoned, and keeps what we have
// made of it since.
func fillCart(m *mapped, _ form, d document) error {
	f := m.fields()
	if d.has("customer") {
		f["customer_id"] = orNil(d.object("customer").id("id"))
	}
	f.money("total", d, "total")
	if currency := currencyOf(d, "total", "subtotal"); currency != "" {
		f["currency"] = currency
	}
	if d.has("created_at") {
		f["abandoned_at"] = instant(d.time("created_at"))
	}
	if d.has("items") {
		fillCartItems(f, d)
	}
	if d.said("status") {
		switch status := d.text("status"); status {
		case "purchased":
			f["recovery_status"] = "RECOVERED"
		case "active":
			f["recovery_status"] = "PENDING"
		default:
			m.Strange = status
		}
	}
	return nil
}

func fillCartItems(f fields, d document) {
	items := []map[string]any{}
	quantities := []salla.Number{"0"}
	for _, item := range d.list("items") {
		quantity := item.number("quantity")
		quantities = append(quantities, quantity)
		line := map[string]any{
			"id": orNil(item.id("id")), "product_id": orNil(item.id("product_id")), "quantity": decimal(quantity),
		}
		if amounts := item.object("amounts"); amounts != nil {
			line["total"] = decimal(amounts.money("total").Amount)
		}
		items = append(items, line)
	}
	f["items"] = embed(items)
	f["item_count"] = decimal(sum(quantities...))
}
