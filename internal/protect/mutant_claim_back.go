//go:build mutant && mutant_claim_back

package protect

const removed = "claim_back"
