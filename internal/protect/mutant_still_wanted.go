//go:build mutant && mutant_still_wanted

package protect

const removed = "still_wanted"
