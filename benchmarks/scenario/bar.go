package scenario

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/gosight/gosight/benchmarks/load"
)

// bar is the line on the screen that says how far a measurement is.
type bar struct {
	screen   io.Writer
	label    string
	duration time.Duration
}

func newBar(screen io.Writer, label string, duration time.Duration) *bar {
	return &bar{screen: screen, label: label, duration: duration}
}

// follow draws progress until ctx ends.
func (b *bar) follow(ctx context.Context, progress *load.Progress) {
	begun, last := time.Now(), int64(0)
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		passed := min(time.Since(begun), b.duration)
		if passed == b.duration && progress.Acked() == last {
			continue // what has come is being counted
		}
		const width = 30
		full := int(width * passed / b.duration)
		fmt.Fprintf(b.screen, "\r\033[K%-22s [%s%s] %4.0f/%.0f s  %s/s  %s acked  p50 %.1f ms  p99 %.1f ms", b.label,
			strings.Repeat("█", full), strings.Repeat("·", width-full), passed.Seconds(), b.duration.Seconds(),
			count(2*(progress.Acked()-last)), count(progress.Acked()),
			progress.Latency(0.5).Seconds()*1000, progress.Latency(0.99).Seconds()*1000)
		last = progress.Acked()
	}
}

// counted shows how many events ClickHouse has.
func (b *bar) counted(n int64) {
	fmt.Fprintf(b.screen, "\r\033[K%-22s counted in ClickHouse: %s", b.label, count(n))
}

func (b *bar) done() { fmt.Fprint(b.screen, "\r\033[K") }

func count(n int64) string {
	switch {
	case n >= 1_000_000:
		return fmt.Sprintf("%.2fM", float64(n)/1e6)
	case n >= 10_000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}
