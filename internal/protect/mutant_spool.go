//go:build mutant && mutant_spool

package protect

const removed = "spool"
