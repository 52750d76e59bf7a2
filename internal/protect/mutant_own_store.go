//go:build mutant && mutant_own_store

package protect

const removed = "own_store"
