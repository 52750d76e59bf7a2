//go:build mutant && mutant_circuit

package protect

const removed = "circuit"
