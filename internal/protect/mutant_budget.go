//go:build mutant && mutant_budget

package protect

const removed = "budget"
