package tenantdb

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/wosool/wosool/internal/blueprint"
)

// store writes items in at most two statements, one for new rows and one for
// those that are there. Their values travel as one JSON array that the table's
// own row type reads, so a page costs the same few round trips as a record.
func store(ctx context.Context, tx pgx.Tx, table blueprint.Table, s Shape, run uuid.UUID, items []*item) error {
	var fresh, known []map[string]any
	for _, it := range items {
		if it.cur == nil {
			fresh = append(fresh, row(table, s, run, it))
		} else {
			known = append(known, row(table, s, run, it))
		}
	}
	for _, w := range []struct {
		rows  []map[string]any
		query string
	}{{fresh, insertQuery(s, run)}, {known, updateQuery(table, s, run)}} {
		if len(w.rows) == 0 {
			continue
		}
		values, err := encode(w.rows)
		if err != nil {
			return fmt.Errorf("encode %s: %w", s.Resource, err)
		}
		tag, err := tx.Exec(ctx, w.query, values)
		if err != nil {
			return err
		}
		if tag.RowsAffected() != int64(len(w.rows)) {
			return fmt.Errorf("%d of %d rows written to %s", tag.RowsAffected(), len(w.rows), s.Table)
		}
	}
	return nil
}

// row gives an item's columns by name. A new or a lifted row gets the model's
// defaults where the record names no value.
func row(table blueprint.Table, s Shape, run uuid.UUID, it *item) map[string]any {
	v := map[string]any{}
	if it.cur == nil || it.cur.DeletedAt != nil {
		for _, c := range table.Columns {
			if c.Default != nil {
				v[c.Name] = c.Default
			}
		}
	}
	maps.Copy(v, columnValues(s, run, it))
	return v
}

// written lists the columns that a shape's statements set.
func written(s Shape, run uuid.UUID) []string {
	columns := append(slices.Clone(s.Columns), s.Document, s.Hash, "read_at")
	if !s.Part {
		columns = append(columns, "source_updated_at")
	}
	if s.seen != "" && run != uuid.Nil {
		columns = append(columns, s.seen)
	}
	return columns
}

func insertQuery(s Shape, run uuid.UUID) string {
	columns := append([]string{s.Key}, written(s, run)...)
	return fmt.Sprintf(`
		INSERT INTO %[1]s (%[2]s)
		SELECT x.%[3]s
		FROM jsonb_array_elements($1::jsonb) AS r (doc)
		CROSS JOIN LATERAL jsonb_populate_record(NULL::%[1]s, r.doc) AS x`,
		s.Table, strings.Join(columns, ", "), strings.Join(columns, ", x."))
}

// updateQuery keeps what a record does not name, since the stored row is what
// its values are read onto, and takes from the other shapes of the record the
// hash that no longer tells what the row says.
func updateQuery(table blueprint.Table, s Shape, run uuid.UUID) string {
	columns := written(s, run)
	for _, c := range table.Columns { // a lifted tombstone gets its defaults back
		if c.Default != nil && !slices.Contains(columns, c.Name) {
			columns = append(columns, c.Name)
		}
	}
	var set strings.Builder
	for _, c := range columns {
		fmt.Fprintf(&set, ", %s = x.%s", c, c)
	}
	rivals := s.rivals()
	for _, hash := range slices.Sorted(maps.Keys(rivals)) {
		shared := rivals[hash]
		fmt.Fprintf(&set, ", %[1]s = CASE WHEN (o.%[2]s) IS NOT DISTINCT FROM (x.%[3]s) THEN o.%[1]s END",
			hash, strings.Join(shared, ", o."), strings.Join(shared, ", x."))
	}
	if s.Hash == "detail_hash" && s.Table == "salla_orders" {
		// What is stored is newer than the list's document was: see older.
		set.WriteString(", detail_list_hash = o.source_hash")
	}
	return fmt.Sprintf(`
		UPDATE %[1]s AS t
		SET updated_at = now(), deleted_at = NULL%[2]s%[3]s
		FROM jsonb_array_elements($1::jsonb) AS r (doc)
		JOIN %[1]s AS o ON o.%[4]s = r.doc ->> '%[4]s'
		CROSS JOIN LATERAL jsonb_populate_record(o, r.doc) AS x
		WHERE t.id = o.id`, s.Table, set.String(), s.onSeen, s.Key)
}

// errNotJSON is what encode says of a value that JSON has no form for.
var errNotJSON = errors.New("the value cannot be written as JSON")

// encode is json.Marshal without HTML escapes: documents stay as they came.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotJSON, err)
	}
	return b.Bytes(), nil
}

// blame finds the column whose value cannot be stored, and says why.
func (m *merge) blame(ctx context.Context, s Shape, it *item, refused error) (column, reason string, err error) {
	pg, fromDatabase := errors.AsType[*pgconn.PgError](refused)
	if fromDatabase && pg.Code == codeNotNull {
		return pg.ColumnName, "the value is required", nil
	}
	if fromDatabase && pg.Code == codeCheck {
		name := strings.TrimPrefix(pg.ConstraintName, s.Table+"_")
		if c, required := strings.CutSuffix(name, "_required"); required {
			return c, "the value is required", nil
		}
		return strings.TrimSuffix(name, "_check"), "the value is none that the column allows", nil
	}
	fields := map[string]any{s.Document: it.rec.Document}
	maps.Copy(fields, it.rec.Fields)
	for _, c := range slices.Sorted(maps.Keys(fields)) {
		reason, err := m.refusal(ctx, s, c, fields[c])
		if err != nil || reason != "" {
			return c, reason, err
		}
	}
	if fromDatabase {
		return "", pg.Message, nil
	}
	return "", refused.Error(), nil
}

// refusal says why a column cannot hold a value, "" if it can.
func (m *merge) refusal(ctx context.Context, s Shape, column string, value any) (string, error) {
	doc, err := encode(map[string]any{column: value})
	if err == nil {
		err = pgx.BeginFunc(ctx, m.tx, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, `SELECT jsonb_populate_record(NULL::`+s.Table+`, $1::jsonb)`, doc)
			return err
		})
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && isBadValue(err) {
		return pg.Message, nil
	}
	if errors.Is(err, errNotJSON) {
		return errNotJSON.Error(), nil
	}
	return "", wrap(err, "look for the value that is refused")
}
