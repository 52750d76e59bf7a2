//go:build mutant && mutant_redaction

package protect

const removed = "redaction"
