package imports

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/store"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Land maps and commits a page of a list, taken as opened, that was asked for at
// that instant: the whole of a page's work but the calls to Salla and to the
// control database.
func (im *Importer) Land(
	ctx context.Context, db *tenantdb.DB, opened tenantdb.OpenedPage, page salla.Page, at time.Time,
) (tenantdb.PageResult, error) {
	commit, err := im.mapPage(ctx, db, opened, page, at)
	if err != nil {
		return tenantdb.PageResult{}, err
	}
	return db.CommitPage(ctx, commit)
}

// LandDetails reads and commits a page of orders' details, taken as opened.
func (im *Importer) LandDetails(
	ctx context.Context, db *tenantdb.DB, opened tenantdb.OpenedPage, w store.PageWork,
) (tenantdb.PageResult, error) {
	commit, err := im.readDetails(ctx, db, w, opened, 1)
	if err != nil {
		return tenantdb.PageResult{}, err
	}
	return db.CommitPage(ctx, commit)
}

// mapPage turns what was read of a page into what is to be committed.
func (im *Importer) mapPage(
	ctx context.Context, db *tenantdb.DB, opened tenantdb.OpenedPage, page salla.Page, at time.Time,
) (tenantdb.PageCommit, error) {
	commit := tenantdb.PageCommit{
		Ref: opened.Ref, Fence: opened.Fence, HasNext: page.HasNext || silent(page, opened.Ref.PerPage),
		NextCursor: page.NextCursor, SourceTotal: page.Total, TotalPages: page.TotalPages,
	}
	return commit, im.mapRecords(ctx, db, opened.Ref.Resource, page.Records, at, &commit)
}

// mapRecords turns a list's documents into records and rejects. Records that the
// list calls deleted are made tombstones at once, which may be repeated.
func (im *Importer) mapRecords(
	ctx context.Context, db *tenantdb.DB, resource string, documents []json.RawMessage, at time.Time, commit *tenantdb.PageCommit,
) error {
	batch := tenantdb.Batch{}
	sum := sha256.New()
	strange := im.strangers(ctx, resource)
	for _, raw := range documents {
		if r, shape, ok := briefly(resource, raw, at, strange); ok {
			sum.Write([]byte(r.Key + "\n"))
			batch.Shape = shape
			batch.Records = append(batch.Records, r)
			continue
		}
		m, err := mapRecord(resource, asListed, raw, at)
		sum.Write([]byte(m.Record.Key + "\n"))
		switch {
		case err != nil:
			commit.Rejects = append(commit.Rejects, reject(m, resource, raw, err))
		case m.Deleted:
			order := tenantdb.TombstoneOrder{SourceUpdatedAt: m.Record.SourceUpdatedAt, ReadAt: at, FromRead: true}
			if _, err := db.Tombstone(ctx, resource, m.Record.Key, order); err != nil {
				return err
			}
			commit.Deleted++
		default:
			batch.Shape = m.Shape
			batch.Records = append(batch.Records, m.Record)
		}
		strange(m.Strange)
	}
	if len(batch.Records) > 0 {
		commit.Batches = append(commit.Batches, batch)
	}
	if len(documents) > 0 {
		commit.Digest = sum.Sum(nil)
	}
	return nil
}

// briefly makes a record of a list's document of which only is read what tells
// whether it has changed. Its columns are filled if it has. It is not ok where the
// document does not say which record it is, or calls it deleted. strange is told its
// status where that is not known.
func briefly(
	resource string, raw json.RawMessage, at time.Time, strange func(status string),
) (tenantdb.Record, tenantdb.Shape, bool) {
	shape, ok := map[string]func() tenantdb.Shape{
		tenantdb.Customers: tenantdb.CustomerList, tenantdb.Products: tenantdb.ProductList,
		tenantdb.Orders: tenantdb.OrderList, tenantdb.Carts: tenantdb.CartList,
	}[resource]
	if !ok {
		return tenantdb.Record{}, tenantdb.Shape{}, false
	}
	hash, who := identify(raw)
	r := tenantdb.Record{
		Key: who.id("id"), Document: raw, Hash: hash, SourceUpdatedAt: who.time("updated_at"), ReadAt: at,
	}
	known := r
	r.Fill = func() (map[string]any, error) {
		m, err := mapIdentified(resource, asListed, known)
		if bad, ok := errors.AsType[*invalid](err); ok {
			return nil, &tenantdb.Unfit{Field: bad.Field, Reason: bad.Reason}
		}
		strange(m.Strange)
		return m.Record.Fields, err
	}
	return r, shape(), r.Key != "" && !deletedStatus(who)
}

// strangers logs statuses that we do not know, each once; their records count as
// pending, and keep the word in their documents.
func (im *Importer) strangers(ctx context.Context, resource string) func(status string) {
	told := map[string]bool{"": true}
	return func(status string) {
		if told[status] {
			return
		}
		told[status] = true
		im.Log.WarnContext(ctx, "unknown status counts as pending",
			slog.String("resource", resource), slog.String("status", status))
	}
}
