//go:build mutant && mutant_own_database

package protect

const removed = "own_database"
