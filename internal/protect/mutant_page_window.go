//go:build mutant && mutant_page_window

package protect

const removed = "page_window"
