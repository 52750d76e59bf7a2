//go:build mutant && mutant_clerk_time

package protect

const removed = "clerk_time"
