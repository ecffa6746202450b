package ingest

import (
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
