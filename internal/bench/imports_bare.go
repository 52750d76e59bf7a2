package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// bareRow is a row as it is stored: the values of a bareTable's columns.
type bareRow []any

// bareTable is a table that the landing of orders writes, and what it writes there.
type bareTable struct {
	name    string
	columns []string // the first is the key
	key     string   // which of them the unique index holds, as a condition
}

// bareTables are what an order comes to, beside its customer's totals: itself and its
// opportunity.
func bareTables() []bareTable {
	return []bareTable{
		{
			name: "salla_orders", key: "order_id IS NOT NULL",
			columns: []string{
				"order_id", "order_number", "person_id", "salla_customer_id", "customer", "status", "financial_status",
				"fulfillment_status", "currency", "total", "payment_method", "placed_at", "source_document", "source_hash",
				"source_updated_at", "read_at", "seen_run",
			},
		},
		{
			name: "opportunities", key: "salla_order_id IS NOT NULL",
			columns: []string{
				"salla_order_id", "name", "amount", "person_id", "currency", "stage", "close_date", "cart_status",
				"salla_payment_method",
			},
		},
	}
}

// bareTotals brings the totals and tags of the people $1 into line with their orders.
const bareTotals = `
	UPDATE people AS p
	SET orders_count = s.live, total_spent = s.spent, last_order_date = s.last, updated_at = now(),
		salla_tags = CASE
			WHEN s.every >= 3 AND (s.every - s.live) * 2 >= s.every THEN 'RISK'
			WHEN s.live >= 5 AND p.salla_tags = 'VIP' THEN 'VIP'
			WHEN s.recent >= 3 THEN 'FREQUENT_BUYER'
			WHEN greatest(s.first, p.registered_at) >= now() - interval '30 days' THEN 'NEW'
			END
	FROM (
		SELECT person_id, count(*) AS every, min(placed_at) AS first,
			count(*) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')) AS live,
			coalesce(sum(total) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')), 0) AS spent,
			max(placed_at) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')) AS last,
			count(*) FILTER (WHERE status NOT IN ('CANCELED', 'REFUNDED')
				AND placed_at >= now() - interval '180 days') AS recent
		FROM salla_orders
		WHERE person_id = ANY($1)
		GROUP BY person_id) AS s
	WHERE p.id = s.person_id`

// personAt is where a bareRow of salla_orders names its person.
const personAt = 2

// personsOf names the persons of orders.
func personsOf(orders []bareRow) [][16]byte {
	var all [][16]byte
	for _, row := range orders {
		if id, ok := row[personAt].([16]byte); ok {
			all = append(all, id)
		}
	}
	return all
}

// jsonColumn tells whether a column is read, and written, as JSON's text.
func jsonColumn(name string) bool { return name == "customer" || name == "source_document" }

// readRows gives what is stored in each of the tables.
func readRows(ctx context.Context, s *shop) ([][]bareRow, error) {
	var all [][]bareRow
	for _, t := range bareTables() {
		names := slices.Clone(t.columns)
		for i, name := range names {
			if jsonColumn(name) {
				names[i] = name + "::text"
			}
		}
		rows, err := s.conn.Query(ctx, `SELECT `+strings.Join(names, ", ")+` FROM `+t.name+` ORDER BY `+t.columns[0])
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.name, err)
		}
		found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (bareRow, error) { return row.Values() })
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", t.name, err)
		}
		all = append(all, found)
	}
	return all, nil
}

// merge is what both baselines do with a row whose key is there.
func (t bareTable) merge() string {
	set := make([]string, 0, len(t.columns))
	for _, name := range t.columns[1:] {
		set = append(set, name+" = excluded."+name)
	}
	return `ON CONFLICT (` + t.columns[0] + `) WHERE ` + t.key + ` DO UPDATE SET ` + strings.Join(set, ", ")
}

// writeSingles upserts each row in a transaction of its own: an order, its
// opportunity, its customer's totals, and then the next order's.
func writeSingles(ctx context.Context, s *shop, rows [][]bareRow) error {
	tables := bareTables()
	for _, t := range tables {
		places := make([]string, len(t.columns))
		for i := range places {
			places[i] = fmt.Sprintf("$%d", i+1)
		}
		query := `INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `) VALUES (` + strings.Join(places, ", ") + `) ` + t.merge()
		if _, err := s.conn.Prepare(ctx, t.name, query); err != nil {
			return fmt.Errorf("prepare the upsert: %w", err)
		}
	}
	for i := range rows[0] {
		for n, t := range tables {
			if _, err := s.conn.Exec(ctx, t.name, rows[n][i]...); err != nil {
				return fmt.Errorf("upsert into %s: %w", t.name, err)
			}
		}
		if persons := personsOf(rows[0][i : i+1]); len(persons) > 0 {
			if _, err := s.conn.Exec(ctx, bareTotals, persons); err != nil {
				return fmt.Errorf("compute totals: %w", err)
			}
		}
	}
	return nil
}

// writeBulk copies orders and opportunities, a thousand of each a transaction, to
// temporary tables, merges these, and computes the totals of the customers.
func writeBulk(ctx context.Context, s *shop, rows [][]bareRow) error {
	tables := bareTables()
	for _, t := range tables {
		_, err := s.conn.Exec(ctx, `
			CREATE TEMPORARY TABLE stage_`+t.name+` ON COMMIT DELETE ROWS AS
			SELECT `+strings.Join(t.columns, ", ")+`
			FROM `+t.name+`
			WITH NO DATA`)
		if err != nil {
			return fmt.Errorf("make a temporary table: %w", err)
		}
	}
	for from := 0; from < len(rows[0]); from += importBulk {
		to := min(from+importBulk, len(rows[0]))
		err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
			for n, t := range tables {
				if err := t.copy(ctx, tx, rows[n][from:to]); err != nil {
					return fmt.Errorf("copy and merge %s: %w", t.name, err)
				}
			}
			_, err := tx.Exec(ctx, bareTotals, personsOf(rows[0][from:to]))
			return err
		})
		if err != nil {
			return fmt.Errorf("write a bulk: %w", err)
		}
	}
	return nil
}

// copy copies rows to the temporary table and merges that.
func (t bareTable) copy(ctx context.Context, tx pgx.Tx, rows []bareRow) error {
	columns, stage := strings.Join(t.columns, ", "), "stage_"+t.name
	from := pgx.CopyFromSlice(len(rows), func(i int) ([]any, error) { return rows[i], nil })
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{stage}, t.columns, from); err != nil {
		return err
	}
	tag, err := tx.Exec(ctx, `INSERT INTO `+t.name+` (`+columns+`) SELECT `+columns+` FROM `+stage+` `+t.merge())
	if err == nil && tag.RowsAffected() != int64(len(rows)) {
		err = errors.New("not every row was merged")
	}
	return err
}
