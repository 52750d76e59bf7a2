package events

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"

	"github.com/wosool/wosool/internal/fault"
	"github.com/wosool/wosool/internal/protect"
)

// The ways in which Salla proves that a delivery is its own. Which one holds is
// our setting, never what the sender claims.
const (
	StrategySignature = "signature" // X-Salla-Signature: hex of HMAC-SHA256(body, secret)
	StrategyToken     = "token"     // Authorization: the secret, verbatim
)

var errUnverified = fault.New(fault.Forbidden, "the delivery does not prove that it comes from where it says")

// VerifySalla checks a delivery of Salla over its raw bytes, in constant time,
// against each accepted secret. What it refuses is fault.Forbidden.
func (in *Inbox) VerifySalla(header http.Header, body []byte) error {
	proof := header.Get("Authorization")
	if in.Strategy != StrategyToken {
		proof = header.Get("X-Salla-Signature")
	}
	if proof == "" {
		return errUnverified
	}
	if !protect.RawBody {
		body = bytes.TrimSpace(body)
	}
	matches := 0
	for i, secret := range in.Secrets {
		if i > 0 && !protect.EverySecret {
			break
		}
		if secret == "" {
			continue
		}
		switch in.Strategy {
		case StrategySignature:
			matches |= bit(signed(secret, proof, body))
		case StrategyToken:
			given, want := sha256.Sum256([]byte(proof)), sha256.Sum256([]byte(secret))
			matches |= subtle.ConstantTimeCompare(given[:], want[:])
		}
	}
	if matches == 0 && protect.Signature {
		return errUnverified
	}
	return nil
}

// VerifyClerk checks a delivery of Clerk. What it refuses is fault.Forbidden.
func (in *Inbox) VerifyClerk(header http.Header, body []byte) error {
	if in.Clerk == nil {
		return errUnverified
	}
	return in.Clerk(header, body)
}

func signed(secret, proof string, body []byte) bool {
	given, err := hex.DecodeString(strings.TrimSpace(proof))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hmac.Equal(given, mac.Sum(nil))
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// kept gives the headers that are kept: none that could prove anything again.
func kept(header http.Header) map[string]string {
	allowed := []string{"Content-Type", "User-Agent", "X-Salla-Security-Strategy", "Svix-Id", "Svix-Timestamp"}
	headers := map[string]string{}
	for _, name := range allowed {
		if value := header.Get(name); value != "" {
			headers[strings.ToLower(name)] = clean(value, 200)
		}
	}
	return headers
}
