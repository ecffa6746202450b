package store

import "testing"

// Cursors come back from clients: what is not one of ours is refused, and what is says the same as before.
func FuzzCursor(f *testing.F) {
	f.Add(position{TS: 1_790_000_000_000, ID: "s-1"}.cursor("sessions"))
	f.Add("c2Vzc2lvbnN7fQ")
	f.Add("%")
	f.Fuzz(func(t *testing.T, text string) {
		at, ok, err := parseCursor("sessions", text)
		if err != nil || !ok {
			if ok || text != "" && err == nil {
				t.Fatalf("%q is no cursor and no error: %v", text, err)
			}
			return
		}
		again, ok, err := parseCursor("sessions", at.cursor("sessions"))
		if err != nil || !ok || again != at {
			t.Fatalf("%+v becomes %+v, %v", at, again, err)
		}
	})
}
