package tenantdb

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// redriveBytes bounds the records that are read at a time to be mapped anew.
const redriveBytes = 4 << 20

// KeptReject is an open reject, to be mapped anew.
type KeptReject struct {
	StoredReject

	Known bool // a row is stored under its id, be it a tombstone
}

// KeptRejects returns open rejects with their records, newest first: at most so
// many as the filter says, and of large records fewer, but one at least.
func (d *DB) KeptRejects(ctx context.Context, f RejectFilter) ([]KeptReject, error) {
	f.Open = true
	where, args := f.where()
	var found []KeptReject
	err := d.looking(ctx, func(tx pgx.Tx) error {
		rows, _ := tx.Query(ctx, fmt.Sprintf(`
			WITH chosen AS (
				SELECT id, octet_length(record) AS bytes
				FROM rejects AS r
				WHERE %s
				ORDER BY id DESC
				LIMIT %d
			), few AS (
				SELECT id
				FROM (SELECT id, sum(bytes) OVER (ORDER BY id DESC) - bytes AS before FROM chosen) AS s
				WHERE before < %d
			)
			SELECT %s, CASE resource
				WHEN 'customers' THEN EXISTS (SELECT FROM people WHERE salla_customer_id = key)
				WHEN 'products' THEN EXISTS (SELECT FROM salla_products WHERE salla_product_id = key)
				WHEN 'carts' THEN EXISTS (SELECT FROM salla_carts WHERE salla_cart_id = key)
				ELSE EXISTS (SELECT FROM salla_orders WHERE order_id = key) END AS known
			FROM rejects
			WHERE id IN (SELECT id FROM few)
			ORDER BY id DESC`, where, max(f.Limit, 1), redriveBytes, rejectColumns), args...)
		var err error
		found, err = pgx.CollectRows(rows, pgx.RowToStructByName[KeptReject])
		return err
	})
	return found, wrap(err, "read rejects")
}

// Redrive is the record of a reject, mapped anew.
type Redrive struct {
	ID     uuid.UUID
	KeptAt time.Time // its CreatedAt: what was kept anew since is passed over
	Shape  Shape
	Record Record
	Items  *Record // of an order that was read by itself, where they were kept with it
	// Deleted: the record says that the source has deleted it, and no more.
	Deleted bool
	// Reason is why the record is still refused, with the Field at fault; "" where it
	// is not. Shape and Record do not matter then.
	Field, Reason string
}

// Redriven is what became of a reject. One whose Outcome is Rejected or NeedsRead
// is still open, for the reason that is said; one without Outcome was settled or
// kept anew by somebody else meanwhile.
type Redriven struct {
	Outcome       Outcome
	Field, Reason string
}

// openReject is a reject in the hands of a re-drive.
type openReject struct {
	ID        uuid.UUID
	CreatedAt time.Time
	Run       uuid.UUID
	Resource  string
	Field     string
	Reason    string
	Record    string
	Newer     bool // there is another open one of the same record, of later
}

// Redrive merges the records of rejects, in one transaction with all that follows
// from it, and settles those that are stored by that, or were overtaken by what is
// stored. A tombstone stays whatever the record says. What no import brought may
// have come with an event: it overwrites only what its own time of update tells
// to be older. Of several rejects of one record the newest decides: the others are
// settled with it, and stay open as long as it does.
func (d *DB) Redrive(ctx context.Context, list []Redrive) (map[uuid.UUID]Redriven, error) {
	r := &redrive{done: map[uuid.UUID]Redriven{}}
	err := d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error {
		r.merge = &merge{db: d, tx: tx, manner: manner{careful: true}} // some of them will be refused again
		return r.run(ctx, list)
	})
	if err != nil {
		return nil, wrap(err, "re-drive rejects")
	}
	return r.done, nil
}

// redrive is one transaction's work on rejects.
type redrive struct {
	*merge

	done map[uuid.UUID]Redriven
}

func (r *redrive) run(ctx context.Context, list []Redrive) error {
	open, err := r.lock(ctx, list)
	if err != nil {
		return err
	}
	var later []openReject
	shapes := map[string][]Redrive{}
	for _, one := range list {
		kept, is := open[one.ID]
		switch {
		case !is || !kept.CreatedAt.Equal(one.KeptAt):
			r.done[one.ID] = Redriven{}
		case kept.Newer:
			later = append(later, kept)
		case one.Reason != "":
			r.done[one.ID] = Redriven{Outcome: Rejected, Field: one.Field, Reason: one.Reason}
		case one.Deleted:
			if err := r.delete(ctx, one); err != nil {
				return err
			}
		default:
			shapes[one.Shape.Resource+" "+one.Shape.Document] = append(shapes[one.Shape.Resource+" "+one.Shape.Document], one)
		}
	}
	for _, some := range shapes {
		if err := r.store(ctx, some, open); err != nil {
			return err
		}
	}
	if err := r.derive(ctx); err != nil {
		return err
	}
	if err := r.settle(ctx, open); err != nil {
		return err
	}
	return r.follow(ctx, later)
}

// lock locks those of the rejects that are still open.
func (r *redrive) lock(ctx context.Context, list []Redrive) (map[uuid.UUID]openReject, error) {
	ids := make([]uuid.UUID, len(list))
	for i, one := range list {
		ids[i] = one.ID
	}
	rows, _ := r.tx.Query(ctx, `
		SELECT id, created_at, run, resource, coalesce(field, '') AS field, reason, record, `+newerReject+` AS newer
		FROM rejects AS r
		WHERE id = ANY($1) AND redriven_at IS NULL
		ORDER BY id
		FOR UPDATE`, ids)
	found, err := pgx.CollectRows(rows, pgx.RowToStructByName[openReject])
	if err != nil {
		return nil, fmt.Errorf("lock rejects: %w", err)
	}
	open := make(map[uuid.UUID]openReject, len(found))
	for _, one := range found {
		open[one.ID] = one
	}
	return open, nil
}

// delete makes a tombstone of a record that says that it is deleted.
func (r *redrive) delete(ctx context.Context, one Redrive) error {
	s := one.Shape
	states, err := r.states(ctx, s, []*item{{rec: Record{Key: one.Record.Key}}})
	if err != nil {
		return err
	}
	at := TombstoneOrder{SourceUpdatedAt: one.Record.SourceUpdatedAt, ReadAt: one.Record.ReadAt, FromRead: true}
	cur := states[one.Record.Key]
	if !at.buries(cur) {
		r.done[one.ID] = Redriven{Outcome: Stale}
		return nil
	}
	r.done[one.ID] = Redriven{Outcome: Stored}
	if _, err := r.resolve(ctx, s.Resource, []string{one.Record.Key}); err != nil {
		return err
	}
	return r.bury(ctx, s, one.Record.Key, cur, at)
}

// store merges records of one shape.
func (r *redrive) store(ctx context.Context, some []Redrive, open map[uuid.UUID]openReject) error {
	s := some[0].Shape
	s.onSeen = "" // it is no list of now that shows them
	items := make([]*item, len(some))
	for i, one := range some {
		items[i] = &item{rec: Record{Key: one.Record.Key}}
	}
	states, err := r.states(ctx, s, items)
	if err != nil {
		return err
	}
	asRead, asEvent := Batch{Shape: s}, Batch{Shape: s}
	asEvent.Shape.Event = true
	for _, one := range some {
		cur := states[one.Record.Key]
		switch {
		case cur == nil:
			asRead.Records = append(asRead.Records, one.Record)
		case cur.DeletedAt != nil:
			r.done[one.ID] = Redriven{Outcome: Stale}
		case open[one.ID].Run == nilRun:
			asEvent.Records = append(asEvent.Records, withoutEnds(s, one.Record))
		default:
			asRead.Records = append(asRead.Records, withoutEnds(s, one.Record))
		}
	}
	became := map[string]Redriven{}
	for _, b := range []Batch{asRead, asEvent} {
		refused := len(r.rejects)
		merged, err := r.batch(ctx, b)
		if err != nil {
			return err
		}
		for _, it := range merged {
			became[it.rec.Key] = Redriven{Outcome: it.outcome}
		}
		for _, reject := range r.rejects[refused:] {
			became[reject.SourceID] = Redriven{Outcome: Rejected, Field: reject.Field, Reason: reject.Reason}
		}
	}
	if err := r.storeItems(ctx, some, became); err != nil {
		return err
	}
	for _, one := range some {
		if _, said := r.done[one.ID]; said {
			continue
		}
		b := became[one.Record.Key]
		if b.Outcome == NeedsRead { // it stays open as it is until the read
			b.Field, b.Reason = open[one.ID].Field, open[one.ID].Reason
		}
		r.done[one.ID] = b
	}
	return nil
}

// storeItems adds the items of orders to those that are as they were kept.
func (r *redrive) storeItems(ctx context.Context, some []Redrive, became map[string]Redriven) error {
	items := Batch{Shape: OrderItems()}
	for _, one := range some {
		b := became[one.Record.Key].Outcome
		if one.Items != nil && r.done[one.ID].Outcome == "" && (b == Stored || b == Unchanged) {
			items.Records = append(items.Records, *one.Items)
		}
	}
	refused := len(r.rejects)
	if _, err := r.batch(ctx, items); err != nil {
		return err
	}
	for _, reject := range r.rejects[refused:] {
		became[reject.SourceID] = Redriven{Outcome: Rejected, Field: reject.Field, Reason: reject.Reason}
	}
	return nil
}

// withoutEnds leaves out when an order ended: what is stored of that, or the read
// that follows, knows it better.
func withoutEnds(s Shape, rec Record) Record {
	if s.Table != "salla_orders" {
		return rec
	}
	rec.Fields = maps.Clone(rec.Fields)
	for _, column := range []string{"closed_at", "cancelled_at"} {
		if rec.Fields[column] != nil {
			delete(rec.Fields, column)
		}
	}
	return rec
}

// settle notes what became of the rejects: those that are no longer needed are
// settled, and older ones of the same record with them; the others get the newest
// reason, and keep their record also where a part of it was stored.
func (r *redrive) settle(ctx context.Context, open map[uuid.UUID]openReject) error {
	var settled, refused []uuid.UUID
	var fields, reasons []string
	for id, one := range r.done {
		switch one.Outcome {
		case Stored, Unchanged, Stale:
			settled = append(settled, id)
		case Rejected:
			refused, fields = append(refused, id), append(fields, textual([]byte(one.Field)))
			reasons = append(reasons, textual([]byte(one.Reason)))
		case NeedsRead:
		}
	}
	if _, err := r.tx.Exec(ctx, `
		UPDATE rejects AS r
		SET record = '', redriven_at = now()
		FROM rejects AS s
		WHERE s.id = ANY($1) AND r.resource = s.resource AND r.key = s.key AND r.redriven_at IS NULL`, settled); err != nil {
		return fmt.Errorf("settle rejects: %w", err)
	}
	rows, _ := r.tx.Query(ctx, `
		UPDATE rejects AS r
		SET field = nullif(v.field, ''), reason = v.reason, redriven_at = NULL
		FROM unnest($1::uuid[], $2::text[], $3::text[]) AS v (id, field, reason)
		WHERE r.id = v.id
			AND (r.field, r.reason, r.redriven_at) IS DISTINCT FROM (nullif(v.field, ''), v.reason, NULL::timestamptz)
		RETURNING CASE WHEN r.record = '' THEN r.id END`, refused, fields, reasons)
	emptied, err := pgx.CollectRows(rows, pgx.RowTo[*uuid.UUID])
	if err != nil {
		return fmt.Errorf("note why rejects are still refused: %w", err)
	}
	for _, id := range emptied {
		if id == nil {
			continue
		}
		if _, err := r.tx.Exec(ctx, `
			UPDATE rejects
			SET record = $2
			WHERE id = $1`, *id, open[*id].Record); err != nil {
			return fmt.Errorf("keep a refused record: %w", err)
		}
	}
	return nil
}

// follow says of rejects that had a newer one of the same record whether they were
// settled with it.
func (r *redrive) follow(ctx context.Context, later []openReject) error {
	if len(later) == 0 {
		return nil
	}
	ids := make([]uuid.UUID, len(later))
	for i, one := range later {
		ids[i] = one.ID
	}
	rows, _ := r.tx.Query(ctx, `
		SELECT id
		FROM rejects
		WHERE id = ANY($1) AND redriven_at IS NOT NULL`, ids)
	settled, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
	if err != nil {
		return fmt.Errorf("look for older rejects: %w", err)
	}
	for _, one := range later {
		r.done[one.ID] = Redriven{Outcome: Rejected, Field: one.Field, Reason: one.Reason}
	}
	for _, id := range settled {
		r.done[id] = Redriven{Outcome: Stale}
	}
	return nil
}
