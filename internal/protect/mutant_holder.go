//go:build mutant && mutant_holder

package protect

const removed = "holder"
