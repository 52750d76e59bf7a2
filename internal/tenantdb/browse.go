package tenantdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"github.com/wosool/wosool/internal/fault"
)

// browseTimeout bounds each statement of somebody who looks: the store's own work
// goes first.
const browseTimeout = 3 * time.Second

// The kinds of column that a list of records has.
const (
	ColumnText   = "text"
	ColumnNumber = "number"
	ColumnMoney  = "money"  // "12.50 SAR"
	ColumnTime   = "time"   // RFC 3339
	ColumnStatus = "status" // one of few words
)

// BrowseColumn is a column of a list of records.
type BrowseColumn struct {
	Name string
	Kind string
	sql  string
}

// Browsable is a table whose records can be looked at.
type Browsable struct {
	Name     string // people, products, orders or carts
	Resource string // what its records are called at the source
	Columns  []BrowseColumn

	table, key string
	order      string                     // a time that the list is ordered by before the id; "": the id alone
	exact      func(q string) []condition // answered by indexes
	search     func(q string) []condition // what else is looked for where those find nothing
}

// condition is one thing to search by; %s stands for its parameter.
type condition struct {
	sql string
	arg any
}

// Browsables lists the tables whose records can be looked at.
func Browsables() []Browsable {
	text := func(name, sql string) BrowseColumn { return BrowseColumn{name, ColumnText, sql} }
	number := func(name, sql string) BrowseColumn { return BrowseColumn{name, ColumnNumber, sql + "::text"} }
	status := func(name, sql string) BrowseColumn { return BrowseColumn{name, ColumnStatus, sql} }
	money := func(name, sql string) BrowseColumn {
		return BrowseColumn{name, ColumnMoney, "concat_ws(' ', (" + sql + ")::text, CASE WHEN " + sql + " IS NOT NULL THEN currency END)"}
	}
	moment := func(name, sql string) BrowseColumn {
		return BrowseColumn{name, ColumnTime, "to_char(" + sql + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')`}
	}
	return []Browsable{
		{
			Name: "people", Resource: Customers, table: "people", key: "salla_customer_id",
			Columns: []BrowseColumn{
				text("Name", "concat_ws(' ', first_name, last_name)"), text("E-mail", "email"), text("Phone", "phone"),
				text("City", "city"), number("Orders", "orders_count"), number("Spent", "total_spent"),
				status("Tag", "salla_tags"), moment("Last order", "last_order_date"),
			},
			exact: func(q string) []condition {
				return []condition{
					{"salla_customer_id = %s", q}, {"lower(email) = %s", strings.ToLower(q)}, {"phone = ANY(%s)", phones(q)},
				}
			},
			search: func(q string) []condition {
				return []condition{
					{"concat_ws(' ', first_name, last_name) ILIKE %s", like(q)}, {"lower(email) LIKE %s", like(strings.ToLower(q))},
				}
			},
		},
		{
			Name: "products", Resource: Products, table: "salla_products", key: "salla_product_id",
			Columns: []BrowseColumn{
				text("Name", "name"), text("SKU", "sku"), money("Price", "price"), number("Stock", "stock_quantity"),
				status("Status", "status"), moment("Updated", "updated_at"),
			},
			exact: func(q string) []condition {
				return []condition{{"salla_product_id = %s", q}, {"sku = %s", q}}
			},
			search: func(q string) []condition {
				return []condition{{"name ILIKE %s", like(q)}, {"sku ILIKE %s", like(q)}, {"barcode = %s", q}}
			},
		},
		{
			Name: "orders", Resource: Orders, table: "salla_orders", key: "order_id", order: "placed_at",
			Columns: []BrowseColumn{
				text("Number", "coalesce(order_number, order_id)"),
				text("Customer", "concat_ws(' ', customer->>'first_name', customer->>'last_name')"),
				money("Total", "total"), status("Status", "status"), status("Paid", "financial_status"),
				status("Sent", "fulfillment_status"), moment("Placed", "placed_at"),
			},
			exact: func(q string) []condition {
				q = strings.TrimPrefix(q, "#")
				return append(ofPerson(q), condition{"order_id = %s", q}, condition{"salla_customer_id = %s", q})
			},
			search: func(q string) []condition {
				return []condition{
					{"order_number = %s", strings.TrimPrefix(q, "#")},
					{"concat_ws(' ', customer->>'first_name', customer->>'last_name') ILIKE %s", like(q)},
				}
			},
		},
		{
			Name: "carts", Resource: Carts, table: "salla_carts", key: "salla_cart_id",
			Columns: []BrowseColumn{
				text("Cart", "salla_cart_id"),
				text("Customer", "coalesce((SELECT nullif(concat_ws(' ', p.first_name, p.last_name), '') FROM people AS p WHERE p.id = person_id), customer_id)"),
				money("Total", "total"), number("Items", "item_count"), status("Recovery", "recovery_status"),
				status("At Salla", "CASE WHEN left_list THEN 'not listed any more' ELSE 'listed' END"),
				moment("Abandoned", "abandoned_at"),
			},
			exact: func(q string) []condition {
				return append(ofPerson(q), condition{"salla_cart_id = %s", q}, condition{"customer_id = %s", q})
			},
			search: func(q string) []condition {
				return []condition{
					{`person_id IN (SELECT id FROM people WHERE concat_ws(' ', first_name, last_name) ILIKE %s)`, like(q)},
				}
			},
		},
	}
}

// ofPerson finds what belongs to the person of an e-mail address or a phone.
func ofPerson(q string) []condition {
	return []condition{
		{`person_id = ANY(ARRAY(SELECT id FROM people WHERE lower(email) = %s LIMIT 100))`, strings.ToLower(q)},
		{`person_id = ANY(ARRAY(SELECT id FROM people WHERE phone = ANY(%s) LIMIT 100))`, phones(q)},
	}
}

// like is the pattern of what has q in it.
func like(q string) string {
	return "%" + strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(q) + "%"
}

// phones is how a number that somebody typed may stand in the table: E.164.
func phones(q string) []string {
	digits := strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0' + digitValue(r)
		}
		return -1
	}, q)
	digits = strings.TrimPrefix(digits, "00")
	if len(digits) < 7 {
		return []string{}
	}
	return []string{"+" + digits, "+966" + strings.TrimPrefix(digits, "0")}
}

// digitValue reads the digits of Arabic and Persian keyboards, too.
func digitValue(r rune) int32 {
	for _, zero := range []rune{'0', '٠', '۰'} {
		if r >= zero && r <= zero+9 {
			return r - zero
		}
	}
	return 0
}

// BrowsableNamed returns one of the tables, or fault.NotFound.
func BrowsableNamed(name string) (Browsable, error) {
	for _, b := range Browsables() {
		if b.Name == name {
			return b, nil
		}
	}
	return Browsable{}, fault.New(fault.NotFound, "there is no table of records called %q", name)
}

// BrowsePlace is where a page of a list begins or ends.
type BrowsePlace struct {
	At time.Time
	ID uuid.UUID
}

// BrowseFilter chooses records that are not deleted.
type BrowseFilter struct {
	Q      string       // the source's id, e-mail, phone, number, SKU, or a part of a name
	After  *BrowsePlace // the page after this place, or
	Before *BrowsePlace // the page before it
	Limit  int
}

// BrowseRow is a record in a list.
type BrowseRow struct {
	Key   string // the source's id
	Cells []string
	Place BrowsePlace
}

// Browse lists records, newest first, and whether there are more beyond the page.
// A search is answered by indexes where it is a whole id, e-mail, phone or number;
// only else is every record looked at. What takes too long is refused: see TooSlow.
func (d *DB) Browse(ctx context.Context, b Browsable, f BrowseFilter) (rows []BrowseRow, more bool, err error) {
	err = d.looking(ctx, func(tx pgx.Tx) error {
		var conditions []condition
		if q := strings.TrimSpace(f.Q); q != "" {
			conditions = b.exact(q)
			found, err := b.list(ctx, tx, conditions, BrowseFilter{Limit: 1})
			if err != nil {
				return err
			}
			if len(found) == 0 {
				conditions = b.search(q)
			}
		}
		rows, err = b.list(ctx, tx, conditions, f)
		return err
	})
	if err != nil {
		return nil, false, wrap(err, "list "+b.Name)
	}
	if more = len(rows) > f.Limit; more {
		rows = rows[:f.Limit]
	}
	if f.Before != nil {
		slices.Reverse(rows)
	}
	return rows, more, nil
}

// list reads up to one row more than a page, in the direction of the filter.
func (b Browsable) list(ctx context.Context, tx pgx.Tx, conditions []condition, f BrowseFilter) ([]BrowseRow, error) {
	where := []string{"deleted_at IS NULL", b.key + " IS NOT NULL"}
	var args []any
	param := func(v any) string {
		args = append(args, v)
		return fmt.Sprintf("$%d", len(args))
	}
	var either []string
	for _, c := range conditions {
		either = append(either, fmt.Sprintf(c.sql, param(c.arg)))
	}
	if len(either) > 0 {
		where = append(where, "("+strings.Join(either, " OR ")+")")
	}
	beyond := func(sign string, p BrowsePlace) string {
		if b.order == "" {
			return "id " + sign + " " + param(p.ID)
		}
		return "(" + b.order + ", id) " + sign + " (" + param(p.At) + ", " + param(p.ID) + ")"
	}
	direction, order, at := "DESC", "", "'epoch'::timestamptz"
	switch {
	case f.Before != nil:
		direction = "ASC"
		where = append(where, beyond(">", *f.Before))
	case f.After != nil:
		where = append(where, beyond("<", *f.After))
	}
	if b.order != "" {
		order, at = b.order+" "+direction+", ", b.order
	}
	cells := make([]string, len(b.Columns))
	for i, c := range b.Columns {
		cells[i] = "coalesce(" + c.sql + ", '')"
	}
	rows, _ := tx.Query(ctx, fmt.Sprintf(`
		SELECT %s, ARRAY[%s], %s, id
		FROM %s
		WHERE %s
		ORDER BY %sid %s
		LIMIT %d`, b.key, strings.Join(cells, ", "), at, b.table, strings.Join(where, " AND "), order, direction, f.Limit+1), args...)
	return pgx.CollectRows(rows, func(r pgx.CollectableRow) (BrowseRow, error) {
		var row BrowseRow
		err := r.Scan(&row.Key, &row.Cells, &row.Place.At, &row.Place.ID)
		return row, err
	})
}

// TooSlow tells whether err says that a look at the records took longer than it may.
func TooSlow(err error) bool { return hasCode(err, "57014") }

// Document is a record in one of the shapes that the source gives it.
type Document struct {
	Shape string // list, detail, items or event
	Text  json.RawMessage
}

// BrowsedRecord is a record with all that is kept of it.
type BrowsedRecord struct {
	ID        uuid.UUID
	Row       json.RawMessage // the columns, the documents and hashes left out
	Documents []Document
	UpdatedAt time.Time
	SourceAt  *time.Time // the update time that the source gives
	ReadAt    *time.Time // when the request for it began
	DeletedAt *time.Time // a tombstone: only ids and times are left
}

// BrowseRecord returns one record, be it deleted, or fault.NotFound.
func (d *DB) BrowseRecord(ctx context.Context, b Browsable, key string) (BrowsedRecord, error) {
	var r BrowsedRecord
	err := d.looking(ctx, func(tx pgx.Tx) error {
		var list, detail, items, event json.RawMessage
		err := tx.QueryRow(ctx, fmt.Sprintf(`
			SELECT id, updated_at, source_updated_at, read_at, deleted_at,
			       doc->'source_document', doc->'source_detail', doc->'source_items', doc->'source_event',
			       doc - ARRAY['source_document', 'source_detail', 'source_items', 'source_event', 'source_hash',
			                   'detail_hash', 'items_hash', 'event_hash', 'detail_list_hash', 'seen_run', 'detail_run']
			FROM (
				SELECT id, updated_at, source_updated_at, read_at, deleted_at, to_jsonb(t) AS doc
				FROM %s AS t
				WHERE %s = $1
			) AS t`, b.table, b.key), key).
			Scan(&r.ID, &r.UpdatedAt, &r.SourceAt, &r.ReadAt, &r.DeletedAt, &list, &detail, &items, &event, &r.Row)
		if errors.Is(err, pgx.ErrNoRows) {
			return fault.New(fault.NotFound, "there is no such record among the %s", b.Name)
		}
		for _, doc := range []Document{{"list", list}, {"detail", detail}, {"items", items}, {"event", event}} {
			if len(doc.Text) > 0 && string(doc.Text) != "null" {
				r.Documents = append(r.Documents, doc)
			}
		}
		return err
	})
	return r, wrap(err, "read a record of "+b.Name)
}

// TableSize is how large a table of a tenant's database is.
type TableSize struct {
	Name  string
	Rows  int64 // as PostgreSQL estimates it
	Bytes int64 // with its indexes
}

// Sizes returns how large the database and its tables are, the largest first.
func (d *DB) Sizes(ctx context.Context) (whole int64, tables []TableSize, err error) {
	err = d.looking(ctx, func(tx pgx.Tx) error {
		if err := tx.QueryRow(ctx, `SELECT pg_database_size(current_database())`).Scan(&whole); err != nil {
			return err
		}
		rows, _ := tx.Query(ctx, `
			SELECT c.relname AS name, greatest(s.n_live_tup, c.reltuples::bigint, 0) AS rows,
			       pg_total_relation_size(c.oid) AS bytes
			FROM pg_class AS c
			LEFT JOIN pg_stat_user_tables AS s ON s.relid = c.oid
			WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
			ORDER BY bytes DESC, name`)
		tables, err = pgx.CollectRows(rows, pgx.RowToStructByName[TableSize])
		return err
	})
	return whole, tables, wrap(err, "measure the database")
}

// looking runs fn in a transaction that only reads and in which no statement takes
// long.
func (d *DB) looking(ctx context.Context, fn func(pgx.Tx) error) error {
	return d.with(ctx, func(c *pgx.Conn) error {
		return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT set_config('statement_timeout', $1, true), set_config('plan_cache_mode', 'force_custom_plan', true)`,
				fmt.Sprint(browseTimeout.Milliseconds()))
			if err != nil {
				return err
			}
			return fn(tx)
		})
	})
}
