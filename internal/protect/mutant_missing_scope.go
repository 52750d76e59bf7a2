//go:build mutant && mutant_missing_scope

package protect

const removed = "missing_scope"
