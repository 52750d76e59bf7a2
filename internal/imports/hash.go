package imports

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"strings"

	"github.com/wosool/wosool/internal/rawjson"
	"github.com/wosool/wosool/internal/salla"
)

// hashVersion is raised with the mapping, so that a record is stored anew by what
// the mapping makes of it now.
const hashVersion = "2"

// volatile tells of the keys whose values change by themselves, or with things that
// are no property of the record: how old a cart is, whether a merchant has looked at
// an order, how often a product was seen.
func volatile(key []byte) bool {
	switch string(key) {
	case "age_in_minutes", "views", "read", "can_cancel", "can_reorder", "actions",
		"pending_payment_ends_at", "update_at", "last_login_date", "latest_purchase":
		return true
	}
	return false
}

// guestKey tells of the keys that change with the customer and not with the order
// or cart that names one.
func guestKey(key []byte) bool { return string(key) == "updated_at" || string(key) == "groups" }

// hashOf gives the hash of what a document lastingly says. The order of keys and
// the way a number is written do not count.
func hashOf(raw json.RawMessage) []byte {
	if !json.Valid(raw) {
		sum := sha256.Sum256(append([]byte(hashVersion+"\n!"), raw...))
		return sum[:]
	}
	hash, _ := identify(raw)
	return hash
}

// identify gives the hash of a document that is valid JSON, and of an object those
// members that tell which record it is: all that has to be known of one that has not
// changed. Of what is no object the members are nil.
func identify(raw json.RawMessage) (hash []byte, who document) {
	c := canon{src: raw, out: make([]byte, 0, len(raw)+64)}
	c.out = append(c.out, hashVersion+"\n"...)
	if c.peek() == '{' {
		c.who = document{}
	}
	c.value(false, true)
	sum := sha256.Sum256(c.out)
	return sum[:], c.who
}

// canon writes valid JSON anew: keys in order, numbers and texts in one form, what
// does not last left out. It looks at each byte once and builds nothing.
type canon struct {
	src     []byte
	at      int
	out     []byte
	members []member // of the objects that are open
	scratch []byte
	who     document
}

// member is where a member of an object stands in out.
type member struct {
	key      []byte
	from, to int
}

// peek gives the next byte that is no space.
func (c *canon) peek() byte {
	for c.at < len(c.src) {
		switch b := c.src[c.at]; b {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return b
		}
	}
	return 0
}

// value writes the next value. guest: it is the customer of something else; top: it
// is the document itself.
func (c *canon) value(guest, top bool) {
	switch b := c.peek(); b {
	case '{':
		c.object(guest, top)
	case '[':
		c.at++
		c.out = append(c.out, '[')
		for c.peek() != ']' {
			c.value(false, false)
			c.out = append(c.out, ',')
			if c.peek() == ',' {
				c.at++
			}
		}
		c.at++
		c.out = append(c.out, ']')
	case '"':
		c.out = quoted(c.out, c.text())
	case 't', 'f', 'n':
		n := 4
		if b == 'f' {
			n = 5
		}
		c.out = append(c.out, c.src[c.at:c.at+n]...)
		c.at += n
	default:
		c.number()
	}
}

func (c *canon) object(guest, top bool) {
	first := len(c.members)
	c.at++
	c.out = append(c.out, '{')
	begin, sorted := len(c.out), true
	for c.peek() != '}' {
		key := c.text()
		c.peek()
		c.at++ // the colon
		from := len(c.out)
		c.out = append(quoted(c.out, key), ':')
		c.peek()
		said := c.at
		c.value(string(key) == "customer", false)
		if top {
			switch string(key) {
			case "id", "updated_at", "status":
				c.who[string(key)] = c.src[said:c.at:c.at]
			}
		}
		if volatile(key) || guest && guestKey(key) {
			c.out = c.out[:from]
		} else {
			c.out = append(c.out, ',')
			if n := len(c.members); n > first && bytes.Compare(c.members[n-1].key, key) >= 0 {
				sorted = false
			}
			c.members = append(c.members, member{key, from, len(c.out)})
		}
		if c.peek() == ',' {
			c.at++
		}
	}
	c.at++
	if !sorted {
		c.sort(begin, c.members[first:])
	}
	c.members = c.members[:first]
	c.out = append(c.out, '}')
}

// sort puts the members that begin there in order; of a key that comes twice the
// last one counts.
func (c *canon) sort(begin int, members []member) {
	slices.SortStableFunc(members, func(a, b member) int { return bytes.Compare(a.key, b.key) })
	c.scratch = append(c.scratch[:0], c.out[begin:]...)
	c.out = c.out[:begin]
	for i, m := range members {
		if i+1 < len(members) && bytes.Equal(members[i+1].key, m.key) {
			continue
		}
		c.out = append(c.out, c.scratch[m.from-begin:m.to-begin]...)
	}
}

// text reads a string: a part of what is read where that is what it says.
func (c *canon) text() []byte {
	text, end := rawjson.Text(c.src, c.at)
	c.at = end
	return text
}

// number writes a number without the zeros that say nothing.
func (c *canon) number() {
	from, dot, plain := c.at, -1, true
scan:
	for ; c.at < len(c.src); c.at++ {
		switch b := c.src[c.at]; {
		case b >= '0' && b <= '9':
		case b == '.':
			dot = c.at - from
		case b == '-', b == '+', b == 'e', b == 'E':
			plain = false
		default:
			break scan
		}
	}
	said := c.src[from:c.at]
	if plain && len(said) <= 30 { // what ParseNumber makes of most
		if dot >= 0 {
			said = bytes.TrimSuffix(bytes.TrimRight(said, "0"), []byte{'.'})
		}
		c.out = append(c.out, said...)
		return
	}
	n, err := salla.ParseNumber(string(said))
	if err != nil {
		c.out = append(c.out, said...)
		return
	}
	whole, fraction, _ := strings.Cut(string(n), ".")
	c.out = append(c.out, whole...)
	if fraction = strings.TrimRight(fraction, "0"); fraction != "" {
		c.out = append(append(c.out, '.'), fraction...)
	}
}

// quoted writes a text so that its end can be told; the rest of it stays as it is.
func quoted(out, s []byte) []byte {
	out = append(out, '"')
	if bytes.IndexByte(s, '"') < 0 && bytes.IndexByte(s, '\\') < 0 {
		return append(append(out, s...), '"')
	}
	for _, b := range s {
		if b == '"' || b == '\\' {
			out = append(out, '\\')
		}
		out = append(out, b)
	}
	return append(out, '"')
}
