//go:build mutant && mutant_counted_once

package protect

const removed = "counted_once"
