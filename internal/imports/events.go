package imports

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// LiveEvent is a store event: something changed in the merchant's shop.
type LiveEvent struct {
	TenantID   uuid.UUID
	Name       string          // as Salla names it
	Payload    json.RawMessage // the envelope's data
	OccurredAt *time.Time      // the envelope's created_at; nil if it cannot be read
	ReceivedAt time.Time
}

// Follows tells whether events of that name are applied.
func Follows(name string) bool {
	switch name {
	case "order.created", "order.updated", "order.status.updated", "order.cancelled", "order.refunded", "order.deleted",
		"order.products.updated", "order.payment.updated", "order.total.price.updated",
		"product.created", "product.updated", "product.deleted", "product.price.updated", "product.status.updated",
		"product.image.updated", "product.category.updated", "product.brand.updated", "product.tags.updated",
		"product.quantity.low",
		"customer.created", "customer.updated",
		"abandoned.cart", "abandoned.cart.status.changed", "abandoned.cart.purchased":
		return true
	}
	return false
}

// ApplyEvent merges what an event's document allows into the tenant's database and
// returns what has to be read again, because the event said too little, or cannot
// be ordered among what is stored. It returns fault.Invalid where the payload
// cannot be understood.
func (im *Importer) ApplyEvent(ctx context.Context, ev LiveEvent) ([]store.Want, error) {
	resource := resourceOf(ev.Name)
	if resource == "" || !Follows(ev.Name) {
		return nil, fault.New(fault.Invalid, "events called %q are not followed", ev.Name)
	}
	d := parse(ev.Payload)
	if d == nil {
		return nil, fault.New(fault.Invalid, "the event's data is not an object")
	}
	raw := subject(ev.Name, resource, ev.Payload, d)
	id := parse(raw).id("id")
	if id == "" {
		return nil, fault.New(fault.Invalid, "the event names no %s", strings.TrimSuffix(resource, "s"))
	}
	db, err := im.Open(ctx, ev.TenantID)
	if err != nil {
		return nil, err
	}
	known, err := im.applyEvent(ctx, db, ev, resource, id, raw)
	if err != nil || known {
		return nil, err
	}
	return []store.Want{{Resource: resource, Entity: id}}, nil
}

func resourceOf(name string) string {
	switch first, _, _ := strings.Cut(name, "."); first {
	case "order":
		return tenantdb.Orders
	case "product":
		return tenantdb.Products
	case "customer":
		return tenantdb.Customers
	case "abandoned":
		return tenantdb.Carts
	}
	return ""
}

// applyEvent merges an event and tells whether nothing is left to be read.
func (im *Importer) applyEvent(
	ctx context.Context, db *tenantdb.DB, ev LiveEvent, resource, id string, raw json.RawMessage,
) (known bool, err error) {
	switch ev.Name {
	case "order.deleted", "product.deleted":
		return im.bury(ctx, db, ev, resource, id, raw)
	case "product.created", "product.updated", "customer.created", "customer.updated", "abandoned.cart":
		return im.merge(ctx, db, ev, resource, raw)
	case "abandoned.cart.purchased":
		return false, im.markBought(ctx, db, ev, id, raw)
	case "order.refunded":
		at := ev.ReceivedAt
		if ev.OccurredAt != nil {
			at = *ev.OccurredAt
		}
		if err := db.MarkRefunded(ctx, id, at); err != nil {
			return false, err
		}
	}
	if resource == tenantdb.Orders {
		return false, im.mergeOrder(ctx, db, ev, id, raw)
	}
	return false, nil
}

// bury makes a tombstone. Where what is stored was read after the event came, only
// another read can tell.
func (im *Importer) bury(
	ctx context.Context, db *tenantdb.DB, ev LiveEvent, resource, id string, raw json.RawMessage,
) (known bool, err error) {
	order := tenantdb.TombstoneOrder{SourceUpdatedAt: parse(raw).time("updated_at"), ReadAt: ev.ReceivedAt}
	a, err := db.Tombstone(ctx, resource, id, order)
	return err == nil && a.Outcome != tenantdb.Stale, err
}

// merge stores a whole document. A malformed one leaves the word to a read, which
// tells all that the event does, and is rejected where it is malformed, too.
func (im *Importer) merge(
	ctx context.Context, db *tenantdb.DB, ev LiveEvent, resource string, raw json.RawMessage,
) (known bool, err error) {
	m, err := mapRecord(resource, asEvent, raw, ev.ReceivedAt)
	if _, bad := errors.AsType[*invalid](err); bad {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if m.Deleted {
		return im.bury(ctx, db, ev, resource, m.Record.Key, raw)
	}
	a, err := db.Apply(ctx, m.Shape, m.Record)
	if err != nil {
		return false, err
	}
	return a.Outcome != tenantdb.NeedsRead && a.Outcome != tenantdb.Rejected, nil
}

// markBought marks a cart as bought, as far as it is known; a read follows.
func (im *Importer) markBought(ctx context.Context, db *tenantdb.DB, ev LiveEvent, id string, raw json.RawMessage) error {
	now, err := im.DB.Clock(ctx)
	if err != nil {
		return err
	}
	shape := tenantdb.CartEvent()
	shape.Event, shape.Part, shape.Columns = false, true, []string{"recovery_status"}
	_, err = db.Apply(ctx, shape, tenantdb.Record{
		Key: id, Document: told(ev, raw), Hash: hashOf(told(ev, raw)), ReadAt: now,
		Fields: map[string]any{"recovery_status": "RECOVERED"},
	})
	return err
}

// mergeOrder keeps what only an order's events say: the address, the shipments, the
// note, the time of a status. All else is left to the read that follows, for no
// event says when the order was last changed; only of an order that is not known
// at all the whole document is taken, until then. A malformed document is kept among
// the rejects, since the read cannot tell all that it says; of an order that is
// known, what can be read of it is kept nevertheless.
func (im *Importer) mergeOrder(ctx context.Context, db *tenantdb.DB, ev LiveEvent, id string, raw json.RawMessage) error {
	m, err := mapRecord(tenantdb.Orders, asEvent, raw, ev.ReceivedAt)
	bad, malformed := errors.AsType[*invalid](err)
	if m.Deleted {
		return nil // the read will say the same
	}
	if err != nil && !malformed {
		return err
	}
	if beside := fillEvent(m.Record.Fields, ev); beside != nil && !malformed {
		bad, malformed, raw = beside, true, ev.Payload
	}
	if malformed {
		kept := reject(m, tenantdb.Orders, raw, bad)
		kept.SourceID = id
		if err := db.KeepReject(ctx, kept); err != nil {
			return err
		}
	}
	m.Record.Document = told(ev, raw)
	stored, err := db.StoredRecord(ctx, tenantdb.Orders, id)
	switch {
	case errors.Is(err, fault.NotFound) && malformed:
		return nil
	case errors.Is(err, fault.NotFound):
		m.Shape.Event = false
		a, err := db.Apply(ctx, m.Shape, m.Record)
		if err != nil || a.Outcome != tenantdb.Stale {
			return err
		}
		stored, err = db.StoredRecord(ctx, tenantdb.Orders, id) // a page has brought it meanwhile
		if err != nil {
			return err
		}
	case err != nil:
		return err
	}
	if stored.DeletedAt != nil || toldLater(stored.Event, ev) {
		return nil
	}
	return im.addToOrder(ctx, db, m)
}

// eventOnly are the columns that no read of an order fills, and the times of its
// end, which events know best.
func eventOnly() []string {
	return []string{"shipping_address", "fulfillments", "order_notes", "closed_at", "cancelled_at"}
}

// addToOrder adds an event's part to an order that is stored. Its instant is now:
// the read that follows begins later, and so takes precedence.
func (im *Importer) addToOrder(ctx context.Context, db *tenantdb.DB, m mapped) error {
	now, err := im.DB.Clock(ctx)
	if err != nil {
		return err
	}
	shape := m.Shape
	shape.Event, shape.Part, shape.Columns = false, true, eventOnly()
	part := m.Record
	part.ReadAt, part.Fields = now, fields{}
	for _, column := range shape.Columns {
		if value := m.Record.Fields[column]; value != nil {
			part.Fields[column] = value
		}
	}
	_, err = db.Apply(ctx, shape, part)
	return err
}

// fillEvent takes what an order.status.updated says beside the order.
func fillEvent(f fields, ev LiveEvent) *invalid {
	d := parse(ev.Payload)
	if d.object("order") == nil {
		return nil
	}
	r := read(d, "event")
	if note := r.text("note", "note"); note != "" {
		f["order_notes"] = note
	}
	at := r.time("time", "created_at")
	if at == nil {
		at = ev.OccurredAt
	}
	switch {
	case at == nil:
	case f["status"] == "COMPLETED" && f["closed_at"] == nil:
		f["closed_at"] = *at
	case f["status"] == "CANCELED" && f["cancelled_at"] == nil:
		f["cancelled_at"] = *at
	}
	return *r.fault
}

// told wraps an event's document in what orders it among the events of its record.
func told(ev LiveEvent, raw json.RawMessage) json.RawMessage {
	return embed(struct {
		Event     string          `json:"event"`
		CreatedAt *time.Time      `json:"created_at"`
		Data      json.RawMessage `json:"data"`
	}{ev.Name, ev.OccurredAt, raw})
}

// toldLater tells whether the stored event is newer than this one.
func toldLater(stored json.RawMessage, ev LiveEvent) bool {
	at := parse(stored).time("created_at")
	return at != nil && ev.OccurredAt != nil && at.After(*ev.OccurredAt)
}
