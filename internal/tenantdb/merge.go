package tenantdb

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/blueprint"
	"github.com/wosool/wosool/internal/protect"
)

// merge is one transaction's work on imported records.
type merge struct {
	manner
	db      *DB
	tx      pgx.Tx
	run     uuid.UUID // nil outside an import
	rejects []Reject
	counts  Tally
	derived derived
	later   *pgx.Batch // what is asked for by exec, if it need not be done at once
}

// exec runs a statement of which only matters that it is done, or puts it off.
func (m *merge) exec(ctx context.Context, doing, query string, args ...any) error {
	if m.later != nil {
		m.later.Queue(query, args...)
		return nil
	}
	_, err := m.tx.Exec(ctx, query, args...)
	return wrap(err, doing)
}

// flush does what was put off.
func (m *merge) flush(ctx context.Context) error {
	if m.later == nil || m.later.Len() == 0 {
		return nil
	}
	put := m.later
	m.later = &pgx.Batch{}
	return wrap(m.tx.SendBatch(ctx, put).Close(), "bring into line what follows")
}

// manner is how records are merged.
type manner struct {
	careful  bool // some value will be refused: find out which
	together bool // other pages of new orders are stored at the same time
}

// errAlone is what a merge among others says that none may be made beside.
var errAlone = errors.New("this is to be merged alone")

// mergeRecords runs fn in a merging transaction, and again where it must be alone, or
// where a value was refused; then careful is set. What fn gathered before is void.
func (d *DB) mergeRecords(ctx context.Context, together bool, fn func(tx pgx.Tx, how manner) error) error {
	err := errAlone
	if together {
		err = d.merging(ctx, mergeLockShared, func(tx pgx.Tx) error { return fn(tx, manner{together: true}) })
	}
	if errors.Is(err, errAlone) || together && hasCode(err, codeUnique, codeDeadlock) {
		err = d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error { return fn(tx, manner{}) })
	}
	if err == nil || !isBadValue(err) || !protect.BadRecord {
		return err
	}
	return d.merging(ctx, mergeLockAlone, func(tx pgx.Tx) error { return fn(tx, manner{careful: true}) })
}

// Tally counts records, each once a run.
type Tally struct{ Imported, Unchanged, Rejected int }

// item is one record on its way into the table.
type item struct {
	rec     Record
	cur     *state
	outcome Outcome
}

// batch merges records of one shape and returns what became of each, in the
// order of their first appearance; of a key that comes twice the newest counts.
func (m *merge) batch(ctx context.Context, b Batch) ([]*item, error) {
	items, err := m.admit(b)
	if err != nil || len(items) == 0 {
		return items, err
	}
	var ask pgx.Batch
	known := m.look(&ask, b.Shape, items)
	if err := m.tx.SendBatch(ctx, &ask).Close(); err != nil {
		return nil, fmt.Errorf("read stored %s: %w", b.Shape.Resource, err)
	}
	return items, m.settle(ctx, b, items, known)
}

// settle decides on items by what is known of them, and does it.
func (m *merge) settle(ctx context.Context, b Batch, items []*item, known *known) error {
	table, err := m.db.table(b.Shape.Table)
	if err != nil {
		return err
	}
	var write, touch []*item
	for _, it := range items {
		if it.outcome == Rejected {
			continue
		}
		it.cur = known.states[it.rec.Key]
		switch it.outcome = decide(b.Shape, it.cur, it.rec); it.outcome {
		case Stored:
			if err := m.fill(b.Shape, it); err != nil {
				return err
			}
			if it.outcome == Stored {
				write = append(write, it)
			}
		case Unchanged, Stale:
			touch = append(touch, it)
		case NeedsRead, Rejected:
		}
	}
	if m.together && (len(write) < len(items) || known.rejects || len(m.rejects) > 0 ||
		slices.ContainsFunc(write, func(it *item) bool { return it.cur != nil })) {
		return errAlone // whether a record was counted is told by rows that others may be writing
	}
	m.addRefunds(write, known.refunded)
	if err := m.write(ctx, table, b.Shape, write, known); err != nil {
		return err
	}
	if err := m.touch(ctx, b.Shape, touch); err != nil {
		return err
	}
	if err := m.count(ctx, b.Shape, items, known.rejects); err != nil {
		return err
	}
	for _, it := range items {
		if it.outcome == Stored {
			m.derived.add(b.Shape, it, !m.careful)
		}
	}
	return nil
}

// admit turns records into items, drops repetitions and rejects what has no id
// or a document that cannot be kept.
func (m *merge) admit(b Batch) ([]*item, error) {
	byKey := map[string]*item{}
	var items []*item
	for _, r := range b.Records {
		if err := knownColumns(b.Shape, r); err != nil {
			return nil, err
		}
		if len(r.Hash) == 0 {
			sum := sha256.Sum256(r.Document)
			r.Hash = sum[:]
		}
		it := &item{rec: r}
		if r.ReadAt.IsZero() {
			return nil, fmt.Errorf("a record of %s does not say when it was read", b.Shape.Resource)
		}
		if r.Key == "" || r.Key != textual([]byte(r.Key)) {
			m.reject(b.Shape, it, b.Shape.Key, "the record has no usable id")
			continue
		}
		if err := m.check(r.Document); err != nil {
			m.reject(b.Shape, it, cmp.Or(Place(err), b.Shape.Document), err.Error())
		}
		if twin := byKey[r.Key]; twin != nil {
			for _, one := range []*item{twin, it} { // the one that counts must be one that can be kept
				if err := m.fill(b.Shape, one); err != nil {
					return nil, err
				}
			}
			r = it.rec
			if twin.outcome == Rejected || it.outcome == "" && !before(r, twin.rec) {
				*twin = *it
			}
			continue
		}
		byKey[r.Key] = it
		items = append(items, it)
	}
	return items, nil
}

// knownColumns refuses fields that the shape does not fill.
func knownColumns(s Shape, r Record) error {
	for column := range r.Fields {
		if !slices.Contains(s.Columns, column) {
			return fmt.Errorf("a document of %s fills no column %s.%s", s.Resource, s.Table, column)
		}
	}
	return nil
}

// fill gets a record's fields, if it has not got them, or rejects it.
func (m *merge) fill(s Shape, it *item) error {
	if it.rec.Fill == nil || it.rec.Fields != nil || it.outcome == Rejected {
		return nil
	}
	fields, err := it.rec.Fill()
	if unfit, ok := errors.AsType[*Unfit](err); ok {
		m.reject(s, it, unfit.Field, unfit.Reason)
		return nil
	}
	if err != nil {
		return err
	}
	it.rec.Fields = fields
	return knownColumns(s, it.rec)
}

// prefill gets, before the merge lock is taken, the fields of the records that are
// new or changed by what is stored at the moment; the merge itself decides, and
// gets those of the few others that it needs. fresh: none was found that is there.
func (d *DB) prefill(ctx context.Context, batches []Batch) (_ []Batch, fresh bool, _ error) {
	batches, fresh = slices.Clone(batches), true
	for i, b := range batches {
		keys := make([]string, 0, len(b.Records))
		for _, r := range b.Records {
			if r.Fill != nil && r.Fields == nil {
				keys = append(keys, r.Key)
			}
		}
		if len(keys) == 0 {
			continue
		}
		hashes := make(map[string][]byte, len(keys))
		err := d.with(ctx, func(c *pgx.Conn) error {
			rows, _ := c.Query(ctx, fmt.Sprintf(`
				SELECT %[1]s, %[2]s
				FROM %[3]s
				WHERE %[1]s = ANY($1) AND deleted_at IS NULL AND %[2]s IS NOT NULL`, b.Shape.Key, b.Shape.Hash, b.Shape.Table), keys)
			var key string
			var hash []byte
			_, err := pgx.ForEachRow(rows, []any{&key, &hash}, func() error {
				hashes[key] = bytes.Clone(hash)
				return nil
			})
			return err
		})
		if err != nil {
			return nil, false, wrap(err, "look for unchanged "+b.Shape.Resource)
		}
		fresh = fresh && len(hashes) == 0
		batches[i].Records = slices.Clone(b.Records)
		for j, r := range b.Records {
			if r.Fill == nil || r.Fields != nil || bytes.Equal(hashes[r.Key], r.Hash) {
				continue
			}
			if fields, err := r.Fill(); err == nil {
				batches[i].Records[j].Fields = fields
			}
		}
	}
	return batches, fresh, nil
}

// check finds the documents that cannot be kept. The database refuses them as
// well, all but those that nest too deep: to be told why is worth a look only then.
func (m *merge) check(doc json.RawMessage) error {
	if !m.careful && len(doc) > 0 && bytes.Count(doc, []byte{'{'})+bytes.Count(doc, []byte{'['}) <= maxDepth {
		return nil
	}
	return CheckDocument(doc)
}

// before tells whether a is older than b, where that can be told.
func before(a, b Record) bool {
	if a.SourceUpdatedAt != nil && b.SourceUpdatedAt != nil && !a.SourceUpdatedAt.Equal(*b.SourceUpdatedAt) {
		return a.SourceUpdatedAt.Before(*b.SourceUpdatedAt)
	}
	return a.ReadAt.Before(b.ReadAt)
}

// addRefunds keeps an order that an order.refunded event was seen for partially
// refunded, whatever its document says, unless it is refunded as a whole.
func (m *merge) addRefunds(items []*item, refunded map[string]bool) {
	for _, it := range items {
		if !refunded[it.rec.Key] {
			continue
		}
		m.derived.refunded = append(m.derived.refunded, it.rec.Key)
		if status, has := it.rec.Fields["financial_status"]; has && status != "REFUNDED" {
			fields := maps.Clone(it.rec.Fields)
			fields["financial_status"] = "PARTIALLY_REFUNDED"
			it.rec.Fields = fields
		}
	}
}

// write stores items all at once. Where that is refused the whole merge is made
// again, carefully: then it stores items one by one if it must, so that only what
// cannot be stored is rejected.
func (m *merge) write(ctx context.Context, table blueprint.Table, s Shape, items []*item, known *known) error {
	if len(items) == 0 {
		return nil
	}
	if !m.careful {
		fresh, there := split(items)
		if err := m.insert(ctx, table, s, fresh, known); err != nil {
			return wrap(err, "store "+s.Resource)
		}
		return wrap(store(ctx, m.tx, table, s, m.run, there), "store "+s.Resource)
	}
	all := pgx.BeginFunc(ctx, m.tx, func(tx pgx.Tx) error { return store(ctx, tx, table, s, m.run, items) })
	if all == nil || !isBadValue(all) {
		return wrap(all, "store "+s.Resource)
	}
	for _, it := range items {
		err := pgx.BeginFunc(ctx, m.tx, func(tx pgx.Tx) error {
			return store(ctx, tx, table, s, m.run, []*item{it})
		})
		if err == nil {
			continue
		}
		if !isBadValue(err) {
			return wrap(err, "store "+s.Resource)
		}
		column, reason, err := m.blame(ctx, s, it, err)
		if err != nil {
			return err
		}
		m.reject(s, it, column, reason)
	}
	return nil
}

// split tells new records from those that are there.
func split(items []*item) (fresh, known []*item) {
	for _, it := range items {
		if it.cur == nil {
			fresh = append(fresh, it)
		} else {
			known = append(known, it)
		}
	}
	return fresh, known
}

// touch notes that records were seen as they are stored, and raises the instant
// at which that was known to hold.
func (m *merge) touch(ctx context.Context, s Shape, items []*item) error {
	if len(items) == 0 || s.Event {
		return nil
	}
	keys := make([]string, 0, len(items))
	instants := make([]*time.Time, 0, len(items))
	for _, it := range items {
		keys = append(keys, it.rec.Key)
		if it.outcome == Unchanged {
			instants = append(instants, &it.rec.ReadAt)
		} else {
			instants = append(instants, nil)
		}
	}
	also, args := s.onSeen, []any{keys, instants}
	if s.seen != "" && m.run != uuid.Nil {
		also, args = also+", "+s.seen+" = $3", append(args, m.run)
	}
	if s.Hash == "detail_hash" && s.Table == "salla_orders" {
		also += ", detail_list_hash = CASE WHEN v.read_at IS NULL THEN t.detail_list_hash ELSE t.source_hash END"
	}
	return m.exec(ctx, "note unchanged "+s.Resource, fmt.Sprintf(`
		UPDATE %s AS t
		SET read_at = greatest(t.read_at, v.read_at)%s
		FROM unnest($1::text[], $2::timestamptz[]) AS v (key, read_at)
		WHERE t.%s = v.key`, s.Table, also, s.Key), args...)
}

// count adds what was imported or unchanged to the tally, unless the run has
// counted the record already, be it as a reject. rejects tells whether there are any.
func (m *merge) count(ctx context.Context, s Shape, items []*item, rejects bool) error {
	if s.Part {
		return nil
	}
	var keys []string
	for _, it := range items {
		if !rejects {
			break
		}
		if it.outcome == Stored || it.outcome == Unchanged || it.outcome == Stale {
			keys = append(keys, it.rec.Key)
		}
	}
	rejected, err := m.resolve(ctx, s.Resource, keys)
	if err != nil || s.seen == "" || m.run == uuid.Nil {
		return err
	}
	for _, it := range items {
		counted := it.cur != nil && it.cur.Seen != nil && *it.cur.Seen == m.run || rejected[it.rec.Key]
		switch {
		case counted && protect.CountedOnce:
		case it.outcome == Stored:
			m.counts.Imported++
		case it.outcome == Unchanged, it.outcome == Stale:
			m.counts.Unchanged++
		}
	}
	return nil
}

func wrap(err error, doing string) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, err)
}
