//go:build mutant && mutant_event_window

package protect

const removed = "event_window"
