//go:build mutant && mutant_hand_back

package protect

const removed = "hand_back"
