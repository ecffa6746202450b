package scenario

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/gosight/gosight/benchmarks/report"
	"github.com/gosight/gosight/benchmarks/visit"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// bandwidth compares what the same events take on the wire. The sessions of a batch are one, as a browser's are; the
// published contract repeats session, user and metadata with each event, since it has nowhere else to put them.
func bandwidth(s *Scenario, r *report.Result) error {
	const batches = 40
	rng := rand.New(rand.NewPCG(7, 7))
	var sizes struct{ json, jsonGzip, published, publishedGzip, batch, batchGzip, relay int }
	var records [][]byte
	events := 0
	for range batches {
		first := visit.Published(rng, 0)
		batch := &gosight.EventBatch{SessionId: first.SessionId, UserId: first.UserId, Metadata: first.Metadata, SentAt: first.Timestamp + 5000}
		stored := &gosight.Batch{
			Project: "shop", SessionId: first.SessionId, UserId: first.UserId, Lane: gosight.Lane_LANE_EVENTS,
			Metadata: first.Metadata, ReceivedAt: first.Timestamp + 5020, AgentId: "edge-1", Region: "eu",
		}
		var text, single bytes.Buffer
		for i := range s.Batch {
			ev := visit.Published(rng, i)
			ev.SessionId, ev.UserId, ev.Metadata = first.SessionId, first.UserId, first.Metadata
			line, err := protojson.Marshal(ev)
			if err != nil {
				return fmt.Errorf("encode as JSON: %w", err)
			}
			text.Write(line)
			text.WriteByte('\n')
			encoded, err := ev.MarshalVT()
			if err != nil {
				return fmt.Errorf("encode as published: %w", err)
			}
			single.Write(make([]byte, 5)) // gRPC's frame around each message
			single.Write(encoded)
			own := &gosight.Event{EventId: fmt.Sprintf("k3x9q2-%d", events), EventType: ev.EventType, Payload: ev.Payload, Timestamp: ev.Timestamp}
			batch.Events, stored.Events = append(batch.Events, own), append(stored.Events, own)
			events++
		}
		packed, err := batch.MarshalVT()
		if err != nil {
			return fmt.Errorf("encode batch: %w", err)
		}
		record, err := stored.MarshalVT()
		if err != nil {
			return fmt.Errorf("encode stored batch: %w", err)
		}
		records = append(records, record)
		sizes.json += text.Len()
		sizes.jsonGzip += zipped(text.Bytes())
		sizes.published += single.Len()
		sizes.publishedGzip += zipped(single.Bytes())
		sizes.batch += len(packed)
		sizes.batchGzip += zipped(packed)
	}
	// A frame of the relay holds up to 1 MiB of batches.
	for pending := records; len(pending) > 0; {
		n, size := 0, 0
		for n < len(pending) && size < 1<<20 {
			size += len(pending[n])
			n++
		}
		frame, err := wire.AppendFrame(nil, pending[:n])
		if err != nil {
			return fmt.Errorf("frame: %w", err)
		}
		sizes.relay += len(frame)
		pending = pending[n:]
	}

	row := func(name string, size int) []string {
		return []string{name, fmt.Sprintf("%.1f", float64(size)/float64(events)), fmt.Sprintf("%.1f %%", 100-100*float64(size)/float64(sizes.json))}
	}
	r.Tables = append(r.Tables, report.Table{
		Title: fmt.Sprintf("Bytes per reference event, batches of %d", s.Batch),
		Head:  []string{"as", "bytes per event", "less than JSON"},
		Rows: [][]string{
			row("JSON, everything with every event", sizes.json), row("JSON, gzip", sizes.jsonGzip),
			row("published protobuf, a stream of events", sizes.published), row("published protobuf, gzip", sizes.publishedGzip),
			row("our batch (SDK to agent)", sizes.batch), row("our batch, gzip (SDK to agent)", sizes.batchGzip),
			row("our relay frame, lz4 (agent to aggregator)", sizes.relay),
		},
	})
	return nil
}

func zipped(data []byte) int {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write(data) // memory does not fail
	_ = w.Close()
	return b.Len()
}
