// Package password hashes the passwords of operators with argon2id, and compares
// what is typed with what is kept.
package password

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"github.com/wosool/wosool/internal/fault"
)

// The lengths that passwords may have: in characters at least, in bytes at most.
const (
	MinLength = 12
	MaxBytes  = 1024
)

// Check returns fault.Invalid where text cannot be a password.
func Check(text string) error {
	switch {
	case !utf8.ValidString(text):
		return fault.New(fault.Invalid, "a password must be text")
	case utf8.RuneCountInString(text) < MinLength:
		return fault.New(fault.Invalid, "a password must have at least %d characters", MinLength)
	case len(text) > MaxBytes:
		return fault.New(fault.Invalid, "a password must not have more than %d bytes", MaxBytes)
	}
	return nil
}

// Generate returns a password that nobody guesses: 26 letters and digits, 130 bits.
func Generate() string { return rand.Text() }

// Hasher hashes and compares passwords, few at a time: each takes the memory of
// its cost, and whoever can make us hash must not be able to exhaust it. It is
// safe for concurrent use.
type Hasher struct {
	cost  Cost
	slots chan struct{}
}

// NewHasher returns a hasher that makes hashes of the given cost, and computes
// at most atOnce of them at the same time.
func NewHasher(cost Cost, atOnce int) *Hasher {
	return &Hasher{cost: cost, slots: make(chan struct{}, atOnce)}
}

// Hash returns the hash of a password in PHC form. It returns fault.Invalid
// where Check does, and fault.Unavailable where ctx ends before its turn.
func (h *Hasher) Hash(ctx context.Context, text string) (string, error) {
	if err := Check(text); err != nil {
		return "", err
	}
	salt := make([]byte, saltSize)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("hash a password: %w", err)
	}
	key, err := h.derive(ctx, text, salt, h.cost, keySize)
	if err != nil {
		return "", err
	}
	return phc{cost: h.cost, salt: salt, key: key}.String(), nil
}

// Compare tells whether text is the password that hash was made of, and whether
// hash has another cost than this hasher's, so that it should be made anew. It
// takes as long for the hash of nobody. It returns fault.Unavailable where ctx
// ends before its turn.
func (h *Hasher) Compare(ctx context.Context, hash, text string) (same, stale bool, err error) {
	p, err := parse(hash)
	if err != nil {
		return false, false, err
	}
	if len(text) > MaxBytes {
		text = "" // nobody's password: none is empty
	}
	key, err := h.derive(ctx, text, p.salt, p.cost, uint32(len(p.key))) //nolint:gosec // parse bounds it
	if err != nil {
		return false, false, err
	}
	return subtle.ConstantTimeCompare(key, p.key) == 1, p.cost != h.cost, nil
}

// Nobody returns a hash that no password has. Comparing with it where there is
// no hash takes as long as where there is one.
func (h *Hasher) Nobody() string {
	return phc{cost: h.cost, salt: make([]byte, saltSize), key: make([]byte, keySize)}.String()
}

// derive waits for its turn and computes a key.
func (h *Hasher) derive(ctx context.Context, text string, salt []byte, c Cost, size uint32) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	case <-ctx.Done():
		return nil, fault.New(fault.Unavailable, "too many people are signing in at this moment: try again in a few seconds")
	}
	return argon2.IDKey([]byte(text), salt, c.Time, c.Memory, c.Threads, size), nil
}
