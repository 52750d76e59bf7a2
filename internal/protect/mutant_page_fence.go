//go:build mutant && mutant_page_fence

package protect

const removed = "page_fence"
