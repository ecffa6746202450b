package detect

import (
	"fmt"
	"testing"
)

func TestSixthClick(t *testing.T) {
	e := New(Default())
	for i := range 7 {
		ev := Event{ID: fmt.Sprint("c", i), Type: "click", TS: 1000 + int64(i)*200,
			Payload: `{"x":100,"y":100,"selector":"#buy","interactive":true}`}
		out := e.Observe("p", "s", &ev, ev.TS)
		if (len(out) == 1) != (i == 5) {
			t.Fatalf("click %d: %v", i+1, out)
		}
	}
	fmt.Println(e.Advance(4000))
	fmt.Println(e.Advance(5000))
	fmt.Println(e.Advance(70000))
}
