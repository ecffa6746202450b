//go:build !race

package alloctest

// Growth is how often a buffer's growth is allocated.
const Growth = 1
