//go:build mutant && mutant_old_uninstall

package protect

const removed = "old_uninstall"
