//go:build mutant && mutant_bound_secret

package protect

const removed = "bound_secret"
