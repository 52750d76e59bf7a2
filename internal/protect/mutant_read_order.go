//go:build mutant && mutant_read_order

package protect

const removed = "read_order"
