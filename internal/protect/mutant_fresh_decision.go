//go:build mutant && mutant_fresh_decision

package protect

const removed = "fresh_decision"
