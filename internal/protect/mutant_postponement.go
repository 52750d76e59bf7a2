//go:build mutant && mutant_postponement

package protect

const removed = "postponement"
