package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"time"

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

// invalid says which column a document cannot fill, and why, in words.
type invalid struct{ Column, Reason string }

func (e *invalid) Error() string { return e.Reason }

// mapRecord turns a document of a resource into a record. at is the instant that
// the request for it began or, for an event, that it was received. The error is an
// *invalid: the record cannot be kept for what it says.
func mapRecord(resource string, f form, raw json.RawMessage, at time.Time) (mapped, error) {
	var fill func(*mapped, form, document) error
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
		return mapped{}, fmt.Errorf("records of %q are not imported", resource)
	}
	m := mapped{Shape: shapes[f]()}
	d := parse(raw)
	if d == nil {
		return m, &invalid{Column: m.Shape.Document, Reason: "the record is not an object"}
	}
	m.Record = tenantdb.Record{
		Key: d.id("id"), Document: raw, Hash: hashOf(raw), Fields: fields{},
		SourceUpdatedAt: d.time("updated_at"), ReadAt: at,
	}
	if m.Record.Key == "" {
		return m, &invalid{Column: m.Shape.Key, Reason: "the record has no usable id"}
	}
	if deletedStatus(d) {
		m.Deleted = true
		return m, nil
	}
	return m, fill(&m, f, d)
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
		r.Field = bad.Column
	}
	return r
}

// required refuses a record that lacks what its table requires.
func required(column, key string, value any, what string) error {
	if value == nil {
		return &invalid{Column: column, Reason: fmt.Sprintf("the %s (%q) is missing or cannot be read", what, key)}
	}
	return nil
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
