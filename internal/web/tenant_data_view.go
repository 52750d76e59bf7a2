package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/tenantdb"
	"github.com/wosool/wosool/templates"
)

// fillRecord puts a record into its page.
func fillRecord(v *templates.RecordView, table tenantdb.Browsable, key string, record tenantdb.BrowsedRecord,
	at func(time.Time) templates.Moment,
) error {
	source, read, updated := momentOf(at, record.SourceAt), momentOf(at, record.ReadAt), at(record.UpdatedAt)
	v.Title, v.Note = strings.TrimSuffix(table.Name, "s")+" "+key, "the row as it is stored, beside what Salla said"
	if table.Name == "people" {
		v.Title = "person " + key
	}
	v.Facts = []templates.Fact{
		{Label: "Changed at Salla", Time: &source}, {Label: "Read", Time: &read}, {Label: "Stored", Time: &updated},
	}
	if record.DeletedAt != nil {
		m := at(*record.DeletedAt)
		v.Facts = append(v.Facts, templates.Fact{Label: "Deleted", Kind: templates.Off, Time: &m, Note: "only ids and times are kept"})
	}
	var row map[string]any
	dec := json.NewDecoder(bytes.NewReader(record.Row))
	dec.UseNumber() // amounts are exact
	if err := dec.Decode(&row); err != nil {
		return fmt.Errorf("read a record: %w", err)
	}
	var blank []string
	for _, name := range sortedKeys(row, "id", "salla_customer_id", "salla_product_id", "order_id", "order_number", "salla_cart_id") {
		if row[name] == nil {
			blank = append(blank, name)
			continue
		}
		field := fieldFact(name, row[name])
		field.Note = sourcePath(table.Name, name)
		v.Fields = append(v.Fields, field)
	}
	v.Blank = strings.Join(blank, ", ")
	for _, doc := range record.Documents {
		v.Documents = append(v.Documents, templates.PayloadView{Title: documentTitle(doc.Shape), Text: string(doc.Text), JSON: true})
	}
	if len(v.Documents) == 0 {
		v.Empty = &templates.EmptyView{Title: "No document is kept", Text: "The record was deleted: what Salla said of it is gone, too."}
	}
	return nil
}

func documentTitle(shape string) string {
	switch shape {
	case "list":
		return "As the list gave it"
	case "detail":
		return "As a single read gave it"
	case "items":
		return "Its items"
	}
	return "As an event gave it"
}

// fieldFact is one column of a record.
func fieldFact(name string, value any) templates.Fact {
	if value, ok := value.(string); ok {
		return templates.Fact{Label: name, Value: value}
	}
	out, err := json.Marshal(value)
	if err != nil {
		return templates.Fact{Label: name, Value: fmt.Sprint(value)}
	}
	return templates.Fact{Label: name, Value: string(out), Mono: true}
}

// sortedKeys gives the names of a record's columns: its ids first, the rest in order.
func sortedKeys(row map[string]any, first ...string) []string {
	var keys []string
	for k := range row {
		if !slices.Contains(first, k) {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	var list []string
	for _, k := range first {
		if _, ok := row[k]; ok {
			list = append(list, k)
		}
	}
	return append(list, keys...)
}
