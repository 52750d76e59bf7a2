//go:build mutant && mutant_signature

package protect

const removed = "signature"
