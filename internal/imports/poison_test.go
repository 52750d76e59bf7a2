package imports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/wosool/wosool/internal/salla"
	"github.com/wosool/wosool/internal/tenantdb"
)

// Recorded is one of the source's documents, in one of the forms that it gives a
// record.
type Recorded struct {
	Resource, Fixture string
	Form              form
	Document          json.RawMessage
}

// AllRecorded gives a document of every form of every resource. The order in an
// order.status.updated and in an event's other forms are orders as events bring them.
func AllRecorded(t testing.TB) []Recorded {
	t.Helper()
	all := []Recorded{
		{Resource: tenantdb.Customers, Fixture: "list_customers", Form: asListed},
		{Resource: tenantdb.Customers, Fixture: "customer_details", Form: asDetail},
		{Resource: tenantdb.Customers, Fixture: "webhook_customer.created", Form: asEvent},
		{Resource: tenantdb.Products, Fixture: "list_products", Form: asListed},
		{Resource: tenantdb.Products, Fixture: "product_details", Form: asDetail},
		{Resource: tenantdb.Products, Fixture: "webhook_product.updated", Form: asEvent},
		{Resource: tenantdb.Products, Fixture: "webhook_product.price.updated", Form: asEvent},
		{Resource: tenantdb.Orders, Fixture: "list_orders", Form: asListed},
		{Resource: tenantdb.Orders, Fixture: "order_details", Form: asDetail},
		{Resource: tenantdb.Orders, Fixture: "order_details_full", Form: asDetail},
		{Resource: tenantdb.Orders, Fixture: "webhook_order.created", Form: asEvent},
		{Resource: tenantdb.Orders, Fixture: "webhook_order.status.updated", Form: asEvent},
		{Resource: tenantdb.Carts, Fixture: "list_abandoned_carts", Form: asListed},
		{Resource: tenantdb.Carts, Fixture: "list_abandoned_carts", Form: asDetail},
		{Resource: tenantdb.Carts, Fixture: "webhook_abandoned.cart", Form: asEvent},
		{Resource: tenantdb.Carts, Fixture: "webhook_abandoned.cart.purchased", Form: asEvent},
		{Resource: tenantdb.Carts, Fixture: "webhook_abandoned.cart.status.changed", Form: asEvent},
	}
	for i := range all {
		doc := fixture(t, all[i].Fixture)[0]
		if order, inside := parse(doc)["order"]; inside {
			doc = order
		}
		all[i].Document = compact(t, doc)
	}
	return all
}

func compact(t testing.TB, raw json.RawMessage) json.RawMessage {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// Place is a value in a document: its path, and where it stands.
type Place struct {
	Path       string
	Start, End int
}

// Replace puts another value in the place.
func (p Place) Replace(doc json.RawMessage, value string) json.RawMessage {
	return slices.Concat(doc[:p.Start], []byte(value), doc[p.End:])
}

// Places lists every value of a compact document at any depth, of lists the first
// element.
func Places(t testing.TB, doc json.RawMessage) []Place {
	t.Helper()
	var found []Place
	collectPlaces(t, doc, 0, "", &found)
	return found
}

func collectPlaces(t testing.TB, doc json.RawMessage, base int, path string, into *[]Place) {
	t.Helper()
	if len(doc) == 0 || doc[0] != '{' && doc[0] != '[' {
		return
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	next := func() json.Token {
		token, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	opening := next()
	for i := 0; d.More(); i++ {
		at := fmt.Sprintf("%s[%d]", path, i)
		if opening == json.Delim('{') {
			at = strings.TrimPrefix(fmt.Sprintf("%s.%v", path, next()), ".")
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			t.Fatal(err)
		}
		end := base + int(d.InputOffset())
		if i > 0 && opening == json.Delim('[') {
			continue
		}
		*into = append(*into, Place{at, end - len(value), end})
		collectPlaces(t, value, end-len(value), at, into)
	}
}

// Reduced is the record with no more than what is required, what orders it, and one
// part: so much smaller that every value in the part can be poisoned in no time.
func Reduced(t testing.TB, doc json.RawMessage, part string) json.RawMessage {
	t.Helper()
	small := document{}
	for key, value := range parse(doc) {
		if slices.Contains([]string{"id", "name", "price", "date", "updated_at", part}, key) {
			small[key] = value
		}
	}
	return embed(small)
}

// Parts gives a record reduced to each of its parts, with the places in that.
func Parts(t testing.TB, doc json.RawMessage) iter.Seq2[json.RawMessage, []Place] {
	t.Helper()
	return func(yield func(json.RawMessage, []Place) bool) {
		for part := range parse(doc) {
			small := Reduced(t, doc, part)
			places := slices.DeleteFunc(Places(t, small), func(p Place) bool { return !Related(p.Path, part) })
			if !yield(small, places) {
				return
			}
		}
	}
}

// WrongTypes are what each value is replaced by, by name.
func WrongTypes() map[string]string {
	return map[string]string{
		"null": `null`, "true": `true`, "false": `false`, "zero": `0`, "negative": `-1`, "fraction": `1.5`,
		"huge": `1e400`, "huger": `1e999999`, "empty": `""`, "word": `"abc"`, "the word null": `"null"`, "NaN": `"NaN"`,
		"list": `[]`, "numbers": `[1]`, "lists": `[[[]]]`, "object": `{}`, "other object": `{"x":1}`,
		"NUL": `"a\u0000b"`, "half a character": `"\ud800"`, "no UTF-8": "\"\xff\"",
		"deep": strings.Repeat("[", 600) + strings.Repeat("]", 600),
	}
}

// Related tells whether one of two paths is that of the other, or of what it is in.
func Related(a, b string) bool {
	if len(a) > len(b) {
		a, b = b, a
	}
	rest, in := strings.CutPrefix(b, a)
	return in && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// keep maps a document as a page does, and checks it as the database does.
func keep(r Recorded, raw json.RawMessage) (mapped, *invalid) {
	m, err := mapRecord(r.Resource, r.Form, raw, began)
	if bad, ok := errors.AsType[*invalid](err); ok {
		return m, bad
	}
	if err == nil {
		err = tenantdb.CheckDocument(raw)
	}
	if err != nil {
		return m, &invalid{tenantdb.Place(err), err.Error()}
	}
	return m, nil
}

// Every value at any depth of every form of every record, replaced by every wrong
// type: the record is kept with its whole document, or rejected as a whole, by the
// path of what was replaced. With the race detector it is one in eight of them, for
// nothing here runs beside anything else; all of them without.
func TestPoisonedRecordsAreKeptOrRejectedByPath(t *testing.T) {
	t.Parallel()
	for _, r := range AllRecorded(t) {
		t.Run(fmt.Sprintf("%s as %d", r.Fixture, r.Form), func(t *testing.T) {
			t.Parallel()
			rejected, wrong := 0, WrongTypes()
			names := slices.Sorted(maps.Keys(wrong))
			for i, place := range Places(t, r.Document) {
				name := names[i%len(names)]
				poisonOne(t, r, r.Document, place, name, wrong[name])
			}
			for small, places := range Parts(t, r.Document) {
				for i, place := range places {
					for j, name := range names {
						if sampled(i+j) && poisonOne(t, r, small, place, name, wrong[name]) {
							rejected++
						}
					}
				}
			}
			if rejected == 0 {
				t.Error("nothing is ever rejected")
			}
		})
	}
}

// sampled tells whether one of many alike is tried.
func sampled(n int) bool { return !raced || n%8 == 0 }

func poisonOne(t *testing.T, r Recorded, doc json.RawMessage, place Place, name, value string) (rejected bool) {
	t.Helper()
	raw := place.Replace(doc, value)
	m, bad := keep(r, raw)
	if bad == nil {
		if !bytes.Equal(m.Record.Document, raw) || m.Record.Key == "" {
			t.Errorf("%s = %s: the record is kept as another", place.Path, name)
		}
		for column, filled := range m.Record.Fields {
			if b, err := json.Marshal(filled); err != nil || !json.Valid(b) {
				t.Errorf("%s = %s: %s cannot be stored: %v", place.Path, name, column, err)
			}
			if !slices.Contains(m.Shape.Columns, column) {
				t.Errorf("%s = %s: the form fills no column %s", place.Path, name, column)
			}
		}
		return false
	}
	kept := reject(m, r.Resource, raw, bad)
	// The price events of products lack a name, so that this is what they are rejected for.
	incomplete := strings.HasSuffix(r.Fixture, "price.updated") && kept.Field == "name"
	if !Related(kept.Field, place.Path) && !incomplete {
		t.Errorf("%s = %s: the reject names %q: %s", place.Path, name, kept.Field, kept.Reason)
	}
	if !bytes.Equal(kept.Record, raw) || kept.Reason == "" || len(kept.Reason) > 300 {
		t.Errorf("%s = %s: got reject %q of %d bytes", place.Path, name, kept.Reason, len(kept.Record))
	}
	return true
}

// Texts and lists without bounds do not fit, and do not take long.
func TestPoisonBySize(t *testing.T) {
	t.Parallel()
	longest := `"` + strings.Repeat("ا", maxText) + `"`
	long := `"` + strings.Repeat("x", maxText+1) + `"`
	deepest := strings.Repeat(`{"amount":`, 9000) + "1" + strings.Repeat("}", 9000)
	for _, tt := range []struct{ resource, fixture, path, value string }{
		{tenantdb.Products, "list_products", "description", longest},
		{tenantdb.Products, "list_products", "price", long},
		{tenantdb.Products, "list_products", "price", deepest},
		{tenantdb.Products, "list_products", "updated_at", long},
		{tenantdb.Products, "list_products", "sku", `"` + strings.Repeat("x", 3000) + `"`},
		{tenantdb.Customers, "list_customers", "email", `"` + strings.Repeat("x", 3000) + `@example.com"`},
		{tenantdb.Orders, "list_orders", "customer.id", long},
		{tenantdb.Orders, "list_orders", "date", long},
	} {
		r := Recorded{Resource: tt.resource, Fixture: tt.fixture, Document: compact(t, fixture(t, tt.fixture)[0])}
		for _, place := range Places(t, r.Document) {
			if place.Path != tt.path {
				continue
			}
			_, err := mapRecord(r.Resource, r.Form, place.Replace(r.Document, tt.value), began)
			bad, malformed := errors.AsType[*invalid](err)
			if !malformed || !Related(bad.Field, tt.path) || len(bad.Reason) > 300 {
				t.Errorf("%s = %.20s…: got %+v", tt.path, tt.value, bad)
			}
		}
	}
}

// Items of an order that are read by themselves are poisoned likewise.
func TestPoisonedItemsRejectTheOrder(t *testing.T) {
	t.Parallel()
	body := compact(t, json.RawMessage(`[`+string(fixture(t, "list_order_items")[0])+`]`))
	for _, place := range Places(t, body) {
		for name, value := range WrongTypes() {
			raw := place.Replace(body, value)
			part, err := mapItems("7", itemsOf(raw), tenantdb.Record{ReadAt: began})
			bad, malformed := errors.AsType[*invalid](err)
			switch {
			case err != nil && !malformed:
				t.Errorf("%s = %s: %v", place.Path, name, err)
			case malformed && !Related(bad.Field, "items"+place.Path):
				t.Errorf("%s = %s: the reject names %q", place.Path, name, bad.Field)
			case !malformed && (!bytes.Equal(part.Document, raw) || tenantdb.CheckDocument(raw) != nil):
				t.Errorf("%s = %s: what is kept cannot be stored", place.Path, name)
			}
		}
	}
	for _, whole := range []string{`{"x":1}`, `"x"`, `7`, `true`, `[1]`} {
		if _, err := mapItems("7", itemsOf(json.RawMessage(whole)), tenantdb.Record{ReadAt: began}); err == nil {
			t.Errorf("%s is taken for items", whole)
		}
	}
	order := withItems(fixture(t, "order_details")[0], json.RawMessage(`[1]`))
	if d := parse(order); d.id("id") != "1017120475" || string(d["items"]) != "[1]" {
		t.Errorf("the kept order is %s", order)
	}
}

func TestRecordsThatSayNotWhichTheyAre(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`null`: "", `7`: "", `"x"`: "", `[]`: "", `[{"id":1}]`: "", `true`: "",
		`{}`: "id", `{"id":null}`: "id", `{"id":0}`: "id", `{"id":-4}`: "id", `{"id":1.5}`: "id", `{"id":"../x"}`: "id",
		`{"id":{}}`: "id", `{"id":[7]}`: "id", `{"id":true}`: "id", `{"id":1e400}`: "id", `{"id":18446744073709551616}`: "id",
	} {
		for _, resource := range []string{tenantdb.Customers, tenantdb.Products, tenantdb.Orders, tenantdb.Carts} {
			m, err := mapRecord(resource, asListed, json.RawMessage(raw), began)
			bad, ok := errors.AsType[*invalid](err)
			if !ok || bad.Field != want || bad.Reason == "" || m.Record.Key != "" {
				t.Errorf("%s %s: got %v, want a reject of %q", resource, raw, err, want)
			}
		}
	}
	// Of a key that comes twice the last one counts, here as in the database.
	m := mustMap(t, tenantdb.Carts, asListed, json.RawMessage(`{"id":1,"id":7,"total":"abc","total":5}`))
	if got := plain(m.Record.Fields); m.Record.Key != "7" || got["total"] != "5" {
		t.Errorf("got %s of %v", m.Record.Key, got)
	}
}

// Reasons are sentences that name the value, and never what a person is known by.
func TestReasonsAreForPeople(t *testing.T) {
	t.Parallel()
	product, order := fixture(t, "list_products")[0], fixture(t, "order_details")[0]
	customer, cart := fixture(t, "list_customers")[1], fixture(t, "list_abandoned_carts")[0]
	for _, tt := range []struct {
		resource, key, value, field, reason string
		doc                                 json.RawMessage
	}{
		{tenantdb.Orders, "amounts", `{"total":"abc"}`, "amounts.total", `the order's total ("amounts.total") is "abc", which is no amount`, order},
		{tenantdb.Orders, "amounts", `{"total":{"amount":"NaN"}}`, "amounts.total.amount", `the order's total ("amounts.total.amount") is "NaN", which is no amount`, order},
		{tenantdb.Orders, "customer", `{"id":-4}`, "customer.id", `the order's customer's id ("customer.id") is -4, which is no id`, order},
		{tenantdb.Orders, "date", `"2026-99-99 10:00:00"`, "date", `the order's date ("date") is "2026-99-99 10:00:00", which is no date`, order},
		{tenantdb.Orders, "date", `null`, "date", `the order's date ("date") is missing`, order},
		{tenantdb.Orders, "date", `{"date":"2026-01-02 10:00:00","timezone":"Mars/Base"}`, "date.timezone", `the order's date ("date.timezone") is "Mars/Base", which is no time zone`, order},
		{tenantdb.Orders, "status", `[7]`, "status", `the order's status ("status") is a list, not an object`, order},
		{tenantdb.Orders, "currency", `"riyal"`, "currency", `the order's currency ("currency") is "riyal", which is no code of a currency`, order},
		{tenantdb.Orders, "is_pending_payment", `"maybe"`, "is_pending_payment", `the order's state of payment ("is_pending_payment") is "maybe", which is neither yes nor no`, order},
		{tenantdb.Products, "name", `true`, "name", `the product's name ("name") is true, not text`, product},
		{tenantdb.Products, "price", `1e999999`, "price", `the product's price ("price") is a number that is too long`, product},
		{tenantdb.Products, "price", `{"x":1}`, "price", `the product's price ("price") is an object without an amount`, product},
		{tenantdb.Products, "quantity", `"call 0555555555"`, "quantity", `the product's stock quantity ("quantity") is text, not a number`, product},
		{tenantdb.Products, "quantity", `"ali@example.com"`, "quantity", `the product's stock quantity ("quantity") is text, not a number`, product},
		{tenantdb.Products, "quantity", `"+966555555555x"`, "quantity", `the product's stock quantity ("quantity") is text, not a number`, product},
		{tenantdb.Products, "images", `[{"url":"https://x"},7]`, "images[1]", `the product's images ("images[1]") is a number, not an object`, product},
		{tenantdb.Carts, "items", `[{"id":1},{"id":2,"quantity":"two"}]`, "items[1].quantity", `the cart's item's quantity ("items[1].quantity") is "two", which is no number`, cart},
		{tenantdb.Customers, "email", `["a@b.example"]`, "email", `the customer's email ("email") is a list, not text`, customer},
		{tenantdb.Customers, "created_at", `"ahmed"`, "created_at", `the customer's day of registration ("created_at") is text, not a date`, customer},
	} {
		_, err := mapRecord(tt.resource, asDetail, with(t, tt.doc, tt.key, json.RawMessage(tt.value)), began)
		if bad, ok := errors.AsType[*invalid](err); !ok || bad.Field != tt.field || bad.Reason != tt.reason {
			t.Errorf("%s = %s:\ngot  %v\nwant %s", tt.key, tt.value, err, tt.reason)
		}
	}
}

// What is nothing to the source empties a column and rejects nobody but who lacks
// what is required. With the race detector it is one in eight of the combinations.
func TestNothingsAreNoFaults(t *testing.T) {
	t.Parallel()
	for _, r := range AllRecorded(t) {
		needed := map[string]bool{"id": true, "name": true, "price": true, "price.amount": true, "date": true, "date.date": true}
		for small, places := range Parts(t, r.Document) {
			for i, place := range places {
				if needed[place.Path] {
					continue
				}
				for j, value := range []string{`null`, `""`, `"null"`, `[]`, `{}`, `false`} {
					if !sampled(i + j) {
						continue
					}
					_, bad := keep(r, place.Replace(small, value))
					if bad != nil && (!strings.HasSuffix(r.Fixture, "price.updated") || bad.Field != "name") {
						t.Errorf("%s: %s = %s is rejected: %s", r.Fixture, place.Path, value, bad.Reason)
					}
				}
			}
		}
	}
}

func FuzzMapRecord(f *testing.F) {
	for _, r := range AllRecorded(f) {
		f.Add([]byte(r.Document), r.Resource, int(r.Form))
	}
	for _, value := range slices.Sorted(maps.Values(WrongTypes())) {
		f.Add([]byte(`{"id":7,"name":"x","price":`+value+`,"date":`+value+`}`), tenantdb.Products, int(asListed))
	}
	f.Fuzz(func(t *testing.T, raw []byte, resource string, how int) {
		r := Recorded{Resource: resource, Form: form(uint(how) % 3)}
		m, err := mapRecord(r.Resource, r.Form, raw, began)
		bad, malformed := errors.AsType[*invalid](err)
		switch {
		case malformed:
			if bad.Reason == "" || len(bad.Reason) > 1000 {
				t.Errorf("the reason is %q", bad.Reason)
			}
		case err == nil && !m.Deleted:
			if m.Record.Key == "" || m.Record.Key != string(bytes.TrimSpace([]byte(m.Record.Key))) {
				t.Errorf("the key is %q", m.Record.Key)
			}
			if tenantdb.CheckDocument(raw) != nil {
				return
			}
			if b, err := json.Marshal(m.Record.Fields); err != nil || tenantdb.CheckDocument(b) != nil {
				t.Errorf("the fields %s cannot be stored: %v, %v", b, err, tenantdb.CheckDocument(b))
			}
		}
	})
}

func itemsOf(raw json.RawMessage) salla.Document { return salla.Document{Body: raw} }
