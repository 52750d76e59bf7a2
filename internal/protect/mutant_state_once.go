//go:build mutant && mutant_state_once

package protect

const removed = "state_once"
