package ingest

import (
	"encoding/json"
	"errors"
	"os"
	"testing"

	"golang.org/x/sync/semaphore"

	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// webColumns is a batch as the web SDK writes it, and the payloads that stand in it.
func webColumns(t *testing.T) (*gosight.EventBatch, []string) {
	t.Helper()
	data, err := os.ReadFile("../../proto/testdata/web_columns.binpb")
	if err != nil {
		t.Fatal(err)
	}
	batch := new(gosight.EventBatch)
	if err := batch.UnmarshalVT(data); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../proto/testdata/web_columns.json")
	if err != nil {
		t.Fatal(err)
	}
	var events []struct{ Payload string }
	if err := json.Unmarshal(text, &events); err != nil {
		t.Fatal(err)
	}
	payloads := make([]string, len(events))
	for i, event := range events {
		payloads[i] = event.Payload
	}
	return batch, payloads
}

func TestColumnsAreStoredAsEvents(t *testing.T) {
	p, q := newTestPipeline(t)
	const budget = 1 << 20
	p.unfolder.budget = &Budget{semaphore.NewWeighted(budget)}
	batch, payloads := webColumns(t)
	batch.Events = []*gosight.Event{{EventType: "click", EventId: "own", Payload: `{"x":1}`}}
	status, err := p.Take(t.Context(), Source{Project: "shop"}, batch)
	if err != nil {
		t.Fatal(err)
	}
	if status.Accepted != uint64(len(payloads)+1) || status.Rejected != 0 {
		t.Fatalf("status %v, want %d accepted", status, len(payloads)+1)
	}
	var stored []string
	for _, batch := range queued(t, q, 2) {
		for _, event := range batch.Events {
			if isReplay(event.EventType) {
				stored = append(stored, event.Payload)
			}
		}
	}
	for i, want := range payloads {
		if stored[i] != want {
			t.Errorf("payload %d: %s, want %s", i, stored[i], want)
		}
	}
	if !p.unfolder.budget.TryAcquire(budget) {
		t.Error("room was not given back")
	}
}

func TestColumnsThatCannotBeReadCostTheirNeighboursNothing(t *testing.T) {
	p, q := newTestPipeline(t)
	batch, _ := webColumns(t)
	batch.Columns = batch.Columns[:len(batch.Columns)/2]
	batch.Events = []*gosight.Event{{EventType: "click", EventId: "own", Payload: `{"x":1}`}}
	status, err := p.Take(t.Context(), Source{Project: "shop"}, batch)
	if err != nil {
		t.Fatal(err)
	}
	if status.Accepted != 1 || status.Reasons[reasonColumns] != 1 {
		t.Errorf("status %v", status)
	}
	queued(t, q, 1)
}

func TestColumnsAreBounded(t *testing.T) {
	p, _ := newTestPipeline(t)
	limit := p.unfolder.limit

	p.unfolder.limit = 1000
	batch, _ := webColumns(t)
	status, err := p.Take(t.Context(), Source{Project: "shop"}, batch)
	if err != nil || status.Accepted != 0 || status.Reasons[reasonPayloadSize] != 1 {
		t.Errorf("larger than one batch may be: %v, %v", status, err)
	}

	p.unfolder.limit = limit
	p.unfolder.budget = &Budget{semaphore.NewWeighted(1000)}
	batch, _ = webColumns(t)
	var full *queue.FullError
	if status, err := p.Take(t.Context(), Source{Project: "shop"}, batch); !errors.As(err, &full) || full.RetryAfter <= 0 {
		t.Errorf("while others have the room: %v, %v", status, err)
	}
	if !p.unfolder.budget.TryAcquire(1000) {
		t.Error("room of a refused batch was not given back")
	}
}
