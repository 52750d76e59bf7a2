//go:build mutant && mutant_refresh_outlives

package protect

const removed = "refresh_outlives"
