//go:build mutant && mutant_old_authorize

package protect

const removed = "old_authorize"
