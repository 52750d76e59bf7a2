//go:build mutant && mutant_organization_found

package protect

const removed = "organization_found"
