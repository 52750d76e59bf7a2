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
// nests too deep, or has a number that is too long. Place tells where. Merges check by themselves.
func CheckDocument(doc json.RawMessage) error {
	switch {
	case len(doc) == 0:
		return errors.New("the document is empty")
	case !json.Valid(doc):
		return errors.New("the document is not valid JSON")
	case !utf8.Valid(doc):
		return placed(doc, len(doc)-len(fromInvalid(doc)), errors.New("the document is not valid UTF-8"))
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
				return placed(doc, i, err)
			}
			i += used
		case c == '"':
			inString = !inString
		case inString:
		case c == '{', c == '[':
			if depth++; depth > maxDepth {
				return placed(doc, i, errors.New("the document nests too deep"))
			}
		case c == '}', c == ']':
			depth--
		case c >= '0' && c <= '9':
			end := i + 1
			for end < len(doc) && strings.IndexByte("0123456789.eE+-", doc[end]) >= 0 {
				end++
			}
			if !numberFits(string(doc[i:end])) {
				return placed(doc, i, errors.New("the document holds a number that is too long for the database"))
			}
			i = end - 1
		}
	}
	return nil
}

// numberFits tells whether a number is within what jsonb can hold, with much to spare: it
// keeps every digit, those that an exponent stands for as well.
func numberFits(number string) bool {
	const most = 10_000
	digits, exponent, has := strings.Cut(strings.ToLower(number), "e")
	if len(digits) > most || !has {
		return len(digits) <= most
	}
	n, err := strconv.Atoi(exponent)
	return err == nil && n <= most && n >= -most
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
