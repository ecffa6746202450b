//go:build !failpoints

package failpoint

import "time"

// Hit does nothing.
func Hit(string) error { return nil }

// On is false.
func On(string) bool { return false }

// Now is time.Now.
func Now() time.Time { return time.Now() }
