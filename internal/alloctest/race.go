//go:build race

package alloctest

// Race says that this test runs under the race detector.
const Race = true

// Growth is how often a buffer's growth is allocated: under the race detector the compiler makes the new bytes of
// append(old, make([]byte, n)...) apart.
const Growth = 2
