package ingest

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/gosight/gosight/proto/gen/gosight"
)

func TestShareMovesWhatAllHaveInCommon(t *testing.T) {
	batch := &gosight.Batch{Events: []*gosight.Event{
		{Metadata: map[string]string{"os": "Linux", "url": "/a", "x": "1"}},
		{Metadata: map[string]string{"os": "Linux", "url": "/b"}},
		{Metadata: map[string]string{"os": "Linux"}},
	}}
	share(batch)
	if want := (map[string]string{"os": "Linux"}); !maps.Equal(batch.Metadata, want) {
		t.Fatalf("shared %v, want %v", batch.Metadata, want)
	}
	for i, want := range []map[string]string{{"url": "/a", "x": "1"}, {"url": "/b"}, nil} {
		if !maps.Equal(batch.Events[i].Metadata, want) {
			t.Errorf("event %d keeps %v, want %v", i, batch.Events[i].Metadata, want)
		}
	}
}

// Nothing behind ingest may be too large for the queue or for Kafka, however a batch comes to its size.
func TestWhateverABatchIsMadeOfItsValuesAreSmall(t *testing.T) {
	many := func(n int, one func(i int) *gosight.Event) *gosight.EventBatch {
		in := &gosight.EventBatch{SessionId: "s"}
		for i := range n {
			in.Events = append(in.Events, one(i))
		}
		return in
	}
	for name, in := range map[string]*gosight.EventBatch{
		"empty payloads": many(100_000, func(i int) *gosight.Event { return &gosight.Event{EventType: "custom"} }),
		"long ids": many(20_000, func(i int) *gosight.Event {
			return &gosight.Event{EventType: "custom", EventId: fmt.Sprintf("%0128d", i)}
		}),
		"metadata of their own": many(500, func(i int) *gosight.Event {
			return &gosight.Event{EventType: "custom", EventId: fmt.Sprint(i),
				Metadata: map[string]string{"k": strings.Repeat("m", 16_000), "i": fmt.Sprint(i)}}
		}),
		"what redaction makes longer": many(40_000, func(i int) *gosight.Event {
			return &gosight.Event{EventType: "custom", EventId: fmt.Sprint(i), Payload: `{"a":"a@b.co"}`}
		}),
	} {
		t.Run(name, func(t *testing.T) {
			p, q := newTestPipeline(t)
			answer, err := p.Take(t.Context(), testSource, in)
			if err != nil || int(answer.Accepted) != len(in.Events) {
				t.Fatalf("%v, %v", answer, err)
			}
			stored := map[string]bool{}
			for len(stored) < len(in.Events) {
				chunk, err := q.Read(t.Context(), 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				for _, value := range chunk.Values {
					if len(value) > maxValueBytes {
						t.Errorf("a value has %d bytes", len(value))
					}
					var batch gosight.Batch
					if err := batch.UnmarshalVT(value); err != nil {
						t.Fatal(err)
					}
					for _, ev := range batch.Events {
						stored[ev.EventId] = true
					}
				}
				if err := q.Done(chunk); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What the estimate of a batch's size cannot know is found when it is marshalled.
func TestABatchOfTooManySignalsIsHalved(t *testing.T) {
	batch := &gosight.Batch{SessionId: "s", Events: []*gosight.Event{{EventId: "e", Payload: strings.Repeat("p", maxPartBytes)}}}
	for range 3000 {
		batch.Signals = append(batch.Signals, &gosight.Signal{SignalId: "s", Url: strings.Repeat("u", 900)})
	}
	values, err := marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	events, signals := 0, 0
	for _, value := range values {
		var part gosight.Batch
		if err := part.UnmarshalVT(value); err != nil || len(value) > maxValueBytes {
			t.Fatalf("%d bytes, %v", len(value), err)
		}
		events, signals = events+len(part.Events), signals+len(part.Signals)
	}
	if events != 1 || signals != 3000 {
		t.Errorf("%d events and %d signals are left of 1 and 3000", events, signals)
	}
}

func TestALargeSnapshotIsCutAndCanBePutTogether(t *testing.T) {
	payload := `"` + strings.Repeat("ạ", maxPartBytes) + `"`
	batch := &gosight.Batch{SessionId: "s", Lane: gosight.Lane_LANE_REPLAY, Events: []*gosight.Event{{EventId: "e", Payload: payload}}}
	values, err := marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	var whole strings.Builder
	for i, value := range values {
		var part gosight.Batch
		if err := part.UnmarshalVT(value); err != nil {
			t.Fatal(err)
		}
		if len(value) > 900<<10 {
			t.Errorf("part %d has %d bytes", i, len(value))
		}
		if part.Part != uint32(i) || part.Parts != uint32(len(values)) || part.Events[0].EventId != "e" {
			t.Errorf("part %d says it is %d of %d of %q", i, part.Part, part.Parts, part.Events[0].EventId)
		}
		if !utf8.ValidString(part.Events[0].Payload) {
			t.Errorf("part %d ends within a character", i)
		}
		whole.WriteString(part.Events[0].Payload)
	}
	if len(values) < 3 || whole.String() != payload {
		t.Errorf("%d parts do not make the payload", len(values))
	}
}
