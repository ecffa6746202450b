package scenario

import (
	"os"
	"strings"
	"testing"
	"time"
)

func TestEveryScenarioReads(t *testing.T) {
	files, err := os.ReadDir("../scenarios")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile("../scenarios/" + file.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, short := range []bool{false, true} {
			if _, err := parse(strings.TrimSuffix(file.Name(), ".yaml"), text, short); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestShortFormGoesOverTheRest(t *testing.T) {
	text := []byte("kind: rate\nrates: [5]\nduration: 5m\nlimits: {drain: 3s}\nshort: {duration: 30s}\n")
	for short, want := range map[bool]time.Duration{false: 5 * time.Minute, true: 30 * time.Second} {
		s, err := parse("x", text, short)
		if err != nil || s.Duration != want || s.Limits.Drain != 3*time.Second || s.Rates[0] != 5 {
			t.Errorf("short %v: %+v, %v", short, s, err)
		}
	}
	if _, err := parse("x", []byte("kind: rate\nrate: 5\n"), false); err == nil {
		t.Error("a misspelt setting was taken")
	}
}

func TestSlopeIsPerSecond(t *testing.T) {
	if got := slope([]int64{100, 110, 120, 130}); got != 10 {
		t.Errorf("got %v", got)
	}
}
