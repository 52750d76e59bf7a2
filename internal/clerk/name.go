package clerk

import (
	"html"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var (
	tag     = regexp.MustCompile(`<[^<>]*>`)
	link    = regexp.MustCompile(`(?i)\S*://\S*|\bwww\.\S*`)
	address = regexp.MustCompile(`\S*@\S*`)
	domain  = regexp.MustCompile(`([\p{L}\p{N}])\.(\p{L})`) // noon.com: a URL to Clerk
)

// OrganizationName makes of a store's name one that Clerk takes: without URLs,
// addresses and markup, at most 256 characters. Where nothing is left it is
// "Store" with the merchant's number, if that is not 0. It is the same for the same
// store each time, and unchanged by being made twice.
func OrganizationName(storeName string, merchant int64) string {
	const most = 256
	if len(storeName) > 16*most {
		storeName = storeName[:16*most]
	}
	name := unmarked(storeName)
	name = link.ReplaceAllString(name, " ")
	name = address.ReplaceAllString(name, " ")
	for domain.MatchString(name) { // a.b.c overlaps
		name = domain.ReplaceAllString(name, "$1 $2")
	}
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > most {
		name = strings.TrimSpace(string(r[:most]))
	}
	switch {
	case name != "":
		return name
	case merchant != 0:
		return "Store " + strconv.FormatInt(merchant, 10)
	}
	return "Store"
}

// unmarked takes tags, entities and invisible characters out of s, again and again
// until there are none: what one pass leaves may be markup to the next.
func unmarked(s string) string {
	for {
		before := s
		s = strings.Map(func(r rune) rune {
			switch {
			case r == '\u200c', r == '\u200d': // joiners are letters' matter
				return r
			case unicode.IsSpace(r):
				return ' '
			case unicode.IsControl(r), unicode.Is(unicode.Cf, r), r == unicode.ReplacementChar:
				return -1
			}
			return r
		}, strings.ToValidUTF8(s, ""))
		s = tag.ReplaceAllString(s, " ")
		s = html.UnescapeString(s)
		if s == before {
			break
		}
	}
	if bare := strings.NewReplacer("<", " ", ">", " ").Replace(s); bare != s {
		return unmarked(bare)
	}
	return s
}
