package salla

import (
	"regexp"
	"strings"
	"unicode"
)

// What may not stand in an error although a vendor wrote it there.
var (
	looksLikeEmail = regexp.MustCompile(`[^\s<>"'(),:;]+@[^\s<>"'(),:;]+`)
	looksLikePhone = regexp.MustCompile(`\+?\p{Nd}[\p{Nd} ()-]{6,}\p{Nd}`)
	longRun        = regexp.MustCompile(`[A-Za-z0-9._~+/=-]{20,}`)
)

const redacted = "[redacted]"

// safe gives s as one line of at most 200 characters without the secrets, e-mails,
// phone numbers and whatever looks like a token.
func safe(s string, secrets ...string) string {
	const most = 200
	if len(s) > 16*most {
		s = s[:16*most]
	}
	s = strings.ToValidUTF8(s, "")
	for _, secret := range secrets {
		if len(secret) >= 4 {
			s = strings.ReplaceAll(s, secret, redacted)
		}
	}
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, s)
	s = looksLikeEmail.ReplaceAllString(s, redacted)
	s = longRun.ReplaceAllStringFunc(s, func(run string) string {
		// Slugs such as alert.invalid_fields are long too, but have no digits.
		if len(run) < 32 && !strings.ContainsAny(run, "0123456789") {
			return run
		}
		return redacted
	})
	s = looksLikePhone.ReplaceAllString(s, redacted)
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}
