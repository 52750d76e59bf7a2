package imports

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/wosool/wosool/internal/salla"
)

// hashVersion is raised with the mapping, so that a record is stored anew by what
// the mapping makes of it now.
const hashVersion = "1"

// volatile are the keys whose values change by themselves, or with things that are
// no property of the record: how old a cart is, whether a merchant has looked at
// an order, how often a product was seen.
var volatile = map[string]bool{
	"age_in_minutes": true, "views": true, "read": true, "can_cancel": true, "can_reorder": true, "actions": true,
	"pending_payment_ends_at": true, "update_at": true, "last_login_date": true, "latest_purchase": true,
}

// guestKeys change with the customer and not with the order or cart that names one.
var guestKeys = map[string]bool{"updated_at": true, "groups": true}

// hashOf gives the hash of what a document lastingly says. The order of keys and
// the way a number is written do not count.
func hashOf(raw json.RawMessage) []byte {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if d.Decode(&v) != nil {
		sum := sha256.Sum256(append([]byte(hashVersion+"\n!"), raw...))
		return sum[:]
	}
	b := bytes.NewBufferString(hashVersion + "\n")
	canonical(b, v, false)
	sum := sha256.Sum256(b.Bytes())
	return sum[:]
}

func canonical(b *bytes.Buffer, v any, guest bool) {
	switch v := v.(type) {
	case map[string]any:
		b.WriteByte('{')
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if volatile[key] || guest && guestKeys[key] {
				continue
			}
			write(b, key)
			b.WriteByte(':')
			canonical(b, v[key], key == "customer")
			b.WriteByte(',')
		}
		b.WriteByte('}')
	case []any:
		b.WriteByte('[')
		for _, one := range v {
			canonical(b, one, false)
			b.WriteByte(',')
		}
		b.WriteByte(']')
	case json.Number:
		n, err := salla.ParseNumber(v.String())
		if err != nil {
			b.WriteString(v.String())
			return
		}
		whole, fraction, _ := strings.Cut(string(n), ".")
		b.WriteString(whole)
		if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
			b.WriteString("." + fraction)
		}
	default:
		write(b, v)
	}
}

func write(b *bytes.Buffer, v any) {
	if s, ok := v.(string); ok {
		b.Write(strconv.AppendQuote(b.AvailableBuffer(), s))
		return
	}
	raw, err := json.Marshal(v)
	if err != nil {
		raw = []byte("?")
	}
	b.Write(raw)
}
