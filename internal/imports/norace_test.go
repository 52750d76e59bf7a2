//go:build !race

package imports

// raced tells whether the race detector is on.
const raced = false
