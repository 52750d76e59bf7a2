//go:build mutant && mutant_yield

package protect

const removed = "yield"
