//go:build mutant && mutant_refresh_answer

package protect

const removed = "refresh_answer"
