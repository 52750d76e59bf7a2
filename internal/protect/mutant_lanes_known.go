//go:build mutant && mutant_lanes_known

package protect

const removed = "lanes_known"
