package imports

import (
	"encoding/json"
	"math/big"
	"strings"
	"time"

	"github.com/wosool/wosool/internal/salla"
)

// fields are the columns that a document fills. What a document does not mention
// is not in it, so that it keeps what another shape of the record said.
type fields map[string]any

// text fills a column from the first of the keys that the document mentions.
func (f fields) text(column string, r reader, keys ...string) { f.textUpTo(maxText, column, r, keys) }

// key fills a column that records are looked up by.
func (f fields) key(column string, r reader, keys ...string) { f.textUpTo(maxKey, column, r, keys) }

func (f fields) textUpTo(most int, column string, r reader, keys []string) {
	for _, key := range keys {
		if r.has(key) {
			f[column] = orNil(r.textUpTo(most, words(column), key))
			return
		}
	}
}

func (f fields) number(column string, r reader, key string) {
	if r.has(key) {
		f[column] = decimal(r.number(words(column), key))
	}
}

func (f fields) money(column string, r reader, key string) {
	if r.has(key) {
		f[column] = decimal(r.money(words(column), key))
	}
}

// words names a column in a reason.
func words(column string) string { return strings.ReplaceAll(column, "_", " ") }

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
