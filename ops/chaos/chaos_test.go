package chaos

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	lasting = flag.Duration("for", 0, "how long the long form does harm; 0: only the short form runs")
	seed    = flag.Uint64("seed", 0, "the faults' seed; 0: a new one")
	rate    = flag.Int("rate", 1000, "events a second")
)

func newSeed() uint64 {
	if *seed != 0 {
		return *seed
	}
	return uint64(time.Now().UnixNano())
}

// TestShort is the short form: every kind of fault that half a minute holds, and both negative controls.
func TestShort(t *testing.T) {
	t.Run("chaos", func(t *testing.T) { chaos(t, 40*time.Second, 3*time.Second) })
	t.Run("without fsync", ackBeforeFsync)
	t.Run("without deduplication", ledgerThatKeepsRepeats)
}

// TestChaos is the long form.
func TestChaos(t *testing.T) {
	if *lasting == 0 {
		t.Skip("set -for, as `make chaos` does")
	}
	chaos(t, *lasting, time.Minute)
}

func chaos(t *testing.T, lasting, scale time.Duration) {
	began, seed := time.Now(), newSeed()
	t.Logf("seed %d", seed)
	h := newHouse(t, shape{arm: arming(seed)})
	d := newDriver(t, h.agentGRPC, h.agentHTTP, filepath.Join(h.dir, "journal"), *rate, block, true)
	t.Logf("up after %s", time.Since(began).Round(time.Second))
	f := unleash(h, seed, scale)
	end := time.After(lasting)
	<-end // the time for faults is what is asked for
	f.heal()
	t.Logf("healed after %s", time.Since(began).Round(time.Second))
	d.stop()
	h.quiet()
	t.Logf("quiet after %s", time.Since(began).Round(time.Second))
	r := h.check(d)
	t.Logf("%s\n  %s", r, f)
	// A batch has at most a stream's events, and a group what all clients have on the way.
	allowed := f.lostValues*4 + f.lostGroups*4*len(d.workers)
	if !r.holds(allowed) {
		t.Errorf("the promise is broken; loss named by counters: %d ranges, missing %d", allowed, r.missingBlocks)
	}
	if r.acked == 0 || r.missing > r.acked/2 {
		t.Error("this shows nothing: hardly anything was acked")
	}
}

// ackBeforeFsync is a negative control: an agent that acks before its commit, and is killed between the two.
func ackBeforeFsync(t *testing.T) {
	h := newHouse(t, shape{arm: func(p *process) string {
		if p.name == "agent" {
			return "queue/ack-early=on;queue/write=crash:500ms@40"
		}
		return ""
	}})
	d := newDriver(t, h.agentGRPC, h.agentHTTP, filepath.Join(h.dir, "journal"), *rate, block, false)
	eventually(t, "the agent crashed three times", func() bool {
		h.agent.mu.Lock()
		defer h.agent.mu.Unlock()
		return h.agent.starts > 3
	})
	h.agent.disarm()
	h.agent.await()
	d.stop()
	h.quiet()
	h.settles = 0
	r := h.check(d)
	t.Logf("as it should be, this fails: %s", r)
	if r.holds(0) || r.missing == 0 {
		t.Error("acks before the fsync were not noticed")
	}
}

// ledgerThatKeepsRepeats is a negative control: a ledger whose rows are told apart by their arrival too.
func ledgerThatKeepsRepeats(t *testing.T) {
	prepare := func(h *house) {
		text, err := os.ReadFile("../../aggregator/store/migrations/00001_events.sql")
		if err != nil {
			t.Fatal(err)
		}
		table, _, _ := strings.Cut(string(text), "-- +goose Down")
		const identity = "ORDER BY (project, session_id, event_id)"
		if !strings.Contains(table, identity) {
			t.Fatal("the ledger has another identity now")
		}
		h.mustQueryIn("", "CREATE DATABASE gosight")
		h.mustQuery(strings.Replace(table, identity, "ORDER BY (project, session_id, event_id, inserted_at)", 1))
	}
	h := newHouse(t, shape{prepare: prepare, arm: func(p *process) string {
		if strings.HasPrefix(p.name, "aggregator") {
			return "bus/commit=crash@3" // rows are in, and nobody knows
		}
		return ""
	}})
	d := newDriver(t, h.agentGRPC, h.agentHTTP, filepath.Join(h.dir, "journal"), *rate, block, false)
	eventually(t, "an aggregator crashed", func() bool {
		for _, p := range h.aggregators {
			p.mu.Lock()
			starts := p.starts
			p.mu.Unlock()
			if starts > 1 {
				return true
			}
		}
		return false
	})
	for _, p := range h.aggregators {
		p.disarm()
	}
	for _, p := range h.aggregators {
		p.await()
	}
	d.stop()
	h.quiet()
	h.settles = 0
	r := h.check(d)
	t.Logf("as it should be, this fails: %s", r)
	if r.holds(0) || r.doubled == 0 {
		t.Error("repeats in the ledger were not noticed")
	}
}
