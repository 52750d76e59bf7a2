//go:build mutant && mutant_strangers

package protect

const removed = "strangers"
