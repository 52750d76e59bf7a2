package tenantdb

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// known is what the database says of items before they are merged.
type known struct {
	states   map[string]*state
	refunded map[string]bool // orders that an order.refunded event was seen for
	rejects  bool            // anything is kept among the rejects
	people   people
}

// people are those who were looked for, by the source's ids; the nil UUID is nobody.
type people map[string]uuid.UUID

// look asks, in one go, for all that is to be known of items; the answer is there
// once the batch was sent.
func (m *merge) look(ask *pgx.Batch, s Shape, items []*item) *known {
	k := &known{states: make(map[string]*state, len(items)), refunded: map[string]bool{}, people: people{}}
	keys := make([]string, 0, len(items))
	for _, it := range items {
		keys = append(keys, it.rec.Key)
	}
	seen, person := "NULL::uuid", "NULL::uuid"
	if s.seen != "" {
		seen = "t." + s.seen
	}
	if customerColumn(s.Table) != "" {
		person = "t.person_id"
	}
	ask.Queue(fmt.Sprintf(`
		SELECT t.%[1]s AS key, t.%[2]s AS hash, t.source_hash AS list_hash, t.source_updated_at AS updated_at,
			t.read_at, %[3]s AS seen, t.deleted_at, %[4]s AS person_id
		FROM %[5]s t
		WHERE t.%[1]s = ANY($1)`, s.Key, s.Hash, seen, person, s.Table), keys).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToAddrOfStructByName[state])
		for _, f := range found {
			k.states[f.Key] = f
		}
		return err
	})
	if !s.Part {
		ask.Queue(`SELECT EXISTS (SELECT FROM rejects)`).QueryRow(func(row pgx.Row) error { return row.Scan(&k.rejects) })
	}
	if s.Table == "salla_orders" {
		ask.Queue(`
			SELECT order_id
			FROM order_refunds
			WHERE order_id = ANY($1)`, keys).Query(func(rows pgx.Rows) error {
			var key string
			_, err := pgx.ForEachRow(rows, []any{&key}, func() error {
				k.refunded[key] = true
				return nil
			})
			return err
		})
	}
	if customers := k.people.unknown(s, items); len(customers) > 0 {
		ask.Queue(peopleByCustomer, customers).Query(func(rows pgx.Rows) error { return k.people.collect(rows, customers) })
	}
	return k
}

// states reads what is stored under the items' keys.
func (m *merge) states(ctx context.Context, s Shape, items []*item) (map[string]*state, error) {
	var ask pgx.Batch
	k := m.look(&ask, s, items)
	return k.states, wrap(m.tx.SendBatch(ctx, &ask).Close(), "read stored "+s.Resource)
}

const peopleByCustomer = `
	SELECT salla_customer_id, id
	FROM people
	WHERE salla_customer_id = ANY($1)`

// unknown gives the customers to whom items belong that nobody has looked for.
func (p people) unknown(s Shape, items []*item) []string {
	column := customerColumn(s.Table)
	keys := map[string]bool{}
	for _, it := range items {
		key := customerOf(it, column)
		if _, asked := p[key]; !asked && key != "" {
			keys[key] = true
		}
	}
	return slices.Collect(maps.Keys(keys))
}

// collect takes the answer to peopleByCustomer about these customers.
func (p people) collect(rows pgx.Rows, customers []string) error {
	for _, key := range customers {
		p[key] = uuid.Nil
	}
	var key string
	var id uuid.UUID
	_, err := pgx.ForEachRow(rows, []any{&key, &id}, func() error {
		p[key] = id
		return nil
	})
	return err
}
