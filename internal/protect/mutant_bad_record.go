//go:build mutant && mutant_bad_record

package protect

const removed = "bad_record"
