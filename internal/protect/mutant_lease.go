//go:build mutant && mutant_lease

package protect

const removed = "lease"
