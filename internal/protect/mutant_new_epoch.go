//go:build mutant && mutant_new_epoch

package protect

const removed = "new_epoch"
