package imports

import (
	_ "embed" // the names of countries
	"strings"
	"sync"
	"unicode"
)

// countries has a line for each country: its code and its names, Arabic and
// English, separated by tabs.
//
//go:embed countries.tsv
var countries string

// countryCodes gives the code of every name, as plainName writes it.
var countryCodes = sync.OnceValue(func() map[string]string {
	codes := map[string]string{}
	for line := range strings.Lines(countries) {
		code, names, _ := strings.Cut(strings.TrimSpace(line), "\t")
		codes[plainName(code)] = code
		for name := range strings.SplitSeq(names, "\t") {
			codes[plainName(name)] = code
		}
	}
	return codes
})

// countryCode finds the ISO 3166 code of a country's name, Arabic, English or
// both with a bar between, or of a code; "" where it is none.
func countryCode(name string) string {
	for part := range strings.FieldsFuncSeq(name, func(r rune) bool { return r == '|' || r == '/' }) {
		if code := countryCodes()[plainName(part)]; code != "" {
			return code
		}
	}
	return ""
}

// plainName takes off what writers of the same name differ in: case, marks over
// letters, forms of alef, ya and ta marbuta, hyphens and double spaces.
func plainName(s string) string {
	s = strings.Map(func(r rune) rune {
		switch r {
		case 'أ', 'إ', 'آ', 'ٱ':
			return 'ا'
		case 'ى':
			return 'ي'
		case 'ة':
			return 'ه'
		case 'ـ', '\u200e', '\u200f', '.':
			return -1
		case '-', '_':
			return ' '
		}
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, s)
	return strings.Join(strings.Fields(s), " ")
}
