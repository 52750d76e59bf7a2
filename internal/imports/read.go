package imports

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/budget"
	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// asked is for whom, how urgently and from which instant on a record is read. The
// instant is the control database's, like every one that reads are ordered by.
type asked struct {
	TenantID uuid.UUID
	Merchant int64
	Class    budget.Class
	Began    time.Time
}

// fetched is one record as the source gave it by itself.
type fetched struct {
	shape   tenantdb.Shape
	record  tenantdb.Record
	items   *tenantdb.Record // of an order
	reject  *tenantdb.Reject // it cannot be kept
	deleted bool             // the source calls it deleted
}

// Read reads one record again: for an event that could not tell the whole, or
// because a whole pass over its list did not show it. It is done only where its
// request began after the record was last wanted, else it is handed on.
func (im *Importer) Read(ctx context.Context, l store.Lease) ([]store.Task, error) {
	r, err := im.DB.BeginRead(ctx, l)
	if err != nil {
		return nil, err
	}
	if gone(r.TenantStatus) {
		return nil, nil
	}
	err = im.read(ctx, r)
	if err == nil {
		return im.DB.FinishRead(ctx, l, r.Began)
	}
	return nil, im.outcome(ctx, l, r.TenantID, err)
}

func (im *Importer) read(ctx context.Context, r store.EntityRead) error {
	if err := ready(r.TenantStatus, r.Merchant); err != nil {
		return err
	}
	db, err := im.Open(ctx, r.TenantID)
	if err != nil {
		return err
	}
	t := asked{TenantID: r.TenantID, Merchant: *r.Merchant, Class: budget.Live, Began: r.Began}
	got, err := im.fetch(ctx, db, t, r.Resource, r.Entity)
	missing := errors.Is(err, fault.NotFound)
	switch {
	case missing || err == nil && got.deleted:
		a, err := db.Tombstone(ctx, r.Resource, r.Entity, tenantdb.TombstoneOrder{ReadAt: r.Began, FromRead: true})
		if err != nil || a.Outcome == tenantdb.Stale {
			return err
		}
		return db.SettleRejects(ctx, r.Resource, r.Entity)
	case err != nil:
		return fmt.Errorf("read one of %s: %w", r.Resource, err)
	case got.reject != nil:
		return db.KeepReject(ctx, *got.reject)
	}
	if _, err := db.Apply(ctx, got.shape, got.record); err != nil {
		return err
	}
	if got.items != nil {
		if _, err := db.Apply(ctx, tenantdb.OrderItems(), *got.items); err != nil {
			return err
		}
	}
	bought := got.record.Fields["recovery_status"] == "RECOVERED"
	if r.Resource == tenantdb.Carts && (r.UnseenRun != nil || bought) {
		if err := db.MarkLeftList(ctx, r.Entity); err != nil && !errors.Is(err, fault.NotFound) {
			return err
		}
	}
	return nil
}

// fetch reads one record, an order with its items. It is fault.NotFound where the
// source has no such record.
func (im *Importer) fetch(ctx context.Context, db *tenantdb.DB, t asked, resource, id string) (fetched, error) {
	doc, err := im.document(ctx, t, resource, id)
	if err != nil {
		return fetched{}, err
	}
	m, err := mapRecord(resource, asDetail, doc.Body, t.Began)
	got := fetched{shape: m.Shape, record: m.Record, deleted: m.Deleted}
	if bad, ok := errors.AsType[*invalid](err); ok {
		m.Record.Key = id
		kept := reject(m, m.Shape.Resource, doc.Body, bad)
		got.reject = &kept
		return got, nil
	}
	if err != nil {
		return got, err
	}
	if m.Record.Key != id {
		kept := reject(m, m.Shape.Resource, doc.Body, &invalid{"id", "the source answered with another record"})
		kept.SourceID = id
		got.reject = &kept
		return got, nil
	}
	im.strangers(ctx, resource)(m.Strange)
	if resource != tenantdb.Orders || m.Deleted {
		return got, nil
	}
	if err := im.keepTimes(ctx, db, m.Record); err != nil {
		return got, err
	}
	items, err := im.orderItems(ctx, t, id)
	if errors.Is(err, fault.NotFound) {
		// The order was there a moment ago: it has no items, or is gone, which the
		// next read of it tells.
		return got, nil
	}
	if err != nil {
		return got, err
	}
	part, err := mapItems(id, items, m.Record)
	if bad, ok := errors.AsType[*invalid](err); ok {
		kept := reject(m, m.Shape.Resource, withItems(doc.Body, items.Body), bad)
		got.reject = &kept
		return got, nil
	}
	got.items = &part
	return got, nil
}

// keepTimes takes out of a record the times that are known better already.
func (im *Importer) keepTimes(ctx context.Context, db *tenantdb.DB, r tenantdb.Record) error {
	if r.Fields["closed_at"] == nil && r.Fields["cancelled_at"] == nil {
		return nil
	}
	stored, err := db.StoredRecord(ctx, tenantdb.Orders, r.Key)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	keepStatusTimes(r, stored)
	return nil
}

func (im *Importer) document(ctx context.Context, t asked, resource, id string) (salla.Document, error) {
	return call(ctx, im, t.TenantID, t.Merchant, classOf(t.Class, resource),
		func(ctx context.Context, c *salla.Client) (salla.Document, error) {
			switch resource {
			case tenantdb.Customers:
				return c.Customer(ctx, id)
			case tenantdb.Products:
				return c.Product(ctx, id)
			case tenantdb.Orders:
				return c.Order(ctx, id)
			}
			return c.Cart(ctx, id)
		})
}

func (im *Importer) orderItems(ctx context.Context, t asked, id string) (salla.Document, error) {
	return call(ctx, im, t.TenantID, t.Merchant, t.Class.Begun(), // an order without its items is read for nothing
		func(ctx context.Context, c *salla.Client) (salla.Document, error) { return c.OrderItems(ctx, id) })
}
