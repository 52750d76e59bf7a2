package password

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost is what one hash takes.
type Cost struct {
	Memory  uint32 // KiB
	Time    uint32 // passes over the memory
	Threads uint8
}

// Standard is the cost of hashes that are made today: 64 MiB and three passes,
// above what OWASP asks for. Whoever signs in with a hash of another cost gets
// a new one.
func Standard() Cost { return Cost{Memory: 64 << 10, Time: 3, Threads: 2} }

const (
	saltSize = 16
	keySize  = 32

	// Bounds of what is read back: a hash that somebody wrote into the database
	// must not take all memory, nor all day.
	maxMemory = 1 << 20
	maxTime   = 64
	maxSize   = 128
)

// phc is a hash with all that it takes to compute it again.
type phc struct {
	cost      Cost
	salt, key []byte
}

// String writes the PHC form: $argon2id$v=19$m=65536,t=3,p=2$SALT$KEY.
func (p phc) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		p.cost.Memory, p.cost.Time, p.cost.Threads, b64.EncodeToString(p.salt), b64.EncodeToString(p.key))
}

// parse reads the PHC form. The error does not quote it.
func parse(text string) (p phc, err error) {
	fail := errors.New("read a password's hash: it is not an argon2id hash in PHC form")
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, fail
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.cost.Memory, &p.cost.Time, &p.cost.Threads); err != nil {
		return p, fail
	}
	salt, saltErr := base64.RawStdEncoding.DecodeString(parts[4])
	key, keyErr := base64.RawStdEncoding.DecodeString(parts[5])
	c := p.cost
	if saltErr != nil || keyErr != nil || len(salt) < 8 || len(salt) > maxSize || len(key) < 16 || len(key) > maxSize ||
		c.Time < 1 || c.Time > maxTime || c.Threads < 1 || c.Memory < 8*uint32(c.Threads) || c.Memory > maxMemory {
		return p, fail
	}
	p.salt, p.key = salt, key
	if p.String() != text {
		return p, fail
	}
	return p, nil
}
