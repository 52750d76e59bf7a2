package events

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// redacted stands where a credential was.
const redacted = "[redacted]"

// credential tells whether a key is one whose values are never kept in the clear.
func credential(key string) bool {
	for _, k := range []string{"access_token", "refresh_token", "client_secret", "secret", "password"} {
		if strings.EqualFold(key, k) {
			return true
		}
	}
	return false
}

// redactJSON gives a JSON document with the value of every credential replaced, at
// any depth. All else keeps its bytes: numbers their digits, strings their escapes.
// found tells whether there was one; ok is false where body is not JSON.
func redactJSON(body []byte) (doc []byte, found, ok bool) {
	if !json.Valid(body) {
		return nil, false, false
	}
	r := redactor{in: body}
	r.value()
	return r.out.Bytes(), r.found, true
}

// redactor copies a valid document. It walks with a stack of its own: a delivery
// may nest as deep as its size allows.
type redactor struct {
	in    []byte
	at    int
	out   bytes.Buffer
	found bool
}

func (r *redactor) value() {
	var inObject []bool // the containers that are open
	isKey := false
	for r.at < len(r.in) {
		switch c := r.in[r.at]; c {
		case '{', '[':
			inObject = append(inObject, c == '{')
			isKey = c == '{'
			r.copy(1)
		case '}', ']':
			inObject = inObject[:len(inObject)-1]
			isKey = false
			r.copy(1)
		case ',':
			isKey = inObject[len(inObject)-1]
			r.copy(1)
		case ':':
			isKey = false
			r.copy(1)
		case '"':
			literal := r.in[r.at : r.at+stringLength(r.in[r.at:])]
			r.copy(len(literal))
			if isKey && credential(unquote(literal)) {
				r.replaceValue()
			}
		case ' ', '\t', '\r', '\n':
			r.at++
		default:
			r.copy(1)
		}
	}
}

// copy copies n bytes.
func (r *redactor) copy(n int) {
	r.out.Write(r.in[r.at : r.at+n])
	r.at += n
}

// replaceValue writes redacted for the value of the key that was just copied.
func (r *redactor) replaceValue() {
	r.found = true
	r.at += bytes.IndexByte(r.in[r.at:], ':') + 1
	r.out.WriteString(`:"` + redacted + `"`)
	depth := 0
	for ; r.at < len(r.in); r.at++ {
		switch r.in[r.at] {
		case '"':
			r.at += stringLength(r.in[r.at:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return
			}
			depth--
		case ',':
			if depth == 0 {
				return
			}
		}
	}
}

// stringLength is the length of the string literal that s begins with, quotes
// included.
func stringLength(s []byte) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

func unquote(literal []byte) string {
	var s string
	_ = json.Unmarshal(literal, &s) // the document was valid
	return s
}

// tokenLike is what may be a credential in text that has no structure.
var tokenLike = regexp.MustCompile(`[A-Za-z0-9._~+/=-]{20,}`)

// redactText gives the text of a body that does not parse, without anything that
// may be a credential.
func redactText(body []byte) string {
	text := strings.ReplaceAll(string(body), "\x00", "\uFFFD")
	return strings.ToValidUTF8(tokenLike.ReplaceAllString(text, redacted), "\uFFFD")
}

const (
	// maxDepth is how deep jsonb is trusted to nest.
	maxDepth = 500
	// maxExponent is far below what PostgreSQL's numeric can hold.
	maxExponent = 1000
)

// fitsJSONB tells whether PostgreSQL's jsonb can hold a valid document: it has no
// \u0000, no half of a surrogate pair, no invalid UTF-8, no number out of range.
func fitsJSONB(doc []byte) bool {
	if !utf8.Valid(doc) {
		return false
	}
	depth := 0
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case c == '"':
			literal := doc[i : i+stringLength(doc[i:])]
			if bytes.Contains(literal, []byte(`\u`)) && strings.ContainsAny(unquote(literal), "\x00\uFFFD") {
				return false
			}
			i += len(literal) - 1
		case c == '{' || c == '[':
			if depth++; depth > maxDepth {
				return false
			}
		case c == '}' || c == ']':
			depth--
		case c == 'e' || c == 'E':
			if n := exponentOf(doc[i+1:]); n > maxExponent || n < -maxExponent {
				return false
			}
		}
	}
	return true
}

// exponentOf reads the exponent that s begins with; the words true and false have an e
// too, with none behind it.
func exponentOf(s []byte) int {
	end := 0
	for end < len(s) && strings.IndexByte("+-0123456789", s[end]) >= 0 {
		end++
	}
	if end == 0 {
		return 0
	}
	n, err := strconv.Atoi(string(s[:end]))
	if err != nil {
		return maxExponent + 1
	}
	return n
}
