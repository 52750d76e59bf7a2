package imports

import (
	"encoding/json"

	"github.com/wosool/wosool/internal/tenantdb"
)

// Entity tells which record an event is about: its resource and its id at the source,
// as ApplyEvent reads them from the envelope's data. Both are "" where it names none,
// or is not followed.
func Entity(name string, data json.RawMessage) (resource, id string) {
	d := parse(data)
	if resource = resourceOf(name); resource == "" || !Follows(name) || d == nil {
		return "", ""
	}
	if resource == tenantdb.Orders && (d.has("order") || name == "order.status.updated" && d.object("status") == nil) {
		data = d["order"]
	}
	if id = parse(data).id("id"); id == "" {
		return "", ""
	}
	return resource, id
}
