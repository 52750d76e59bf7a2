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
	if id = parse(subject(name, resource, data, d)).id("id"); id == "" {
		return "", ""
	}
	return resource, id
}

// subject gives the part of an event's data, which is d, that is the record itself.
func subject(name, resource string, data json.RawMessage, d document) json.RawMessage {
	if resource == tenantdb.Orders && (d.has("order") || name == "order.status.updated" && d.object("status") == nil) {
		return d["order"] // of order.status.updated: the id beside it is the status's
	}
	return data
}
