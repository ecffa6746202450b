package chaos

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gosight/gosight/internal/alloctest"
)

const (
	floodLasts = 12 * time.Second
	// What a program may hold under any flood, as an operator would cap its container: its queues, the messages that
	// it works on and ten thousand connections. The collector knows of it.
	floodMemory = 512 << 20
)

// TestFloods has clients of every bad kind beside honest ones, whose answers must not take twice as long, while
// the programs' memory stays bounded.
func TestFloods(t *testing.T) {
	h := newHouse(t, shape{env: []string{fmt.Sprintf("GOMEMLIMIT=%d", int64(floodMemory*9/10))}})
	d := newDriver(t, h.agentGRPC, h.agentHTTP, filepath.Join(h.dir, "journal"), 1000, 5, false)
	eventually(t, "honest clients are served", func() bool { return d.sent() > 1000 })
	d.answers() // the first ones do not count
	<-time.After(floodLasts / 2)
	calm := d.answers()
	agent, aggregator := watchMemory(h.agent), watchMemory(h.aggregators[0])

	attackers := attack{GRPC: h.front[0].to, HTTP: h.front[1].to, Relay: h.relays[0].to, Idle: *idle, Lasts: floodLasts}.begin(t)
	d.answers()
	t.Logf("turns: %v", attackers.turns())
	busy := d.answers()
	t.Logf("honest clients: %d answers before, p50 %s p99 %s; %d in the floods, p50 %s p99 %s",
		len(calm), percentile(calm, 50), percentile(calm, 99), len(busy), percentile(busy, 50), percentile(busy, 99))
	t.Logf("memory at most: agent %d MB, aggregator %d MB", agent()>>20, aggregator()>>20)
	limit := 2 * max(percentile(calm, 99), 10*time.Millisecond)
	switch {
	case percentile(busy, 99) <= limit:
	case alloctest.Race:
		t.Logf("clients and floods run under the race detector: the p99, above %s, is not held against the agent; make floods judges it", limit)
	default:
		t.Errorf("honest clients' p99 is %s in the floods, want %s at most", percentile(busy, 99), limit)
	}
	for name, most := range map[string]int64{"agent": agent(), "aggregator": aggregator()} {
		if most > floodMemory {
			t.Errorf("%s held %d MB, want %d at most", name, most>>20, int64(floodMemory)>>20)
		}
	}
	d.stop()
	h.quiet()
	if r := h.check(d); !r.holds(0) || r.acked == 0 {
		t.Errorf("the promise is broken: %s", r)
	} else {
		t.Log(r)
	}
}

// answers are the times to an answer since the last call, of batches (a stream's is of its own kind).
func (d *driver) answers() []time.Duration {
	var all []time.Duration
	for _, w := range d.workers {
		w.mu.Lock()
		if !strings.HasPrefix(w.run, "stream") {
			all = append(all, w.took...)
		}
		w.took = nil
		w.mu.Unlock()
	}
	slices.Sort(all)
	return all
}

func percentile(sorted []time.Duration, p int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, len(sorted)*p/100)].Round(100 * time.Microsecond)
}
