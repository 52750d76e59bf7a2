//go:build mutant && mutant_leader

package protect

const removed = "leader"
