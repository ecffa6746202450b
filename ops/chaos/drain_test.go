package chaos

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

var away = flag.Duration("away", 10*time.Second, "how long the aggregators are away in TestDrain")

// TestDrain takes both aggregators away while 2,000 events a second come in, and brings them back: nothing is lost,
// the agent's memory does not grow with the backlog, and the backlog goes at five times the arriving rate or
// better while new events keep coming.
func TestDrain(t *testing.T) {
	const rate = 2000
	h := newHouse(t, shape{roomy: true})
	d := newDriver(t, h.agentGRPC, h.agentHTTP, filepath.Join(h.dir, "journal"), rate, block, false)
	eventually(t, "events come in", func() bool { return d.sent() > 5*rate })
	before := anonymousMemory(h.agent.pid())
	memory := watchMemory(h.agent)

	sentBefore := d.sent()
	for _, p := range h.aggregators {
		p.hold()
	}
	<-time.After(*away) // the outage is what is asked for
	m, err := metrics(h.agentAdmin)
	if err != nil {
		t.Fatal(err)
	}
	backlog, backlogBytes := m["gosight_queue_depth_values"], m["gosight_queue_depth_bytes"]
	arriving := float64(d.sent()-sentBefore) / away.Seconds()
	for _, p := range h.aggregators {
		p.release()
	}
	delivered := m["gosight_queue_delivered_values_total"]
	var began time.Time
	events := d.sent()
	eventually(t, "the backlog is gone", func() bool {
		m, err := metrics(h.agentAdmin)
		if err != nil {
			return false
		}
		if began.IsZero() && m["gosight_queue_delivered_values_total"] > delivered {
			began = time.Now()
			delivered, backlog = m["gosight_queue_delivered_values_total"], m["gosight_queue_depth_values"]
			events = d.sent()
		}
		return !began.IsZero() && m["gosight_queue_oldest_seconds"] < 1
	})
	took := time.Since(began)
	m, err = metrics(h.agentAdmin)
	if err != nil {
		t.Fatal(err)
	}
	fresh := d.sent() - events
	// Events of a batch: what came in while they were away, by the batches that it made.
	perBatch := arriving * away.Seconds() / max(1, float64(backlog))
	drained := (m["gosight_queue_delivered_values_total"] - delivered) * perBatch / took.Seconds()
	peak := memory()
	t.Logf("away %s at %.0f events/s: backlog %.0f batches, %.1f MB; agent's memory %d MB before, %d MB at most",
		*away, arriving, backlog, backlogBytes/1e6, before>>20, peak>>20)
	t.Logf("drained in %s, %.0f events/s while %d new ones came: %.1f times the arriving rate",
		took.Round(time.Millisecond), drained, fresh, drained/arriving)
	if peak > before+64<<20 {
		t.Errorf("the agent's memory grew with the backlog")
	}
	if drained < 5*arriving {
		t.Errorf("drained at %.1f times the arriving rate, want 5", drained/arriving)
	}
	d.stop()
	h.quiet()
	r := h.check(d)
	t.Log(r)
	if !r.holds(0) || r.acked < int(rate*away.Seconds()/4) {
		t.Error("the promise is broken, or nothing was sent")
	}
}

// anonymousMemory is what a process holds that is not a file's; 0 where the system does not say.
func anonymousMemory(pid int) int64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err == nil {
				return kib << 10
			}
		}
	}
	return 0
}

// watchMemory looks at a process ten times a second; what it returns ends that, and tells the most it saw.
func watchMemory(p *process) (most func() int64) {
	stop, done := make(chan struct{}), make(chan int64, 1)
	go func() {
		peak := int64(0)
		for {
			select {
			case <-stop:
				done <- peak
				return
			case <-time.After(100 * time.Millisecond):
				peak = max(peak, anonymousMemory(p.pid()))
			}
		}
	}()
	return sync.OnceValue(func() int64 {
		close(stop)
		return <-done
	})
}
