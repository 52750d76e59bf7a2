//go:build mutant && mutant_browser_state

package protect

const removed = "browser_state"
