package tenantdb

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/wosool/wosool/internal/blueprint"
)

// customerColumn is the column of a table that names the source's customer to whom
// a row belongs, "" where rows belong to nobody.
func customerColumn(table string) string {
	return map[string]string{"salla_orders": "salla_customer_id", "salla_carts": "customer_id"}[table]
}

// insert copies new rows into the table, linked to their people. There is no
// conflict to be asked for: the merge lock lets nobody else add one. A value that
// the table refuses refuses all of them.
func (m *merge) insert(ctx context.Context, table blueprint.Table, s Shape, items []*item, known *known) error {
	if len(items) == 0 {
		return nil
	}
	if customers := known.people.unknown(s, items); len(customers) > 0 { // they were not mapped when it was asked
		rows, _ := m.tx.Query(ctx, peopleByCustomer, customers)
		if err := known.people.collect(rows, customers); err != nil {
			return fmt.Errorf("find the people of %s: %w", s.Resource, err)
		}
	}
	// The default of an id costs the database more than all the rest of a small column.
	columns := append([]string{"id", s.Key}, written(s, m.run)...)
	customer := customerColumn(s.Table)
	if customer != "" {
		columns = append(columns, "person_id")
	}
	asJSON := make([]bool, len(columns))
	defaults := make([]any, len(columns))
	for i, name := range columns {
		asJSON[i] = name == s.Document
		for _, c := range table.Columns {
			if c.Name == name {
				asJSON[i], defaults[i] = asJSON[i] || c.SQLType == "jsonb", c.Default
			}
		}
	}
	var lines copyText
	for _, it := range items {
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("make an id: %w", err)
		}
		values := columnValues(s, m.run, it)
		values["id"] = id.String()
		if customer != "" {
			if person := known.people[customerOf(it, customer)]; person != uuid.Nil {
				values["person_id"] = person.String()
				m.derived.person(person)
			}
		}
		for i, name := range columns {
			v, named := values[name]
			if !named {
				v = defaults[i]
			}
			if err := lines.value(i, v, asJSON[i]); err != nil {
				return err
			}
		}
		lines.WriteByte('\n')
	}
	tag, err := m.tx.Conn().PgConn().CopyFrom(ctx, &lines.Buffer, `COPY `+s.Table+` (`+strings.Join(columns, ", ")+`) FROM STDIN`)
	if err != nil {
		return err
	}
	if tag.RowsAffected() != int64(len(items)) {
		return fmt.Errorf("%d of %d rows written to %s", tag.RowsAffected(), len(items), s.Table)
	}
	return nil
}

// customerOf is the source's id of the customer to whom an item belongs, "" if to nobody.
func customerOf(it *item, column string) string {
	switch key := it.rec.Fields[column].(type) {
	case string:
		return key
	case json.Number:
		return key.String()
	}
	return ""
}

// copyText is rows in the text form of COPY. What a value becomes in it is what
// jsonb_populate_record would make of it, so that both ways in store the same.
type copyText struct{ bytes.Buffer }

// value writes a row's value at that place.
func (t *copyText) value(place int, v any, asJSON bool) error {
	if place > 0 {
		t.WriteByte('\t')
	}
	switch v := v.(type) {
	case nil:
		t.null()
		return nil
	case string:
		if !asJSON {
			t.escaped([]byte(v))
			return nil
		}
	case bool:
		if v {
			t.WriteString("true")
		} else {
			t.WriteString("false")
		}
		return nil
	case time.Time:
		if y := v.Year(); y >= 0 && y <= 9999 && !asJSON {
			t.Write(v.AppendFormat(t.AvailableBuffer(), time.RFC3339Nano))
			return nil
		}
	case *time.Time:
		if v == nil {
			t.null()
			return nil
		}
		return t.instant(*v)
	case json.RawMessage:
		if asJSON && len(v) > 0 {
			t.json(bytes.TrimSpace(v))
			return nil
		}
	}
	encoded, err := encode(v)
	if err != nil {
		return err
	}
	encoded = bytes.TrimSpace(encoded)
	text := ""
	if !asJSON && encoded[0] == '"' && json.Unmarshal(encoded, &text) == nil {
		t.escaped([]byte(text))
		return nil
	}
	t.json(encoded)
	return nil
}

func (t *copyText) instant(at time.Time) error {
	text, err := at.MarshalText()
	if err != nil {
		return fmt.Errorf("%w: %w", errNotJSON, err)
	}
	t.Write(text)
	return nil
}

func (t *copyText) null() { t.WriteString(`\N`) }

// json writes a value of JSON; its null is the database's.
func (t *copyText) json(doc []byte) {
	if string(doc) == "null" {
		t.null()
		return
	}
	t.escaped(doc)
}

// escaped writes what may hold the characters that COPY gives a meaning.
func (t *copyText) escaped(b []byte) {
	from := 0
	for i, c := range b {
		var as byte
		switch c {
		case '\\':
			as = '\\'
		case '\n':
			as = 'n'
		case '\r':
			as = 'r'
		case '\t':
			as = 't'
		default:
			continue
		}
		t.Write(b[from:i])
		t.WriteByte('\\')
		t.WriteByte(as)
		from = i + 1
	}
	t.Write(b[from:])
}

// columnValues gives what a record says of its row, by column.
func columnValues(s Shape, run uuid.UUID, it *item) map[string]any {
	v := make(map[string]any, len(it.rec.Fields)+8)
	maps.Copy(v, it.rec.Fields)
	v[s.Key], v[s.Document] = it.rec.Key, it.rec.Document
	v[s.Hash] = `\x` + hex.EncodeToString(it.rec.Hash)
	v["read_at"] = it.rec.ReadAt
	if !s.Part {
		v["source_updated_at"] = it.rec.SourceUpdatedAt
	}
	if s.seen != "" && run != uuid.Nil {
		v[s.seen] = run
	}
	return v
}
