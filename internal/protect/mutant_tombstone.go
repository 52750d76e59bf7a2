//go:build mutant && mutant_tombstone

package protect

const removed = "tombstone"
