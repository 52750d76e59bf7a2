package tenantdb

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep a document may nest: far beyond any real one, far below
// what the database's parser can bear.
const maxDepth = 512

// CheckDocument tells, in words for the list of rejects, why a document cannot
// be kept as jsonb: it is not JSON, not UTF-8, holds a NUL or half a character,
// or nests too deep. Merges check by themselves.
func CheckDocument(doc json.RawMessage) error {
	switch {
	case len(doc) == 0:
		return errors.New("the document is empty")
	case !utf8.Valid(doc):
		return errors.New("the document is not valid UTF-8")
	case !json.Valid(doc):
		return errors.New("the document is not valid JSON")
	}
	depth, inString := 0, false
	for i := 0; i < len(doc); i++ {
		switch c := doc[i]; {
		case inString && c == '\\':
			i++
			if doc[i] != 'u' {
				continue
			}
			used, err := checkEscape(doc[i:])
			if err != nil {
				return err
			}
			i += used
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return errors.New("the document nests too deep")
			}
		case c == '}', c == ']':
			depth--
		}
	}
	return nil
}

// checkEscape looks at "uXXXX", and the low half that must follow a high one,
// in valid JSON; it returns how many bytes after the u belong to it.
func checkEscape(doc []byte) (int, error) {
	first := unit(doc[1:5])
	switch {
	case first == 0:
		return 0, errors.New(`the document holds the character \u0000, which the database cannot keep`)
	case !utf16.IsSurrogate(first):
		return 4, nil
	}
	if len(doc) >= 11 && doc[5] == '\\' && doc[6] == 'u' &&
		utf16.DecodeRune(first, unit(doc[7:11])) != utf8.RuneError {
		return 10, nil
	}
	return 0, errors.New(`the document holds half of a \u character`)
}

func unit(hex []byte) rune {
	n, err := strconv.ParseUint(string(hex), 16, 16)
	if err != nil {
		return utf8.RuneError
	}
	return rune(n)
}

// textual makes a record fit for a text column, whatever it holds.
func textual(record []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(record), "\uFFFD"), "\x00", `\u0000`)
}
