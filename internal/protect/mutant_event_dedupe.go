//go:build mutant && mutant_event_dedupe

package protect

const removed = "event_dedupe"
