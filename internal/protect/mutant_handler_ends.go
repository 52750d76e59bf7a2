//go:build mutant && mutant_handler_ends

package protect

const removed = "handler_ends"
