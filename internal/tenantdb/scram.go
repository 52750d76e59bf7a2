package tenantdb

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"

	"github.com/wosool/wosool/internal/fault"
)

const (
	scramIterations = 4096 // what the server itself uses
	scramSalt       = 16
)

// verifier returns what PostgreSQL keeps of a password (RFC 5803), so that the
// password itself never travels in a statement nor shows in a server's log.
func verifier(password string) (string, error) {
	if len(password) < 16 {
		return "", fault.New(fault.Invalid, "a tenant's database password has at least 16 characters")
	}
	for _, c := range []byte(password) {
		// Beyond printable ASCII the password would have to be normalised first.
		if c <= ' ' || c > '~' {
			return "", fault.New(fault.Invalid, "a tenant's database password is printable ASCII without spaces")
		}
	}
	salt := make([]byte, scramSalt)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return verifierOf(password, salt)
}

func verifierOf(password string, salt []byte) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, scramIterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("derive a password verifier: %w", err)
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", scramIterations, b64(salt), b64(stored[:]), b64(sign(salted, "Server Key"))), nil
}

func sign(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
