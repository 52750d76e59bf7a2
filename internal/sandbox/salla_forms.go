package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
)

// ListForm is how a list pages and writes. The zero value is as documented:
// numbered pages with totals and links, per_page obeyed, days in Riyadh's time and
// wholly inside their range.
type ListForm struct {
	// Cursor tells only what is next, no totals; Next is how: "text" (default, an
	// opaque one), "link", "number", "true", or "object" ({"cursor":{"next":…}}).
	Cursor bool   `json:"cursor,omitempty"`
	Next   string `json:"next,omitempty"`
	// Links of numbered pages: "" as documented, "object" or "list" (always {} or
	// []), "null" (neighbours that are not there are null), or "missing".
	Links string `json:"links,omitempty"`
	// NoTotal leaves out total, totalPages and perPage; NoTotalPages only the second.
	NoTotal      bool `json:"no_total,omitempty"`
	NoTotalPages bool `json:"no_total_pages,omitempty"`
	// Size is how many records a page has whatever is asked for; 0: what is asked.
	Size int `json:"size,omitempty"`
	// Short gives every so-manieth page two records less, which come on the next.
	Short int `json:"short,omitempty"`
	// Beyond is what follows the last page: "" an empty one, "repeat" the last once
	// more, "missing" 404.
	Beyond string `json:"beyond,omitempty"`
	// ToDateExclusive leaves the last day out of a range; FilterUTC takes days in UTC.
	ToDateExclusive bool `json:"to_date_exclusive,omitempty"`
	FilterUTC       bool `json:"filter_utc,omitempty"`
	// Drift writes the younger half of the records in other loose forms: money as
	// plain numbers, a date as text and the other way about, {} for null and [], and
	// some keys missing.
	Drift bool `json:"drift,omitempty"`
}

// form gives how one of a store's lists pages.
func (st *store) form(list string) ListForm {
	f := st.spec.Lists[list]
	f.Cursor = f.Cursor || st.spec.Cursor[list]
	return f
}

// check refuses what no list knows.
func (f ListForm) check(list string) error {
	for _, word := range []struct {
		name, is string
		known    []string
	}{
		{"a list", list, []string{"customers", "products", "orders", "carts"}},
		{"next", f.Next, []string{"", "text", "link", "number", "true", "object"}},
		{"links", f.Links, []string{"", "object", "list", "null", "missing"}},
		{"beyond", f.Beyond, []string{"", "repeat", "missing"}},
	} {
		if !slices.Contains(word.known, word.is) {
			return fmt.Errorf("list %q: %s cannot be %q", list, word.name, word.is)
		}
	}
	if f.Size < 0 || f.Size > perPageMost || f.Short < 0 {
		return fmt.Errorf("list %q: size is between 0 and %d, short 0 or more", list, perPageMost)
	}
	return nil
}

// drifted writes a document in other forms than the usual ones.
func drifted(document []byte) ([]byte, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	var record map[string]any
	if err := d.Decode(&record); err != nil {
		return nil, fmt.Errorf("drift: %w", err)
	}
	for _, key := range []string{"features", "exchange_rate", "can_reorder", "taxed_price", "checkout_url", "groups"} {
		delete(record, key)
	}
	for key, value := range record {
		switch v := value.(type) {
		case nil:
			record[key] = map[string]any{}
		case []any:
			if len(v) == 0 {
				record[key] = map[string]any{}
			}
		case string:
			if key == "updated_at" {
				record[key] = map[string]any{"date": v, "timezone": "Asia/Riyadh"}
			}
		case map[string]any:
			if other := drift(v); other != nil {
				record[key] = other
			}
			if currency, ok := v["currency"]; ok && v["amount"] != nil {
				record["currency"] = currency
			}
		}
	}
	out, err := json.Marshal(record)
	if err != nil {
		return nil, fmt.Errorf("drift: %w", err)
	}
	return out, nil
}

// drift gives a plain value in the place of an amount or a date; nil for others.
func drift(v map[string]any) any {
	if amount := v["amount"]; amount != nil && v["currency"] != nil {
		if text, ok := amount.(string); ok {
			return json.Number(text)
		}
		return amount
	}
	if date, ok := v["date"].(string); ok {
		return date[:min(len(date), len("2006-01-02 15:04:05"))]
	}
	return nil
}
