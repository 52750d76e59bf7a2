package tenantdb

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// badDocument is a document that cannot be kept for what stands at a place in it.
type badDocument struct {
	error
	place string
}

// placed notes where in a document the cause of err stands.
func placed(doc json.RawMessage, offset int, err error) error {
	return &badDocument{err, placeOf(doc, offset)}
}

// Place tells where in the document the cause of CheckDocument's error stands, as a
// path such as "items[3].notes"; "" where it is the document as a whole.
func Place(err error) string {
	if bad, ok := errors.AsType[*badDocument](err); ok {
		return bad.place
	}
	return ""
}

// fromInvalid gives what follows the first byte that is no UTF-8, with that byte.
func fromInvalid(doc []byte) []byte {
	for len(doc) > 0 {
		r, n := utf8.DecodeRune(doc)
		if r == utf8.RuneError && n == 1 {
			return doc
		}
		doc = doc[n:]
	}
	return doc
}

// placeOf tells where in a valid JSON document the byte at offset stands: the path
// of the value or of the object whose key holds it, such as "items[3].notes"; ""
// for the document itself.
func placeOf(doc json.RawMessage, offset int) string {
	type level struct {
		list  bool
		index int
		key   string
	}
	var levels []level
	keyNext := false // a string that comes now is a key
	for i := 0; i < len(doc) && i < offset; i++ {
		switch top := len(levels) - 1; doc[i] {
		case '{':
			levels, keyNext = append(levels, level{}), true
		case '[':
			levels, keyNext = append(levels, level{list: true}), false
		case '}', ']':
			levels, keyNext = levels[:top], false
		case ',':
			if levels[top].list {
				levels[top].index++
			} else {
				levels[top].key, keyNext = "", true
			}
		case '"':
			end := i + 1
			for end < len(doc) && doc[end] != '"' {
				if doc[end] == '\\' {
					end++
				}
				end++
			}
			if keyNext && end < offset {
				if json.Unmarshal(doc[i:end+1], &levels[top].key) != nil {
					levels[top].key = "?"
				}
				keyNext = false
			}
			i = end
		}
	}
	var path strings.Builder
	for _, l := range levels[:min(len(levels), maxPath)] {
		switch {
		case l.list:
			path.WriteString("[" + strconv.Itoa(l.index) + "]")
		case l.key != "":
			if path.Len() > 0 {
				path.WriteByte('.')
			}
			path.WriteString(l.key)
		}
	}
	return path.String()
}

// maxPath bounds how many levels a path names.
const maxPath = 12
