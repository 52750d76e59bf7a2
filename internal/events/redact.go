package events

import (
	"encoding/json"
	"regexp"
	"strings"
)

// redacted stands where a credential was.
const redacted = "[redacted]"

// credential tells whether a key is one whose values are never kept in the clear.
// One of plain ASCII is as long as what it may be equal to: most keys are told by that.
func credential(key []byte, plain bool) bool {
	for _, k := range [...]string{"access_token", "refresh_token", "client_secret", "secret", "password"} {
		if (len(key) == len(k) || !plain) && strings.EqualFold(string(key), k) {
			return true
		}
	}
	return false
}

// redactJSON gives a JSON document with the value of every credential replaced, at
// any depth. found tells whether there was one; ok is false where body is not JSON.
func redactJSON(body []byte) (doc []byte, found, ok bool) {
	d, ok := scan(body)
	return d.Redacted, d.Secret, ok
}

func unquote(literal []byte) string {
	var s string
	_ = json.Unmarshal(literal, &s) // the literal was read before
	return s
}

// tokenLike is what may be a credential in text that has no structure.
var tokenLike = regexp.MustCompile(`[A-Za-z0-9._~+/=-]{20,}`)

// redactText gives the text of a body that does not parse, without anything that
// may be a credential.
func redactText(body []byte) string {
	text := strings.ReplaceAll(string(body), "\x00", "\uFFFD")
	return strings.ToValidUTF8(tokenLike.ReplaceAllString(text, redacted), "\uFFFD")
}
