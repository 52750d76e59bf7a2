// Package rawjson takes JSON apart that is known to be valid, without a copy and
// without looking at it twice: pages of a merchant's records are large, and their
// documents are kept as they came. Whether JSON is valid encoding/json tells.
package rawjson

import (
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// Members gives the members of valid JSON that is an object; nil of what is none, and
// of nothing. They are parts of raw, not copies. Of a key that comes twice the last one
// counts.
func Members(raw json.RawMessage) map[string]json.RawMessage {
	at := skipSpace(raw, 0)
	if at == len(raw) || raw[at] != '{' {
		return nil
	}
	members := make(map[string]json.RawMessage, 16)
	for at = skipSpace(raw, at+1); raw[at] != '}'; {
		key, end := Text(raw, at)
		from := skipSpace(raw, skipSpace(raw, end)+1) // after the colon
		at = skipValue(raw, from)
		members[string(key)] = raw[from:at:at]
		if at = skipSpace(raw, at); raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return members
}

// Elements gives the elements of valid JSON that is an array; nil of what is none, and
// of nothing. They are parts of raw, not copies.
func Elements(raw json.RawMessage) []json.RawMessage {
	at := skipSpace(raw, 0)
	if at == len(raw) || raw[at] != '[' {
		return nil
	}
	all := []json.RawMessage{}
	for at = skipSpace(raw, at+1); raw[at] != ']'; {
		from := at
		at = skipValue(raw, from)
		all = append(all, raw[from:at:at])
		if at = skipSpace(raw, at); raw[at] == ',' {
			at = skipSpace(raw, at+1)
		}
	}
	return all
}

// skipSpace gives the place of the next byte that is no space.
func skipSpace(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\n' || raw[at] == '\r' || raw[at] == '\t') {
		at++
	}
	return at
}

// skipValue gives the place after the value that begins there.
func skipValue(raw []byte, at int) int {
	depth := 0
	for ; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			at = closing(raw, at)
		case '{', '[':
			depth++
			continue
		case '}', ']':
			if depth--; depth < 0 { // the end of what the value is in
				return at
			}
		case ',', ' ', '\n', '\r', '\t':
			if depth == 0 { // after a number or a word
				return at
			}
			continue
		default:
			continue
		}
		if depth == 0 {
			return at + 1
		}
	}
	return at
}

// closing gives the place of the quote that ends the text which begins there.
func closing(raw []byte, at int) int {
	for at++; raw[at] != '"'; at++ {
		if raw[at] == '\\' {
			at++
		}
	}
	return at
}

// Text reads the text that begins at a place of valid JSON, and gives the place after
// it. It is a part of raw where that is what it says.
func Text(raw []byte, at int) (text []byte, end int) {
	escaped := false
	for end = at + 1; raw[end] != '"'; end++ {
		if raw[end] == '\\' {
			escaped = true
			end++
		}
	}
	end++
	if text = raw[at+1 : end-1 : end-1]; utf8.Valid(text) {
		if !escaped {
			return text, end
		}
		if plain, ok := unescape(text); ok {
			return plain, end
		}
	}
	var s string
	if json.Unmarshal(raw[at:end], &s) != nil {
		return raw[at:end:end], end
	}
	return []byte(s), end
}

// unescape reads what stands between the quotes of a text; half characters are not
// for it.
func unescape(text []byte) (plain []byte, ok bool) {
	plain = make([]byte, 0, len(text))
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			plain = append(plain, text[i])
			continue
		}
		i++
		switch c := text[i]; c {
		case 'b':
			plain = append(plain, '\b')
		case 'f':
			plain = append(plain, '\f')
		case 'n':
			plain = append(plain, '\n')
		case 'r':
			plain = append(plain, '\r')
		case 't':
			plain = append(plain, '\t')
		case 'u':
			n, err := strconv.ParseUint(string(text[i+1:i+5]), 16, 16)
			if err != nil || utf16.IsSurrogate(rune(n)) {
				return nil, false
			}
			plain = utf8.AppendRune(plain, rune(n))
			i += 4
		default:
			plain = append(plain, c)
		}
	}
	return plain, true
}
