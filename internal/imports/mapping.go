package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/rawjson"
	"github.com/wosool/wosool/internal/tenantdb"
)

// form is how a document came to us; each is kept beside the others.
type form int

const (
	asListed form = iota
	asDetail
	asEvent
)

// mapped is what a document says of one record.
type mapped struct {
	Shape  tenantdb.Shape
	Record tenantdb.Record
	// Deleted: the source calls the record deleted, and the document says no more.
	Deleted bool
	// Strange is a status that is not known; the record counts as pending.
	Strange string
}

// invalid says which value of a document cannot be understood, by its path in the
// document, such as "amounts.total" or "items[3].quantity", and why, in words. The
// path is empty where it is the document as a whole.
type invalid struct{ Field, Reason string }

func (e *invalid) Error() string { return e.Reason }

// mapRecord turns a document of a resource into a record. at is the instant that
// the request for it began or, for an event, that it was received. The error is an
// *invalid: the record cannot be kept for what it says.
func mapRecord(resource string, f form, raw json.RawMessage, at time.Time) (mapped, error) {
	m, fill, err := mappingOf(resource, f)
	if err != nil {
		return m, err
	}
	d := parse(raw)
	if d == nil {
		return m, noRecord(raw)
	}
	hash, _ := identify(raw) // it is valid: it was parsed
	m.Record = tenantdb.Record{
		Key: d.id("id"), Document: raw, Hash: hash, Fields: fields{},
		SourceUpdatedAt: d.time("updated_at"), ReadAt: at,
	}
	if m.Record.Key == "" {
		return m, noID(resource, d)
	}
	if deletedStatus(d) {
		m.Deleted = true
		return m, nil
	}
	return m, fill(&m, f, d)
}

// mapIdentified is mapRecord for a document that identify has looked at, and that
// says which record it is.
func mapIdentified(resource string, f form, r tenantdb.Record) (mapped, error) {
	m, fill, err := mappingOf(resource, f)
	if err != nil {
		return m, err
	}
	m.Record, m.Record.Fields = r, fields{}
	return m, fill(&m, f, rawjson.Members(r.Document))
}

// mappingOf gives what is to be filled of a document of a resource, and by what.
func mappingOf(resource string, f form) (m mapped, fill func(*mapped, form, document) error, err error) {
	var shapes [3]func() tenantdb.Shape
	switch resource {
	case tenantdb.Customers:
		fill, shapes = fillCustomer, [3]func() tenantdb.Shape{
			tenantdb.CustomerList, tenantdb.CustomerDetail, tenantdb.CustomerEvent,
		}
	case tenantdb.Products:
		fill, shapes = fillProduct, [3]func() tenantdb.Shape{
			tenantdb.ProductList, tenantdb.ProductDetail, tenantdb.ProductEvent,
		}
	case tenantdb.Orders:
		fill, shapes = fillOrder, [3]func() tenantdb.Shape{
			tenantdb.OrderList, tenantdb.OrderDetail, tenantdb.OrderEvent,
		}
	case tenantdb.Carts:
		fill, shapes = fillCart, [3]func() tenantdb.Shape{
			tenantdb.CartList, tenantdb.CartDetail, tenantdb.CartEvent,
		}
	default:
		return m, nil, fmt.Errorf("records of %q are not imported", resource)
	}
	m.Shape = shapes[f]()
	return m, fill, nil
}

// deletedStatus tells whether the record's status, a word or an object with a
// slug, is deleted.
func deletedStatus(d document) bool {
	return d.text("status") == "deleted" || d.object("status").text("slug") == "deleted"
}

func (m *mapped) fields() fields { return m.Record.Fields }

// reject turns a document that cannot be kept into what is kept of it instead.
func reject(m mapped, resource string, raw json.RawMessage, err error) tenantdb.Reject {
	r := tenantdb.Reject{Resource: resource, SourceID: m.Record.Key, Reason: err.Error(), Record: raw}
	if bad, ok := errors.AsType[*invalid](err); ok {
		r.Field = bad.Field
	}
	return r
}

// noRecord refuses what is no object.
func noRecord(raw json.RawMessage) *invalid {
	is := kindOf(raw)
	if is == object.a {
		return &invalid{Reason: "the record nests too deep to be read"}
	}
	return &invalid{Reason: "the record is " + is + ", not an object"}
}

// noID refuses a record that does not say which one it is.
func noID(resource string, d document) *invalid {
	r := read(d, strings.TrimSuffix(resource, "s"))
	if r.id("id", "id"); !nothing(d["id"]) {
		r.wrong("id", "id", d["id"], anID)
	}
	r.missing("id", "id")
	return *r.fault
}

// strange gives a status as it is reported where it is not known.
func strange(status string) string {
	if runes := []rune(status); len(runes) > maxQuoted {
		return string(runes[:maxQuoted]) + "…"
	}
	return status
}

// embed encodes v for a JSON column; values in it are strings, numbers and raw JSON
// that was valid before.
func embed(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return json.RawMessage("null")
	}
	return bytes.TrimSpace(b.Bytes())
}
