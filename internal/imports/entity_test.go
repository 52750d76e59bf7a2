package imports

import (
	"encoding/json"
	"testing"
)

func TestEntityOfAnEvent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ event, data, resource, id string }{
		{"order.created", `{"id": 71}`, "orders", "71"},
		{"order.status.updated", `{"id": 5, "status": "x", "order": {"id": 71}}`, "orders", "71"},
		{"product.updated", `{"id": "31"}`, "products", "31"},
		{"customer.created", `{"id": 7000}`, "customers", "7000"},
		{"abandoned.cart", `{"id": 41}`, "carts", "41"},
		{"order.created", `{}`, "", ""},
		{"order.created", `[]`, "", ""},
		{"app.store.authorize", `{"id": 1}`, "", ""},
		{"product.strange", `{"id": 1}`, "", ""},
	} {
		resource, id := Entity(tt.event, json.RawMessage(tt.data))
		if resource != tt.resource || id != tt.id {
			t.Errorf("%s %s: %s %s, want %s %s", tt.event, tt.data, resource, id, tt.resource, tt.id)
		}
	}
}
