package blueprint

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoad(t *testing.T) {
	t.Parallel()
	b, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Objects) != 7 || len(b.Extensions) != 3 || len(b.Relations) != 6 {
		t.Errorf("got %d objects, %d extensions, %d relations", len(b.Objects), len(b.Extensions), len(b.Relations))
	}
	tables, err := b.Tables()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, table := range tables {
		names = append(names, table.Name)
	}
	want := []string{
		"people", "opportunities", "workflows", "agent_settings", "salla_products", "salla_orders", "salla_carts",
		"voice_calls", "workflow_executions", "communication_logs",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	b, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	tables, err := b.Tables()
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		table string
		want  Column
	}{
		{"salla_orders", Column{Name: "order_id", SQLType: "text", RequiredLive: true, Unique: true}},
		{"salla_orders", Column{Name: "placed_at", SQLType: "timestamp with time zone", RequiredLive: true}},
		{"salla_orders", Column{Name: "currency", SQLType: "text", Default: "SAR"}},
		{"salla_orders", Column{Name: "person_id", SQLType: "uuid", References: "people"}},
		{"salla_carts", Column{Name: "customer_id", SQLType: "text"}},
		{"people", Column{Name: "salla_customer_id", SQLType: "text", Unique: true}},
		{"people", Column{Name: "total_spent", SQLType: "numeric", Default: json.Number("0")}},
		{"opportunities", Column{Name: "salla_cart_id", SQLType: "text", Unique: true}},
		{"agent_settings", Column{Name: "api_key", SQLType: "text"}},
		{"agent_settings", Column{Name: "store_name", SQLType: "text", NotNull: true}},
		{"agent_settings", Column{Name: "call_triggers", SQLType: "jsonb", Default: []any{"abandoned_cart", "high_value_lead"}}},
		{"voice_calls", Column{Name: "workflow_execution_id", SQLType: "uuid", References: "workflow_executions"}},
		{"communication_logs", Column{
			Name: "channel", SQLType: "text", NotNull: true, Options: []string{"CALL", "WHATSAPP", "EMAIL", "SMS"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.table+"."+tt.want.Name, func(t *testing.T) {
			t.Parallel()
			i := slices.IndexFunc(tables, func(x Table) bool { return x.Name == tt.table })
			j := slices.IndexFunc(tables[i].Columns, func(c Column) bool { return c.Name == tt.want.Name })
			if j < 0 {
				t.Fatal("no such column")
			}
			if diff := cmp.Diff(tt.want, tables[i].Columns[j]); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestMistakesAreNamed(t *testing.T) {
	t.Parallel()
	const field = `{"name":"a","type":"TEXT","label":"A"}`
	object := func(fields string) string {
		return `{"version":1,"objects":[{"nameSingular":"thing","namePlural":"things","labelSingular":"Thing",
			"labelPlural":"Things","fields":[` + fields + `]}]}`
	}
	tests := []struct{ name, file, want string }{
		{"not JSON", `{`, "read blueprint"},
		{"another version", `{"version":2}`, "version is 2"},
		{"field twice", object(field + "," + field), "thing.a: is there twice"},
		{"field name", object(`{"name":"A_b","type":"TEXT","label":"A"}`), "camel case"},
		{"no label", object(`{"name":"a","type":"TEXT"}`), "has no label"},
		{"type", object(`{"name":"a","type":"BLOB","label":"A"}`), `type "BLOB"`},
		{"select without options", object(`{"name":"a","type":"SELECT","label":"A"}`), "options belong"},
		{"text with options", object(`{"name":"a","type":"TEXT","label":"A","options":["X"]}`), "options belong"},
		{"default of another type", object(`{"name":"a","type":"NUMBER","label":"A","defaultValue":"1"}`), "not of type NUMBER"},
		{"default that is no option", object(`{"name":"a","type":"SELECT","label":"A","options":["X"],"defaultValue":"Y"}`), "no option"},
		{"default that is no JSON", object(`{"name":"a","type":"RAW_JSON","label":"A","defaultValue":"["}`), "not JSON"},
		{"lower-case option", object(`{"name":"a","type":"SELECT","label":"A","options":["x"]}`), "upper case"},
		{"extension", `{"version":1,"extensions":[{"object":"nothing","fields":[]}]}`, "no standard object"},
		{
			"extension takes a name", `{"version":1,"extensions":[{"object":"person","fields":[{"name":"email","type":"TEXT","label":"E"}]}]}`,
			"person.email: is there twice",
		},
		{"relation", `{"version":1,"relations":[{"object":"person","name":"x","target":"nothing","type":"MANY_TO_ONE"}]}`, "no such object"},
		{"relation's type", `{"version":1,"relations":[{"object":"person","name":"x","target":"person","type":"ONE"}]}`, "not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parse([]byte(tt.file))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want it to name %q", err, tt.want)
			}
		})
	}
}

func TestTwentyName(t *testing.T) {
	t.Parallel()
	for _, tt := range [][3]string{
		{"sallaOrder", "currency", "currencyCode"}, {"opportunity", "currency", "currency"}, {"sallaCart", "source", "source"},
	} {
		if got := TwentyName(tt[0], tt[1]); got != tt[2] {
			t.Errorf("%s.%s: got %s, want %s", tt[0], tt[1], got, tt[2])
		}
	}
}
