//go:build mutant && mutant_refresh_unknown

package protect

const removed = "refresh_unknown"
