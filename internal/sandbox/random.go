package sandbox

import (
	crand "crypto/rand"
	"math/rand/v2"
)

// mix is splitmix64: it spreads the bits of a seed and an index, so that each
// record has a number of its own that no other record's existence changes.
func mix(parts ...uint64) uint64 {
	var h uint64
	for _, p := range parts {
		h += p + 0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		h ^= h >> 31
	}
	return h
}

// die returns the n-sided roll of h for one purpose: rolls of different
// purposes do not depend on one another.
func die(h uint64, purpose uint64, n int) int {
	return int(mix(h, purpose) % uint64(n))
}

// oneOf picks an element of list by h for one purpose.
func oneOf[T any](h uint64, purpose uint64, list []T) T {
	return list[die(h, purpose, len(list))]
}

// newRand returns a generator that depends on nothing but its seeds.
func newRand(seeds ...uint64) *rand.Rand {
	return rand.New(rand.NewPCG(mix(seeds...), mix(append(seeds, 1)...)))
}

const letters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

// secretText returns n random letters and digits that cannot be guessed.
func secretText(n int) string {
	b := make([]byte, n)
	_, _ = crand.Read(b) // never fails
	for i := range b {
		b[i] = letters[int(b[i])%len(letters)]
	}
	return string(b)
}
