//go:build !mutant

package protect

// removed is the protection that this build lacks: none.
const removed = ""
