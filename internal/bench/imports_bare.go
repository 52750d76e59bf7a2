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
	from    string   // what the rows are read by
}

// bareTables are what an order comes to: itself and its opportunity.
func bareTables() []bareTable {
	return []bareTable{
		{
			name: "salla_orders", key: "order_id IS NOT NULL",
			columns: []string{
				"order_id", "order_number", "salla_customer_id", "customer", "status", "financial_status",
				"fulfillment_status", "currency", "total", "payment_method", "placed_at", "source_document", "source_hash",
				"source_updated_at", "read_at", "seen_run",
			},
			from: `salla_orders ORDER BY id`,
		},
		{
			name: "opportunities", key: "salla_order_id IS NOT NULL",
			columns: []string{"salla_order_id", "name", "amount", "currency", "stage", "close_date", "cart_status", "salla_payment_method"},
			from:    `opportunities ORDER BY salla_order_id`,
		},
	}
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
		rows, err := s.conn.Query(ctx, `SELECT `+strings.Join(names, ", ")+` FROM `+t.from)
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

// writeSingles upserts each row in a transaction of its own.
func writeSingles(ctx context.Context, s *shop, rows [][]bareRow) error {
	tables := bareTables()
	for n, t := range tables {
		places := make([]string, len(t.columns))
		for i := range places {
			places[i] = fmt.Sprintf("$%d", i+1)
		}
		query := `INSERT INTO ` + t.name + ` (` + strings.Join(t.columns, ", ") + `) VALUES (` + strings.Join(places, ", ") + `) ` + t.merge()
		if _, err := s.conn.Prepare(ctx, t.name, query); err != nil {
			return fmt.Errorf("prepare the upsert: %w", err)
		}
		for _, row := range rows[n] {
			if _, err := s.conn.Exec(ctx, t.name, row...); err != nil {
				return fmt.Errorf("upsert into %s: %w", t.name, err)
			}
		}
	}
	return nil
}

// writeBulk copies the rows, a thousand a transaction, to a temporary table and
// merges that.
func writeBulk(ctx context.Context, s *shop, rows [][]bareRow) error {
	for n, t := range bareTables() {
		columns := strings.Join(t.columns, ", ")
		stage := "stage_" + t.name
		_, err := s.conn.Exec(ctx, `
			CREATE TEMPORARY TABLE `+stage+` ON COMMIT DELETE ROWS AS
			SELECT `+columns+`
			FROM `+t.name+`
			WITH NO DATA`)
		if err != nil {
			return fmt.Errorf("make a temporary table: %w", err)
		}
		query := `INSERT INTO ` + t.name + ` (` + columns + `) SELECT ` + columns + ` FROM ` + stage + ` ` + t.merge()
		for some := range slices.Chunk(rows[n], importBulk) {
			err := pgx.BeginFunc(ctx, s.conn, func(tx pgx.Tx) error {
				from := pgx.CopyFromSlice(len(some), func(i int) ([]any, error) { return some[i], nil })
				if _, err := tx.CopyFrom(ctx, pgx.Identifier{stage}, t.columns, from); err != nil {
					return err
				}
				tag, err := tx.Exec(ctx, query)
				if err == nil && tag.RowsAffected() != int64(len(some)) {
					err = errors.New("not every row was merged")
				}
				return err
			})
			if err != nil {
				return fmt.Errorf("copy and merge %s: %w", t.name, err)
			}
		}
	}
	return nil
}
