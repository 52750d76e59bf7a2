package imports

import (
	"strings"

	"github.com/nyaruka/phonenumbers"

	"github.com/wosool/wosool/internal/salla"
)

// e164 writes a phone number as the world dials it, or gives "" where it cannot be
// one. dial is the country's dialling code, "+966" or "966"; region is where a
// number without one is from.
func e164(dial, number, region string) string {
	number, dial = dialled(number), strings.TrimLeft(dialled(dial), "+0")
	switch {
	case number == "" || number == "+":
		return ""
	case strings.HasPrefix(number, "+"):
	case strings.HasPrefix(number, "00"):
		number = "+" + number[2:]
	case dial != "" && strings.HasPrefix(number, dial) && len(number) >= len(dial)+8:
		number = "+" + number
	case dial != "":
		number = "+" + dial + strings.TrimLeft(number, "0")
	case region == "":
		region = "SA"
	}
	parsed, err := phonenumbers.Parse(number, region)
	if err != nil || !phonenumbers.IsPossibleNumber(parsed) {
		return ""
	}
	return phonenumbers.Format(parsed, phonenumbers.E164)
}

// dialled keeps what is dialled of a number as people write it.
func dialled(s string) string {
	var out strings.Builder
	for _, r := range salla.Digits(s) {
		switch {
		case r >= '0' && r <= '9', r == '+' && out.Len() == 0:
			out.WriteRune(r)
		case strings.ContainsRune(" -().\u00a0\u200e\u200f\u202a\u202c", r):
		default:
			return ""
		}
	}
	return out.String()
}
