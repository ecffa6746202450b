//go:build !race

package alloctest

// Race says that this test runs under the race detector.
const Race = false

// Growth is how often a buffer's growth is allocated.
const Growth = 1
