//go:build mutant && mutant_every_secret

package protect

const removed = "every_secret"
