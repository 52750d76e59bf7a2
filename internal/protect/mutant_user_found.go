//go:build mutant && mutant_user_found

package protect

const removed = "user_found"
