//go:build mutant && mutant_neighbour

package protect

const removed = "neighbour"
