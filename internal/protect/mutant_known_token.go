//go:build mutant && mutant_known_token

package protect

const removed = "known_token"
