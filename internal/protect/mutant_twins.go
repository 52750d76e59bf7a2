//go:build mutant && mutant_twins

package protect

const removed = "twins"
