package tenantdb

import (
	"context"
	"crypto/sha256"
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
	db      *DB
	tx      pgx.Tx
	run     uuid.UUID // nil outside an import
	rejects []Reject
	counts  Tally
	derived derived
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
	table, err := m.db.table(b.Shape.Table)
	if err != nil {
		return nil, err
	}
	items, err := m.admit(b)
	if err != nil || len(items) == 0 {
		return items, err
	}
	states, err := m.states(ctx, b.Shape, items)
	if err != nil {
		return nil, err
	}
	var write, touch []*item
	for _, it := range items {
		if it.outcome == Rejected {
			continue
		}
		it.cur = states[it.rec.Key]
		switch it.outcome = decide(b.Shape, it.cur, it.rec); it.outcome {
		case Stored:
			write = append(write, it)
		case Unchanged, Stale:
			touch = append(touch, it)
		case NeedsRead, Rejected:
		}
	}
	if err := m.write(ctx, table, b.Shape, write); err != nil {
		return nil, err
	}
	if err := m.touch(ctx, b.Shape, touch); err != nil {
		return nil, err
	}
	if err := m.count(ctx, b.Shape, items); err != nil {
		return nil, err
	}
	for _, it := range items {
		if it.outcome == Stored {
			m.derived.add(b.Shape, it)
		}
	}
	return items, nil
}

// admit turns records into items, drops repetitions and rejects what has no id
// or a document that cannot be kept.
func (m *merge) admit(b Batch) ([]*item, error) {
	byKey := map[string]*item{}
	var items []*item
	for _, r := range b.Records {
		for column := range r.Fields {
			if !slices.Contains(b.Shape.Columns, column) {
				return nil, fmt.Errorf("a document of %s fills no column %s.%s", b.Shape.Resource, b.Shape.Table, column)
			}
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
		if err := CheckDocument(r.Document); err != nil {
			m.reject(b.Shape, it, b.Shape.Document, err.Error())
		}
		if twin := byKey[r.Key]; twin != nil {
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

// before tells whether a is older than b, where that can be told.
func before(a, b Record) bool {
	if a.SourceUpdatedAt != nil && b.SourceUpdatedAt != nil && !a.SourceUpdatedAt.Equal(*b.SourceUpdatedAt) {
		return a.SourceUpdatedAt.Before(*b.SourceUpdatedAt)
	}
	return a.ReadAt.Before(b.ReadAt)
}

// states reads what is stored under the items' keys.
func (m *merge) states(ctx context.Context, s Shape, items []*item) (map[string]*state, error) {
	keys := make([]string, 0, len(items))
	for _, it := range items {
		keys = append(keys, it.rec.Key)
	}
	seen, person := "NULL::uuid", "NULL::uuid"
	if s.seen != "" {
		seen = "t." + s.seen
	}
	if s.Table == "salla_orders" || s.Table == "salla_carts" {
		person = "t.person_id"
	}
	rows, _ := m.tx.Query(ctx, fmt.Sprintf(`
		SELECT t.%[1]s AS key, t.%[2]s AS hash, t.source_hash AS list_hash, t.source_updated_at AS updated_at,
			t.read_at, %[3]s AS seen, t.deleted_at, %[4]s AS person_id
		FROM %[5]s t
		WHERE t.%[1]s = ANY($1)`, s.Key, s.Hash, seen, person, s.Table), keys)
	found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[state])
	if err != nil {
		return nil, fmt.Errorf("read stored %s: %w", s.Resource, err)
	}
	states := make(map[string]*state, len(found))
	for _, f := range found {
		states[f.Key] = f
	}
	if s.Table == "salla_orders" {
		return states, m.addRefunds(ctx, keys, items)
	}
	return states, nil
}

// addRefunds keeps an order that an order.refunded event was seen for partially
// refunded, whatever its document says, unless it is refunded as a whole.
func (m *merge) addRefunds(ctx context.Context, keys []string, items []*item) error {
	rows, _ := m.tx.Query(ctx, `
		SELECT order_id
		FROM order_refunds
		WHERE order_id = ANY($1)`, keys)
	refunded, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("read refunds: %w", err)
	}
	for _, it := range items {
		status, has := it.rec.Fields["financial_status"]
		if has && status != "REFUNDED" && slices.Contains(refunded, it.rec.Key) {
			fields := maps.Clone(it.rec.Fields)
			fields["financial_status"] = "PARTIALLY_REFUNDED"
			it.rec.Fields = fields
		}
	}
	return nil
}

// write stores items, all at once if it can, else one by one so that only what
// cannot be stored is rejected.
func (m *merge) write(ctx context.Context, table blueprint.Table, s Shape, items []*item) error {
	if len(items) == 0 {
		return nil
	}
	all := pgx.BeginFunc(ctx, m.tx, func(tx pgx.Tx) error { return store(ctx, tx, table, s, m.run, items) })
	if all == nil || !isBadValue(all) || !protect.BadRecord {
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
	_, err := m.tx.Exec(ctx, fmt.Sprintf(`
		UPDATE %s AS t
		SET read_at = greatest(t.read_at, v.read_at)%s
		FROM unnest($1::text[], $2::timestamptz[]) AS v (key, read_at)
		WHERE t.%s = v.key`, s.Table, also, s.Key), args...)
	return wrap(err, "note unchanged "+s.Resource)
}

// count adds what was imported or unchanged to the tally, unless the run has
// counted the record already, be it as a reject.
func (m *merge) count(ctx context.Context, s Shape, items []*item) error {
	if s.Part {
		return nil
	}
	var keys []string
	for _, it := range items {
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
