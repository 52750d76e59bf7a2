//go:build mutant && mutant_lease_runs_on

package protect

const removed = "lease_runs_on"
