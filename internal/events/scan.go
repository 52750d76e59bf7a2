package events

import (
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/wosool/wosool/internal/protect"
)

// document is what one pass over a JSON body finds.
type document struct {
	// Redacted is the document with the value of every credential replaced, at any
	// depth, and without the white space between its tokens. All else keeps its bytes:
	// numbers their digits, strings their escapes. It may be the body itself.
	Redacted []byte
	// Secret tells whether there is a credential in it.
	Secret bool
	// Fits tells whether jsonb can hold what is redacted: it has no NUL, no half of a
	// surrogate pair, no invalid UTF-8, no number out of range, and is not too deep.
	Fits bool
	// Object tells whether it is an object; its fields are those of the envelope, as
	// they came, nil where there is none.
	Object bool
	Fields fields
}

// fields are the members of an envelope.
type fields struct{ Event, Type, Merchant, CreatedAt, Data json.RawMessage }

const (
	// maxDepth is how deep jsonb is trusted to nest.
	maxDepth = 500
	// maxNesting is how deep encoding/json follows; what is deeper is no JSON to it.
	maxNesting = 10000
	// maxExponent is far below what PostgreSQL's numeric can hold.
	maxExponent = 1000
)

// scan reads a body in one pass; ok is false where it is not JSON. It is strict as
// encoding/json is, and walks with a stack of its own: a delivery may nest as deep
// as its size allows.
func scan(body []byte) (doc document, ok bool) {
	s := scanner{in: body, fits: true}
	var open [64]byte
	s.open = open[:0]
	if !s.document() {
		return document{}, false
	}
	doc = document{Secret: s.secret, Object: s.object, Fields: s.fields}
	if s.out == nil {
		doc.Redacted = s.in[s.from:s.at]
	} else {
		s.flush()
		doc.Redacted = s.out
	}
	doc.Fits = s.fits && utf8.Valid(doc.Redacted)
	return doc, true
}

type scanner struct {
	in     []byte
	at     int
	open   []byte // the brackets of the containers that are open
	object bool
	fields fields

	// What is between from and at is to be copied to out, once anything is left out.
	out  []byte
	from int

	hide   bool // the next value is a credential's
	hidden int  // how deep such a value is, while in it; 0: not in one
	secret bool
	fits   bool

	field *json.RawMessage // where the envelope's next value goes
	begun int              // where it begins
}

// What may come next.
type expect int

const (
	aValue expect = iota
	aValueOrEnd
	aKey
	aKeyOrEnd
	aColon
	aCommaOrEnd
	nothing
)

// document reads one value and what little may be around it.
func (s *scanner) document() bool {
	next := aValue
	for s.at < len(s.in) {
		c := s.in[s.at]
		if c == ' ' || c == '\n' || c == '\t' || c == '\r' {
			s.drop()
			continue
		}
		after, ok := s.token(c, next)
		if !ok {
			return false
		}
		next = after
	}
	return next == nothing
}

// token reads the token that begins with c, where next is expected, and tells what
// is expected after it.
func (s *scanner) token(c byte, next expect) (expect, bool) {
	switch next {
	case aKey, aKeyOrEnd:
		if c == '}' && next == aKeyOrEnd {
			return s.close()
		}
		return aColon, c == '"' && s.key()
	case aColon:
		s.at++
		return aValue, c == ':'
	case aCommaOrEnd:
		inside := s.open[len(s.open)-1]
		switch {
		case c == ',' && inside == '{':
			s.at++
			return aKey, true
		case c == ',':
			s.at++
			return aValue, true
		case c == '}' && inside == '{', c == ']' && inside == '[':
			return s.close()
		}
		return nothing, false
	case aValueOrEnd:
		if c == ']' {
			return s.close()
		}
		return s.value(c)
	case aValue:
		return s.value(c)
	}
	return nothing, false
}

// value reads a value, or the beginning of a container.
func (s *scanner) value(c byte) (expect, bool) {
	if s.hide {
		s.flush()
		s.hide, s.hidden = false, len(s.open)+1
	}
	if s.field != nil && len(s.open) == 1 {
		s.begun = s.at
	}
	ok := false
	switch {
	case c == '{', c == '[':
		if len(s.open) == 0 {
			s.object = c == '{'
		}
		if len(s.open) >= maxNesting {
			return nothing, false
		}
		s.open = append(s.open, c)
		if len(s.open) > maxDepth {
			s.unfit()
		}
		s.at++
		if c == '{' {
			return aKeyOrEnd, true
		}
		return aValueOrEnd, true
	case c == '"':
		ok = s.text()
	case c == 't':
		ok = s.word("true")
	case c == 'f':
		ok = s.word("false")
	case c == 'n':
		ok = s.word("null")
	case c == '-' || c >= '0' && c <= '9':
		ok = s.number()
	}
	return s.ended(), ok
}

// close reads the end of the innermost container.
func (s *scanner) close() (expect, bool) {
	s.open = s.open[:len(s.open)-1]
	s.at++
	return s.ended(), true
}

// ended is called after each value.
func (s *scanner) ended() expect {
	depth := len(s.open)
	if s.hidden == depth+1 {
		s.hidden = 0
		s.out = append(s.out, `"`+redacted+`"`...)
		s.from = s.at
	}
	if depth == 0 {
		return nothing
	}
	if depth == 1 && s.field != nil {
		*s.field, s.field = s.in[s.begun:s.at:s.at], nil
	}
	return aCommaOrEnd
}

// drop leaves out a byte of white space.
func (s *scanner) drop() {
	if s.hidden == 0 {
		if s.from < s.at {
			s.flush()
		}
		s.from = s.at + 1
	}
	s.at++
}

// flush copies what was read since the last time, or since something was left out.
func (s *scanner) flush() {
	if s.out == nil {
		s.out = make([]byte, 0, len(s.in)+len(redacted))
	}
	s.out = append(s.out, s.in[s.from:s.at]...)
	s.from = s.at
}

// unfit notes that jsonb can't hold what was just read, unless it is replaced.
func (s *scanner) unfit() {
	if s.hidden == 0 {
		s.fits = false
	}
}

// key reads an object's key and sees what its value is.
func (s *scanner) key() bool {
	begun := s.at
	plain, ok := s.literal()
	if !ok {
		return false
	}
	name := s.in[begun+1 : s.at-1]
	if !plain {
		name = []byte(unquote(s.in[begun:s.at]))
	}
	if s.hidden == 0 && credential(name, plain) {
		s.secret = true
		s.hide = protect.Redaction
	}
	if len(s.open) == 1 {
		s.field = s.fields.named(name)
	}
	return true
}

// named gives the member of that name, nil for others. The last of a name counts.
func (f *fields) named(name []byte) *json.RawMessage {
	switch string(name) {
	case "event":
		return &f.Event
	case "type":
		return &f.Type
	case "merchant":
		return &f.Merchant
	case "created_at":
		return &f.CreatedAt
	case "data":
		return &f.Data
	}
	return nil
}

// text reads a string that is a value.
func (s *scanner) text() bool {
	_, ok := s.literal()
	return ok
}

// literal reads a string. plain tells that it has neither escapes nor letters
// beyond ASCII: it reads as it is written.
func (s *scanner) literal() (plain, ok bool) {
	in, i := s.in, s.at+1
	plain = true
	for i < len(in) {
		switch c := in[i]; {
		case c == '"':
			s.at = i + 1
			return plain, true
		case c == '\\':
			plain = false
			n := s.escape(in[i:])
			if n == 0 {
				return false, false
			}
			i += n
		case c < ' ':
			return false, false
		default:
			plain = plain && c < utf8.RuneSelf
			i++
		}
	}
	return false, false
}

// escape gives the length of the escape that at begins with, 0 if it is none.
func (s *scanner) escape(at []byte) int {
	if len(at) < 2 {
		return 0
	}
	switch at[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
	default:
		return 0
	}
	switch r, ok := hex4(at[2:]); {
	case !ok:
		return 0
	case utf16.IsSurrogate(r):
		low, _ := hex4(at[min(8, len(at)):])
		if len(at) >= 12 && at[6] == '\\' && at[7] == 'u' && utf16.DecodeRune(r, low) != utf8.RuneError {
			return 12
		}
		s.unfit()
	case r == 0:
		s.unfit()
	}
	return 6
}

// hex4 reads the four digits that at begins with.
func hex4(at []byte) (rune, bool) {
	if len(at) < 4 {
		return 0, false
	}
	var r rune
	for _, c := range at[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// word reads one of the words that are values.
func (s *scanner) word(w string) bool {
	if len(s.in)-s.at < len(w) || string(s.in[s.at:s.at+len(w)]) != w {
		return false
	}
	s.at += len(w)
	return true
}

// number reads a number.
func (s *scanner) number() bool {
	s.skip('-')
	if !s.skip('0') && !s.digits() {
		return false
	}
	if s.skip('.') && !s.digits() {
		return false
	}
	if !s.skip('e') && !s.skip('E') {
		return true
	}
	if !s.skip('-') {
		s.skip('+')
	}
	begun := s.at
	if !s.digits() {
		return false
	}
	if n, err := strconv.Atoi(string(s.in[begun:s.at])); err != nil || n > maxExponent {
		s.unfit()
	}
	return true
}

func (s *scanner) skip(c byte) bool {
	if s.at < len(s.in) && s.in[s.at] == c {
		s.at++
		return true
	}
	return false
}

func (s *scanner) digits() bool {
	begun := s.at
	for s.at < len(s.in) && s.in[s.at] >= '0' && s.in[s.at] <= '9' {
		s.at++
	}
	return s.at > begun
}
