package imports

import (
	"bytes"
	"encoding/json"
	"math/big"
	"regexp"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/salla"
)

// document is one of the source's records, or an object in it. Its methods bear
// every type that Salla is known to write a value in; what they cannot read they
// give as nothing, and the document that is kept along tells the rest.
type document map[string]json.RawMessage

// parse reads an object; nil where raw is none.
func parse(raw json.RawMessage) document {
	var d document
	if len(raw) == 0 || json.Unmarshal(raw, &d) != nil {
		return nil
	}
	return d
}

// has tells whether the key is there, be it null.
func (d document) has(key string) bool {
	_, ok := d[key]
	return ok
}

// said tells whether the key is there with more than null.
func (d document) said(key string) bool {
	raw, ok := d[key]
	return ok && string(bytes.TrimSpace(raw)) != "null"
}

// object gives a nested object; nil for [], null and whatever else is none.
func (d document) object(key string) document { return parse(d[key]) }

// text gives a string, or a number as text; "" for anything else, and for the
// word null, which Salla writes for nothing at times.
func (d document) text(key string) string { return textOf(d[key]) }

func textOf(raw json.RawMessage) string {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return ""
	}
	s := ""
	switch c := raw[0]; {
	case c == '"':
		if json.Unmarshal(raw, &s) != nil {
			return ""
		}
	case c == '-', c >= '0' && c <= '9':
		s = string(raw)
	}
	if s = strings.TrimSpace(s); s == "null" {
		return ""
	}
	return s
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// id gives an id of the source, "" where there is none that could be asked for.
func (d document) id(key string) string {
	s := salla.Digits(d.text(key))
	if n, err := salla.ParseNumber(s); err == nil && n != "" {
		v, whole := n.Int64()
		if !whole || v <= 0 {
			return ""
		}
		digits, _, _ := strings.Cut(string(n), ".")
		return digits
	}
	if !idForm.MatchString(s) {
		return ""
	}
	return s
}

// number gives an exact decimal, "" where there is none.
func (d document) number(key string) salla.Number {
	var n salla.Number
	if raw := bytes.TrimSpace(d[key]); len(raw) == 0 || n.UnmarshalJSON(raw) != nil {
		return ""
	}
	return n
}

// money gives an amount, empty where there is none.
func (d document) money(key string) salla.Money {
	var m salla.Money
	if raw := bytes.TrimSpace(d[key]); len(raw) == 0 || m.UnmarshalJSON(raw) != nil {
		return salla.Money{}
	}
	return m
}

// time gives an instant; nil where there is none.
func (d document) time(key string) *time.Time {
	t, ok := salla.ParseTime(d[key])
	if !ok {
		return nil
	}
	return &t
}

// yes reads a boolean, a 0 or 1, and both as strings.
func (d document) yes(key string) (value, ok bool) {
	switch strings.ToLower(strings.Trim(string(bytes.TrimSpace(d[key])), `"`)) {
	case "true", "1", "yes":
		return true, true
	case "false", "0", "no":
		return false, true
	}
	return false, false
}

// list gives the objects of a list; what is no object is left out.
func (d document) list(key string) []document { return objects(d[key]) }

func objects(raw json.RawMessage) []document {
	var all []json.RawMessage
	if len(raw) == 0 || json.Unmarshal(raw, &all) != nil {
		return nil
	}
	var found []document
	for _, one := range all {
		if d := parse(one); d != nil {
			found = append(found, d)
		}
	}
	return found
}

// fields are the columns that a document fills. What a document does not mention
// is not in it, so that it keeps what another shape of the record said.
type fields map[string]any

// text fills a column from the first of the keys that the document mentions.
func (f fields) text(column string, d document, keys ...string) {
	for _, key := range keys {
		if d.has(key) {
			f[column] = orNil(d.text(key))
			return
		}
	}
}

func (f fields) number(column string, d document, key string) {
	if d.has(key) {
		f[column] = decimal(d.number(key))
	}
}

func (f fields) money(column string, d document, key string) {
	if d.has(key) {
		f[column] = decimal(d.money(key).Amount)
	}
}

// orNil gives nil, which empties a column, for nothing.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func decimal(n salla.Number) any {
	if n == "" {
		return nil
	}
	return json.Number(n)
}

func instant(t *time.Time) any {
	if t == nil {
		return nil
	}
	return *t
}

// sum adds exactly; "" counts as nothing, and nothing but such gives "".
func sum(all ...salla.Number) salla.Number {
	total, places, any := new(big.Rat), 0, false
	for _, n := range all {
		r, ok := new(big.Rat).SetString(string(n))
		if !ok {
			continue
		}
		any = true
		if _, fraction, found := strings.Cut(string(n), "."); found {
			places = max(places, len(fraction))
		}
		total.Add(total, r)
	}
	if !any {
		return ""
	}
	return salla.Number(total.FloatString(places))
}
