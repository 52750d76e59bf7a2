//go:build mutant && mutant_sealed_erased

package protect

const removed = "sealed_erased"
