//go:build !failpoints

package failpoint

// Hit does nothing.
func Hit(string) error { return nil }

// On is false.
func On(string) bool { return false }
