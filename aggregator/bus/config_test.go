package bus

import (
	"testing"
	"time"
)

func TestHandOver(t *testing.T) {
	cfg := Default()
	before := time.Unix(1_800_000_000, 0)
	for name, tc := range map[string]struct {
		first time.Duration // after before
		size  int
		want  time.Duration
	}{
		"light":                         {300 * time.Millisecond, cfg.LightBytes - 1, 300*time.Millisecond + cfg.Linger},
		"heavy, handled fast":           {10 * time.Millisecond, cfg.LightBytes, cfg.MaxLinger},
		"heavy, handling took its time": {800 * time.Millisecond, cfg.LightBytes, cfg.MaxLinger},
		"heavy, handling took longer":   {3 * time.Second, cfg.LightBytes, 3*time.Second + cfg.Linger},
		"heavy after a pause":           {time.Hour, cfg.LightBytes, time.Hour + cfg.Linger},
	} {
		first := before.Add(tc.first)
		if got := cfg.handOver(first, before, tc.size).Sub(before); got != tc.want {
			t.Errorf("%s: %v after the ones before, want %v", name, got, tc.want)
		}
	}
}
