//go:build mutant && mutant_sentinel

package protect

const removed = "sentinel"
