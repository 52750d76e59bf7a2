//go:build mutant && mutant_archived_row

package protect

const removed = "archived_row"
