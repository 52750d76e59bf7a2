//go:build mutant && mutant_newer_payload

package protect

const removed = "newer_payload"
