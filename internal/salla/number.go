package salla

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// Number is an exact decimal as text, such as "-12.50", or "" where Salla gave
// none. It decodes from a number, a number in a string (Arabic-Indic digits and
// separators included), null, "", false, [] and {}. It is never a float.
type Number string

var (
	decimal   = regexp.MustCompile(`^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,2}))?$`)
	thousands = regexp.MustCompile(`^[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?$`)

	errNumber = errors.New("not a number")
)

// maxDigits bounds a Number; money and weights stay far below it.
const maxDigits = 60

// ParseNumber reads a decimal from text; "" and "null" give "".
func ParseNumber(s string) (Number, error) {
	s = strings.TrimSpace(strings.Map(func(r rune) rune {
		switch r {
		case '٫':
			return '.'
		case '٬':
			return -1
		case '−':
			return '-'
		case '\u200e', '\u200f', '\u061c': // direction marks around Arabic numbers
			return -1
		}
		return r
	}, Digits(s)))
	if s == "" || s == "null" {
		return "", nil
	}
	if thousands.MatchString(s) {
		s = strings.ReplaceAll(s, ",", "")
	}
	m := decimal.FindStringSubmatch(s)
	if m == nil || m[2]+m[3] == "" {
		return "", errNumber
	}
	whole, fraction := m[2], m[3]
	if m[4] != "" {
		exponent, _ := strconv.Atoi(m[4])
		whole, fraction = shift(whole, fraction, exponent)
	}
	whole = strings.TrimLeft(whole, "0")
	if len(whole)+len(fraction) > maxDigits {
		return "", errNumber
	}
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		fraction = "." + fraction
	}
	if m[1] == "-" && strings.Trim(whole+fraction, "0.") != "" {
		whole = "-" + whole
	}
	return Number(whole + fraction), nil
}

// shift moves the point by exponent places.
func shift(whole, fraction string, exponent int) (string, string) {
	if exponent >= 0 {
		fraction += strings.Repeat("0", max(0, exponent-len(fraction)))
		return whole + fraction[:exponent], fraction[exponent:]
	}
	whole = strings.Repeat("0", max(0, -exponent-len(whole))) + whole
	cut := len(whole) + exponent
	return whole[:cut], whole[cut:] + fraction
}

// Int64 gives the number where it is whole and fits.
func (n Number) Int64() (int64, bool) {
	whole, fraction, _ := strings.Cut(string(n), ".")
	if strings.Trim(fraction, "0") != "" {
		return 0, false
	}
	v, err := strconv.ParseInt(whole, 10, 64)
	return v, err == nil
}

// Cmp compares exactly: -1, 0 or 1. A Number that is "" counts as zero.
func (n Number) Cmp(other Number) int { return n.rat().Cmp(other.rat()) }

func (n Number) rat() *big.Rat {
	r, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return new(big.Rat)
	}
	return r
}

// UnmarshalJSON reads any of the forms named above; anything else is an error.
func (n *Number) UnmarshalJSON(raw []byte) error {
	*n = ""
	if blank(raw) {
		return nil
	}
	s := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &s); err != nil {
			return err
		}
	}
	v, err := ParseNumber(s)
	*n = v
	return err
}

// Digits gives s with Arabic-Indic and Persian digits as 0 to 9.
func Digits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '٠' && r <= '٩':
			return r - '٠' + '0'
		case r >= '۰' && r <= '۹':
			return r - '۰' + '0'
		}
		return r
	}, s)
}

// blank tells whether raw is one of the ways in which Salla writes nothing.
func blank(raw []byte) bool {
	switch string(bytes.TrimSpace(raw)) {
	case "", "null", "false", `""`, "[]", "{}":
		return true
	}
	return false
}
