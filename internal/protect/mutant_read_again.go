//go:build mutant && mutant_read_again

package protect

const removed = "read_again"
