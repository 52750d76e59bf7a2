//go:build mutant && mutant_outage_spared

package protect

const removed = "outage_spared"
