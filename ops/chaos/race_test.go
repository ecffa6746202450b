//go:build race

package chaos

// underRace says that the driver is an order of magnitude slower than what it measures.
const underRace = true
