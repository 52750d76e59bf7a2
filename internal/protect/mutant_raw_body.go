//go:build mutant && mutant_raw_body

package protect

const removed = "raw_body"
