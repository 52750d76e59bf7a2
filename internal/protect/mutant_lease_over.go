//go:build mutant && mutant_lease_over

package protect

const removed = "lease_over"
