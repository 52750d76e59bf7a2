//go:build mutant && mutant_subscription_found

package protect

const removed = "subscription_found"
