// Package alloctest measures what tests and fuzz targets take from the heap, and says whether the race detector, which
// multiplies that, is watching.
package alloctest

import "runtime"

// Bytes is what fn allocates, also what it does not keep. Other goroutines must rest meanwhile.
func Bytes(fn func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}
