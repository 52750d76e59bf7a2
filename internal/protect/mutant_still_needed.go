//go:build mutant && mutant_still_needed

package protect

const removed = "still_needed"
