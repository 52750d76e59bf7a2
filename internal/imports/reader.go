package imports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wosool/wosool/internal/salla"
)

const (
	// maxText bounds a text that fills a column: far beyond any description, far
	// below what a page of them may hold.
	maxText = 1 << 20
	// maxKey bounds a text that is looked up by an index, which cannot hold more.
	maxKey = 2000
)

// reader reads what fills columns from one of the source's objects. It bears every
// form that Salla is known to write a value in, and gives nothing for its ways to
// write nothing: a missing key, null, "", "null", [], {}, and false where that is no
// answer. What is left over is malformed: the first such value makes the record's
// fault, and all of them count as nothing.
type reader struct {
	doc     document
	subject string // what the record is, in words
	path    string // of the object in the record: "" or "items[3]."
	private bool   // about a person: no value is ever quoted
	fault   **invalid
}

func read(d document, subject string) reader {
	return reader{doc: d, subject: subject, fault: new(*invalid)}
}

// err is the record's fault, nil if there is none.
func (r reader) err() error {
	if *r.fault == nil {
		return nil
	}
	return *r.fault
}

func (r reader) has(key string) bool { return r.doc.has(key) }

// fail makes the record's fault, unless there is one. what names the value in words;
// it is the one at key.
func (r reader) fail(what, key, wrong string) {
	if *r.fault != nil {
		return
	}
	path := r.path + key
	*r.fault = &invalid{Field: path, Reason: fmt.Sprintf("the %s's %s (%q) %s", r.subject, what, path, wrong)}
}

// missing refuses a record that says nothing of what its table requires.
func (r reader) missing(what, key string) { r.fail(what, key, "is missing") }

// kind is a kind of value, as a reason names it.
type kind struct{ a, no string }

var (
	aText   = kind{"text", "no text"}
	aNumber = kind{"a number", "no number"}
	aMoney  = kind{"an amount", "no amount"}
	aCode   = kind{"the code of a currency", "no code of a currency"}
	aDate   = kind{"a date", "no date"}
	aZone   = kind{"a time zone", "no time zone"}
	anID    = kind{"an id", "no id"}
	aBool   = kind{"yes or no", "neither yes nor no"}
	aList   = kind{"a list", "no list"}
	object  = kind{"an object", "no object"}
)

// wrong refuses a value that is not of the kind that is meant.
func (r reader) wrong(what, key string, raw json.RawMessage, want kind) {
	is := kindOf(raw)
	value, fit := quotable(raw)
	switch {
	case is == aNumber.a && (want == aNumber || want == aMoney):
		r.fail(what, key, "is a number that is too long")
	case fit && !r.private && want != aText && want != aList && want != object:
		r.fail(what, key, "is "+value+", which is "+want.no)
	default:
		r.fail(what, key, "is "+is+", not "+want.a)
	}
}

func kindOf(raw json.RawMessage) string {
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0, raw[0] == 'n':
		return "nothing"
	case raw[0] == '"':
		return aText.a
	case raw[0] == '[':
		return aList.a
	case raw[0] == '{':
		return object.a
	case raw[0] == 't', raw[0] == 'f':
		return string(raw)
	}
	return aNumber.a
}

// maxQuoted is how much of a value a reason quotes, in characters.
const maxQuoted = 24

var (
	dateLike = regexp.MustCompile(`^\d{4}-\d\d-\d\d[\d :.T+-]*$`)
	oneWord  = regexp.MustCompile(`^[\pL\d.,:/+%_-]*$`)
)

// quotable gives a value as a reason may show it. It shows nothing that could be the
// number of a telephone or an account, an address of mail or another text that
// belongs to a person: a word, a small number and a date are none.
func quotable(raw json.RawMessage) (string, bool) {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] == '{' || raw[0] == '[' {
		return "", false
	}
	s := string(raw)
	if raw[0] == '"' && json.Unmarshal(raw, &s) != nil {
		return "", false
	}
	digits := strings.Count(strings.Map(func(r rune) rune {
		if unicode.IsDigit(r) {
			return '0'
		}
		return r
	}, s), "0")
	if !dateLike.MatchString(s) && (digits > 6 || !oneWord.MatchString(s)) {
		return "", false
	}
	if utf8.RuneCountInString(s) > maxQuoted {
		s = string([]rune(s)[:maxQuoted]) + "…"
	}
	if raw[0] == '"' {
		s = `"` + s + `"`
	}
	return s, true
}

// nothing tells whether a value is one of Salla's ways to write nothing.
func nothing(raw json.RawMessage) bool {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 {
		return true
	}
	switch inner := bytes.TrimSpace(raw[1:max(1, len(raw)-1)]); raw[0] {
	case '[', '{', '"':
		return len(inner) == 0 || raw[0] == '"' && string(inner) == "null"
	}
	return string(raw) == "null" || string(raw) == "false"
}

// text gives a string, or a number as text.
func (r reader) text(what, key string) string { return r.textUpTo(maxText, what, key) }

func (r reader) textUpTo(most int, what, key string) string {
	raw := r.doc[key]
	if nothing(raw) {
		return ""
	}
	switch kindOf(raw) {
	case aText.a, aNumber.a:
	default:
		r.wrong(what, key, raw, aText)
		return ""
	}
	s := textOf(raw)
	if len(s) > most {
		r.fail(what, key, fmt.Sprintf("is longer than %d bytes", most))
		return ""
	}
	return s
}

// id gives the id of another record of the source. A guest's is 0, which is none.
func (r reader) id(what, key string) string {
	raw := r.doc[key]
	if nothing(raw) {
		return ""
	}
	id := r.doc.id(key)
	if n, err := salla.ParseNumber(textOf(raw)); id == "" && (err != nil || n == "" || n.Cmp("") != 0) {
		r.wrong(what, key, raw, anID)
	}
	return id
}

// number gives an exact decimal.
func (r reader) number(what, key string) salla.Number { return r.decimal(what, key, aNumber) }

func (r reader) decimal(what, key string, want kind) salla.Number {
	raw := r.doc[key]
	if nothing(raw) {
		return ""
	}
	var n salla.Number
	if n.UnmarshalJSON(bytes.TrimSpace(raw)) != nil {
		r.wrong(what, key, raw, want)
		return ""
	}
	return n
}

// money gives an amount: a number, or an object with the amount and its currency. A
// tax's amount is such an object again.
func (r reader) money(what, key string) salla.Number {
	raw := r.doc[key]
	if kindOf(raw) != object.a {
		return r.decimal(what, key, aMoney)
	}
	m := r.object(what, key)
	if kindOf(m.doc["amount"]) == object.a && !nothing(m.doc["amount"]) {
		m = m.object(what, "amount")
	}
	if m.doc != nil && !m.has("amount") && !m.has("currency") && !m.has("percent") {
		r.fail(what, key, "is an object without an amount")
	}
	return m.decimal(what, "amount", aMoney)
}

var currencyCode = regexp.MustCompile(`^[A-Z]{3}$`)

// currency gives the currency of the document, else the first that its amounts name.
func (r reader) currency(amounts ...string) string {
	readers := []reader{r}
	for _, key := range amounts {
		m := r.optional(key)
		readers = append(readers, m, m.optional("amount"))
	}
	for _, said := range readers {
		code := said.text("currency", "currency")
		if code == "" {
			continue
		}
		if code = strings.ToUpper(code); currencyCode.MatchString(code) {
			return code
		}
		said.wrong("currency", "currency", said.doc["currency"], aCode)
		return ""
	}
	return ""
}

// noDate is how databases write that there is no date.
var noDate = regexp.MustCompile(`^-?0\d{3}-`)

// time gives an instant.
func (r reader) time(what, key string) *time.Time {
	raw := r.doc[key]
	if nothing(raw) {
		return nil
	}
	if kindOf(raw) == object.a {
		return r.dateObject(what, key)
	}
	at, ok := salla.ParseTime(raw)
	if !ok && !noDate.MatchString(salla.Digits(textOf(raw))) {
		r.wrong(what, key, raw, aDate)
	}
	return found(at, ok)
}

func (r reader) dateObject(what, key string) *time.Time {
	o := r.object(what, key)
	if !o.has("date") {
		r.fail(what, key, "is an object without a date")
		return nil
	}
	zone := o.text(what, "timezone")
	date := o.doc["date"]
	if nothing(date) {
		return nil
	}
	if kindOf(date) != aText.a {
		o.wrong(what, "date", date, aDate)
		return nil
	}
	said := textOf(date)
	at, ok := salla.ParseTime(map[string]any{"date": said, "timezone": zone})
	if ok {
		return &at
	}
	if _, inRiyadh := salla.ParseTime(said); inRiyadh {
		o.wrong(what, "timezone", o.doc["timezone"], aZone)
	} else if !noDate.MatchString(salla.Digits(said)) {
		o.wrong(what, "date", date, aDate)
	}
	return nil
}

func found(at time.Time, ok bool) *time.Time {
	if !ok {
		return nil
	}
	return &at
}

// yes gives a boolean: true or false, 1 or 0, and both as strings.
func (r reader) yes(what, key string) (value, ok bool) {
	raw := r.doc[key]
	if nothing(raw) && kindOf(raw) != "false" {
		return false, false
	}
	if value, ok = r.doc.yes(key); !ok {
		r.wrong(what, key, raw, aBool)
	}
	return value, ok
}

// object gives a reader of a nested object, which reads nothing where there is none.
func (r reader) object(what, key string) reader {
	raw := r.doc[key]
	inner := r
	inner.path, inner.doc = r.path+key+".", nil
	if nothing(raw) {
		return inner
	}
	if inner.doc = r.doc.object(key); inner.doc == nil {
		r.wrong(what, key, raw, object)
	}
	return inner
}

// optional is object where something else than an object may be, too.
func (r reader) optional(key string) reader {
	if kindOf(r.doc[key]) == object.a {
		return r.object("", key)
	}
	r.doc = nil
	return r
}

// list gives readers of the objects of a list. Nothings in it are left out.
func (r reader) list(what, key string) []reader { return r.objects(what, key, r.doc[key]) }

func (r reader) objects(what, key string, raw json.RawMessage) []reader {
	if nothing(raw) {
		return nil
	}
	var all []json.RawMessage
	if json.Unmarshal(raw, &all) != nil {
		r.wrong(what, key, raw, aList)
		return nil
	}
	var readers []reader
	for i, one := range all {
		if nothing(one) {
			continue
		}
		at := fmt.Sprintf("%s[%d]", key, i)
		inner := r
		inner.path = r.path + at + "."
		if inner.doc = parse(one); inner.doc == nil {
			r.wrong(what, at, one, object)
			return nil
		}
		readers = append(readers, inner)
	}
	return readers
}

// raw gives an object or a list of objects to keep as it is, nil for nothing.
func (r reader) raw(what, key string) any {
	raw := r.doc[key]
	switch {
	case nothing(raw):
		return nil
	case kindOf(raw) == aList.a:
		if len(r.list(what, key)) == 0 {
			return nil
		}
	case r.object(what, key).doc == nil:
		return nil
	}
	return raw
}
