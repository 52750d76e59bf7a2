//go:build mutant && mutant_unleased

package protect

const removed = "unleased"
