//go:build mutant && mutant_waiting

package protect

const removed = "waiting"
