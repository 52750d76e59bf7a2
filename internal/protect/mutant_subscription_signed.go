//go:build mutant && mutant_subscription_signed

package protect

const removed = "subscription_signed"
