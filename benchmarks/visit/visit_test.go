package visit

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestReferenceEventIsAsLargeAsItSays(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	total, payload := 0, 0
	const n = 1000
	for i := range n {
		ev := Published(rng, i)
		total += ev.SizeVT()
		payload += len(ev.Payload)
	}
	if mean := total / n; mean < 440 || mean > 480 {
		t.Errorf("reference event is %d B, of which %d B payload: want about 460", mean, payload/n)
	}
}

func TestTrafficIsValidAndUnique(t *testing.T) {
	visits, reference := NewVisits("abcdef01", 1, 50, 20), NewReference("abcdef01", 1, 100)
	seen := map[string]bool{}
	types := map[string]int{}
	check := func(session, id, payload string) {
		if !strings.HasPrefix(session, "abcdef01-") || len(session) != 36 {
			t.Fatalf("session %q", session)
		}
		if seen[session+"/"+id] {
			t.Fatalf("event %s of %s comes twice", id, session)
		}
		seen[session+"/"+id] = true
		if !json.Valid([]byte(payload)) {
			t.Fatalf("payload %s", payload)
		}
	}
	for i := range 2000 {
		batch := visits.Next(1_790_000_000_000 + int64(i)*50)
		for _, ev := range batch.Events {
			check(batch.SessionId, ev.EventId, ev.Payload)
			types[ev.EventType]++
		}
		batch = reference.Next(1_790_000_000_000)
		for _, ev := range batch.Events {
			check(batch.SessionId, ev.EventId, ev.Payload)
		}
	}
	for _, eventType := range []string{
		"click", "click_outcome", "pointer", "scroll", "input", "page_load", "page_exit", "mutation", "full_snapshot", "error", "network", "custom",
	} {
		if types[eventType] == 0 {
			t.Errorf("no %s in %v", eventType, types)
		}
	}
}

func BenchmarkReference(b *testing.B) {
	r := NewReference("abcdef01", 1, 500)
	for b.Loop() {
		r.Next(1)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*500), "ns/event")
}

func BenchmarkVisits(b *testing.B) {
	v, events := NewVisits("abcdef01", 1, 500, 20), 0
	for b.Loop() {
		events += len(v.Next(1).Events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(events), "ns/event")
}
