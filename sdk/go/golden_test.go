package gosight

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
)

var update = flag.Bool("update", false, "write the golden batch anew")

const testdata = "../../proto/testdata"

// goldenBatch has something in every field that an SDK writes, and characters of one to four bytes.
func goldenBatch() *EventBatch {
	return &EventBatch{
		SessionId: "0190d2c4-7b1e-7000-8000-00000000600d",
		UserId:    "ann@shop",
		Metadata:  map[string]string{"sdk": "go", "sdk_version": "0.1.0", "service": "checkout", "page_id": "page-1"},
		SentAt:    1790000001000,
		Events: []*Event{
			{EventId: "GOLDEN-1", EventType: "custom", Timestamp: 1790000000000, Payload: `{"name":"order_paid","props":{"total":12.5,"note":"schön – 良い 🛒"}}`},
			{EventId: "GOLDEN-2", EventType: "network", Timestamp: 1790000000250, Metadata: map[string]string{"page_id": "page-2"},
				Payload: `{"method":"POST","url":"/orders/7","route":"/orders/{id}","status":402,"duration_ms":12.25,"side":"server"}`},
			{EventId: "GOLDEN-3", SessionId: "0190d2c4-7b1e-7000-8000-000000000002", UserId: "bob", EventType: "identify",
				Timestamp: 1790000000500, Payload: `{"traits":{"plan":"pro"}}`},
		},
	}
}

// The batch that the other SDKs and the agent read in their tests.
func TestGoldenBatch(t *testing.T) {
	got, err := proto.MarshalOptions{Deterministic: true}.Marshal(goldenBatch())
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(testdata, "go_batch.binpb")
	if *update {
		if err := os.WriteFile(name, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("batch is %d bytes unlike the %d of %s: a client in the field would be understood differently", len(got), len(want), name)
	}
}

// What the other SDKs write reads here, loses nothing, and comes out as it was, up to the order of map entries.
func TestGoldenBatchesOfTheOthers(t *testing.T) {
	for _, name := range []string{"web_batch.binpb", "node_batch.binpb"} {
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(testdata, name))
			if err != nil {
				t.Fatal(err)
			}
			batch := &EventBatch{}
			if err := batch.UnmarshalVT(data); err != nil {
				t.Fatal(err)
			}
			if len(batch.Events) == 0 {
				t.Fatal("no events in it")
			}
			for i, ev := range batch.Events {
				if ev.EventId == "" || ev.EventType == "" || batch.SessionId+ev.SessionId == "" || len(ev.ProtoReflect().GetUnknown()) > 0 {
					t.Errorf("event %d: %v", i, ev)
				}
			}
			again, err := batch.MarshalVT()
			if err != nil {
				t.Fatal(err)
			}
			if len(again) != len(data) || len(batch.ProtoReflect().GetUnknown()) > 0 {
				t.Errorf("read %d bytes, wrote %d", len(data), len(again))
			}
		})
	}
}

// The web SDK says in JSON what its own encoder, which is not protobuf's, meant to write.
func TestWebBatchMeansWhatItSays(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(testdata, "web_batch.binpb"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(testdata, "web_batch.json"))
	if err != nil {
		t.Fatal(err)
	}
	got, want := &EventBatch{}, &EventBatch{}
	if err := proto.Unmarshal(data, got); err != nil {
		t.Fatal(err)
	}
	if err := protojson.Unmarshal(text, want); err != nil {
		t.Fatal(err)
	}
	if !proto.Equal(got, want) {
		t.Errorf("wrote %v, meant %v", got, want)
	}
}
