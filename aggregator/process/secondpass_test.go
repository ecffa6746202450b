package process

import (
	"fmt"
	"math"
	"testing"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func burst(session, prefix string, from, count int, began int64) *gosight.Batch {
	batch := &gosight.Batch{Project: "default", SessionId: session, Lane: gosight.Lane_LANE_EVENTS}
	for i := from; i < from+count; i++ {
		batch.Events = append(batch.Events, &gosight.Event{
			EventId: fmt.Sprintf("%s-%d", prefix, i), EventType: "click", Timestamp: began + int64(i)*150,
			Payload: `{"x":100,"y":100,"selector":"#buy","tag":"BUTTON","text":"Buy","interactive":true}`,
		})
	}
	return batch
}

// said is the last word of a pass on each signal.
type said map[string]detect.Signal

func (s said) say(signal detect.Signal, _ origin) { s[signal.SignalId] = signal }

// The events had waited for long when Kafka took them, and whoever read them first died before the burst was over.
func TestSignalsOfABacklogOutliveARestart(t *testing.T) {
	const now = 1_800_000_000_000
	for name, record := range map[string]bus.Record{
		"read again":   {Offset: 4500, Time: now - 80_000, Committed: true},
		"read at last": {Offset: 5000, Time: now},
	} {
		t.Run(name, func(t *testing.T) {
			first := bus.Record{Offset: 4000, Time: now - 90_000, Committed: true, Settled: true}
			pass, err := newSecondPass(Default(), detect.MustLive(detect.Default()), first)
			if err != nil {
				t.Fatal(err)
			}
			found := said{}
			pass.observe(first, burst("other", "o", 0, 1, now), now, found.say)
			pass.observe(record, burst("s", "k", 0, 8, now-10*60_000), now, found.say)
			pass.advance(now+3000, found.say)
			signal := found[detect.SignalID("default", "s", "rage_click", "k-0")]
			if signal.Signal == nil || !signal.Final || signal.Count != 8 {
				t.Errorf("said: %v", signal.Signal)
			}
		})
	}
}

// Where a re-read begins in the middle of a burst, its second half is no signal of its own.
func TestHalfABurstIsNotASignal(t *testing.T) {
	const now = 1_800_000_000_000
	first := bus.Record{Offset: 4000, Time: now - 90_000, Committed: true, Settled: true}
	pass, err := newSecondPass(Default(), detect.MustLive(detect.Default()), first)
	if err != nil {
		t.Fatal(err)
	}
	found := said{}
	pass.observe(first, burst("s", "k", 6, 8, first.Time-900), now, found.say)
	pass.observe(bus.Record{Offset: 5000, Time: now}, burst("t", "n", 0, 6, now), now, found.say)
	for at := int64(now); at < now+300_000; at += 1000 {
		pass.advance(at, found.say)
	}
	pass.advance(math.MaxInt64/2, found.say)
	if _, ok := found[detect.SignalID("default", "s", "rage_click", "k-6")]; ok {
		t.Error("half a burst is said to be a signal")
	}
	if _, ok := found[detect.SignalID("default", "t", "rage_click", "n-0")]; !ok {
		t.Error("a burst after the re-read is not said")
	}
}
