package blueprint

import (
	"fmt"
	"strings"
)

// Column is one column that the model asks of a table. Bookkeeping columns (id,
// times, source documents and the like) are not the model's and not listed.
type Column struct {
	Name    string
	SQLType string // as information_schema names it
	Default any    // see Field.DefaultValue
	NotNull bool
	// RequiredLive: NOT NULL except in a tombstone.
	RequiredLive bool
	Unique       bool     // where not null
	Options      []string // the only values, besides null
	References   string   // table that a relation points at
}

// Table is one table of a tenant database.
type Table struct {
	Name     string
	Object   string // the blueprint's singular name
	Imported bool   // filled from the store's own records
	Columns  []Column
}

// standard is a standard object of the CRM: the blueprint only extends it.
type standard struct {
	object, plural string
	fields         []Field
}

func standards() []standard {
	text := func(name, label string) Field { return Field{Name: name, Type: Text, Label: label} }
	return []standard{
		{"person", "people", []Field{
			text("firstName", "First Name"), text("lastName", "Last Name"), text("email", "Email"), text("phone", "Phone"),
			text("city", "City"), text("country", "Country"), text("countryCode", "Country Code"), text("avatarUrl", "Avatar"),
			// When the customer registered: the tag NEW asks for it.
			{Name: "registeredAt", Type: DateTime, Label: "Registered At"},
		}},
		{"opportunity", "opportunities", []Field{
			text("name", "Name"),
			{Name: "amount", Type: Number, Label: "Amount"},
			text("currency", "Currency"),
			text("stage", "Stage"),
			{Name: "closeDate", Type: DateTime, Label: "Close Date"},
			{Name: "sallaCartId", Type: Text, Label: "Salla Cart ID", Unique: true},
		}},
		{"workflow", "workflows", []Field{text("name", "Name")}},
	}
}

// Tables returns the tables of the model's objects, columns in snake case.
func (b *Blueprint) Tables() ([]Table, error) {
	var tables []Table
	for _, s := range standards() {
		fields := s.fields
		for _, e := range b.Extensions {
			if e.Object == s.object {
				fields = append(fields, e.Fields...)
			}
		}
		tables = append(tables, Table{Name: s.plural, Object: s.object, Imported: imported(s.object)})
		if err := tables[len(tables)-1].addFields(fields); err != nil {
			return nil, err
		}
	}
	for _, o := range b.Objects {
		tables = append(tables, Table{Name: snake(o.NamePlural), Object: o.NameSingular, Imported: imported(o.NameSingular)})
		if err := tables[len(tables)-1].addFields(o.Fields); err != nil {
			return nil, err
		}
	}
	names := map[string]string{}
	for _, t := range tables {
		names[t.Object] = t.Name
	}
	for i := range tables {
		t := &tables[i]
		for _, r := range b.Relations {
			if r.Object == t.Object {
				t.Columns = append(t.Columns, reference(r.Name, names[r.Target]))
			}
		}
		t.Columns = append(t.Columns, ours(t.Object, names)...)
	}
	return tables, nil
}

func (t *Table) addFields(fields []Field) error {
	for _, f := range fields {
		d, err := f.DefaultValue()
		if err != nil {
			return fmt.Errorf("field %s.%s: %w", t.Object, f.Name, err)
		}
		required := f.Required && !lacking(t.Object, f.Name)
		t.Columns = append(t.Columns, Column{
			Name: snake(f.Name), SQLType: sqlType(f.Type), Default: d, Options: f.Options,
			NotNull: required && !t.Imported, RequiredLive: required && t.Imported,
			Unique: f.Unique || t.Object == "person" && f.Name == "sallaCustomerId",
		})
	}
	return nil
}

// ours lists what the model adds beside the blueprint: links to people, the
// customer's id by which an order finds them, the currency of money.
func ours(object string, names map[string]string) []Column {
	switch object {
	case "sallaOrder":
		return []Column{reference("contact", names["person"]), {Name: "salla_customer_id", SQLType: sqlType(Text)}}
	case "sallaCart":
		return []Column{reference("contact", names["person"]), {Name: "currency", SQLType: sqlType(Text)}}
	case "sallaProduct":
		return []Column{{Name: "currency", SQLType: sqlType(Text)}}
	case "opportunity":
		return []Column{reference("contact", names["person"])}
	}
	return nil
}

func reference(relation, table string) Column {
	name := snake(relation)
	if relation == "contact" {
		name = "person"
	}
	return Column{Name: name + "_id", SQLType: "uuid", References: table}
}

func imported(object string) bool {
	switch object {
	case "person", "sallaProduct", "sallaOrder", "sallaCart", "opportunity":
		return true
	}
	return false
}

// lacking names the required fields that their source may lack.
func lacking(object, field string) bool {
	switch object + "." + field {
	case "agentSetting.apiKey", "workflow.trigger", "sallaCart.customerId":
		return true
	}
	return false
}

func sqlType(t Type) string {
	switch t {
	case Number:
		return "numeric"
	case Boolean:
		return "boolean"
	case DateTime:
		return "timestamp with time zone"
	case RawJSON:
		return "jsonb"
	case Text, Select:
		return "text"
	}
	return "text"
}

// snake turns camelCase into snake_case.
func snake(camel string) string {
	var s strings.Builder
	for _, r := range camel {
		if r >= 'A' && r <= 'Z' {
			s.WriteByte('_')
			r += 'a' - 'A'
		}
		s.WriteRune(r)
	}
	return s.String()
}
