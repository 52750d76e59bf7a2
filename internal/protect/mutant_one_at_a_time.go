//go:build mutant && mutant_one_at_a_time

package protect

const removed = "one_at_a_time"
