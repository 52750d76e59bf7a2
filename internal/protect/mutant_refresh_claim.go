//go:build mutant && mutant_refresh_claim

package protect

const removed = "refresh_claim"
