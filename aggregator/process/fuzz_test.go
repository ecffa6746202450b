package process

import (
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/internal/alloctest"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
)

// FuzzRecord gives any bytes to all that looks into a record: it is poison, or it becomes one ledger row for each
// event.
func FuzzRecord(f *testing.F) {
	for _, batch := range []*gosight.Batch{
		{Project: "p", SessionId: "s", Lane: gosight.Lane_LANE_EVENTS, Metadata: map[string]string{"url": "u"},
			Events: []*gosight.Event{
				{EventId: "1", EventType: "click", Timestamp: 1, Payload: `{"x":1e400,"y":"no","vw":-3,"selector":"\ud800"}`},
				{EventId: "2", EventType: "scroll", Timestamp: -1 << 63, Payload: `{"depth":[`},
				{EventId: "3", EventType: "pointer", Timestamp: 1<<63 - 1, Payload: `{"points":[[0,1,2],[1]]}`},
				{EventId: "4", EventType: "click_outcome", Payload: `{"click_id":"1","kind":"none"}`},
			},
			Signals: []*gosight.Signal{{SignalId: "x", Kind: "rage_click", FirstEventId: "1", Revision: 1<<32 - 1}},
		},
		{Project: "p", SessionId: "s", Lane: gosight.Lane_LANE_REPLAY, Part: 1, Parts: 3,
			Events: []*gosight.Event{{EventId: "1", EventType: "mutation", Payload: "half of"}}},
		{Project: "p"},
	} {
		value, err := batch.MarshalVT()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Add([]byte("\xff\xff\xff\xff\x0f"))

	l := newLane(Default(), detect.MustLive(detect.Default()), nobody{}, gosight.Lane_LANE_EVENTS, nil, newMetrics(prometheus.NewRegistry()))
	l.now = func() time.Time { return time.UnixMilli(1_790_000_000_000) }
	f.Fuzz(func(t *testing.T, value []byte) {
		defer l.clear()
		var batch *gosight.Batch
		var reason string
		var err error
		if taken := alloctest.Bytes(func() { batch, reason, err = decode(value) }); taken > codec.MaxDecoded+1<<20 {
			t.Errorf("%d bytes took %d", len(value), taken)
		}
		if err != nil {
			if reason == "" {
				t.Fatal("poison without a reason")
			}
			return
		}
		if err := l.add(bus.Record{Value: value}, batch); err != nil {
			t.Fatal(err)
		}
		want := len(batch.Events)
		if batch.Lane == gosight.Lane_LANE_REPLAY && batch.Part != 0 {
			want = 0
		}
		if got := l.rows.events.Len(); got != want {
			t.Fatalf("%d ledger rows for %d events", got, want)
		}
		for _, pass := range l.passes {
			pass.advance(1_790_000_100_000, l.say)
		}
	})
}

// nobody is erased.
type nobody struct{}

func (nobody) AnyErased() bool            { return false }
func (nobody) Erased(_, _, _ string) bool { return false }
