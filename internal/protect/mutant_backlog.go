//go:build mutant && mutant_backlog

package protect

const removed = "backlog"
