package sandbox

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
)

// The strategies that protect a delivery of Salla's.
const (
	strategySignature = "signature"
	strategyToken     = "token"
	strategyNone      = "none"
)

// SallaSignature is the value of X-Salla-Signature for the bytes sent.
func SallaSignature(secret string, body []byte) string {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write(body)
	return hex.EncodeToString(m.Sum(nil))
}

// SvixSignature is the value of svix-signature for a message; the secret may
// have its whsec_ prefix. An unreadable secret gives "".
func SvixSignature(secret, id, timestamp string, body []byte) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil || len(key) == 0 {
		return ""
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(id + "." + timestamp + "."))
	m.Write(body)
	return "v1," + base64.StdEncoding.EncodeToString(m.Sum(nil))
}
