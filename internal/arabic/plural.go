package arabic

import "strings"

// The forms of a counted noun, in the order of the catalogue. Nothing is counted like
// hundreds: ٠ حدث.
const (
	formOne = iota
	formTwo
	formFew
	formMany
	formOther
	forms
)

// pluralOf is the form of a noun behind a number as English writes it, by the rule of
// CLDR for Arabic.
func pluralOf(number string) int {
	n := 0
	for _, r := range number {
		switch {
		case r >= '0' && r <= '9':
			n = (n*10 + int(r-'0')) % 1_000_000_000
		case r != ',':
			return formOther // a fraction, an estimate, "10,000+"
		}
	}
	switch rest := n % 100; {
	case n == 1:
		return formOne
	case n == 2:
		return formTwo
	case rest >= 3 && rest <= 10:
		return formFew
	case rest >= 11:
		return formMany
	}
	return formOther
}

// counted is a noun behind a number.
func counted(number string, list []string) string {
	return strings.ReplaceAll(list[pluralOf(number)], "#", digits(number))
}
