//go:build mutant && mutant_unknown_kind

package protect

const removed = "unknown_kind"
