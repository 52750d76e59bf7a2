//go:build mutant && mutant_wait_holds

package protect

const removed = "wait_holds"
