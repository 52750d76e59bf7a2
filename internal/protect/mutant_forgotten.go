//go:build mutant && mutant_forgotten

package protect

const removed = "forgotten"
