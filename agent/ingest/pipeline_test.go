package ingest

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/agent/enrich"
	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/agent/redact"
	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/proto/gen/gosight"
)

const testNow = int64(1_790_000_000_000)

func newTestPipeline(t testing.TB, change ...func(*queue.Config)) (*Pipeline, *queue.Queue) {
	t.Helper()
	cfg := queue.Default()
	cfg.Dir = t.TempDir()
	cfg.MinFreeBytes = 0
	for _, f := range change {
		f(&cfg)
	}
	q, err := queue.Open(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Close() })
	enricher, err := enrich.New(enrich.Default(), map[string]string{"agent": "a1"})
	if err != nil {
		t.Fatal(err)
	}
	door, err := gate.New(gate.Parts{
		Config: gate.Default(), Keys: map[string]string{"k1": "shop"}, CacheFile: testRegistry(t), Now: time.Now,
		Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return NewPipeline(Parts{
		AgentID: "a1", Region: "test", Limits: DefaultLimits(), Gate: door, Enricher: enricher, Redact: redact.Default(),
		Rules: detect.MustLive(detect.Default()), Queue: q, Budget: NewBudget(config.Default[Server]()),
		Now:        func() time.Time { return time.UnixMilli(testNow) },
		Registerer: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
	}), q
}

// testRegistry is a registry as an agent keeps it on disk: another tenant's key, and one of the shop's that was revoked.
func testRegistry(t testing.TB) (file string) {
	t.Helper()
	_, document, err := (&registry.Snapshot{Keys: []registry.Key{
		{ID: "1", Project: "other", Sum: registry.SumOf("gs_other")},
		{ID: "2", Project: "shop", Sum: registry.SumOf("gs_revoked"), RevokedAt: 1},
	}}).Encode()
	file = filepath.Join(t.TempDir(), "registry.json")
	if err := errors.Join(err, os.WriteFile(file, document, 0o600)); err != nil {
		t.Fatal(err)
	}
	return file
}

// queued reads everything that is in the queue now.
func queued(t testing.TB, q *queue.Queue, batches int) []*gosight.Batch {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	var found []*gosight.Batch
	for len(found) < batches {
		chunk, err := q.Read(ctx, 1<<20)
		if err != nil {
			t.Fatalf("read queue after %d of %d batches: %v", len(found), batches, err)
		}
		for _, value := range chunk.Values {
			batch := &gosight.Batch{}
			if err := batch.UnmarshalVT(value); err != nil {
				t.Fatal(err)
			}
			found = append(found, batch)
		}
		if err := q.Done(chunk); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

var testSource = Source{Project: "shop", Addr: netip.MustParseAddr("203.0.113.7")}

func TestOneBadEventDoesNotCostItsNeighbours(t *testing.T) {
	for reason, bad := range map[string]*gosight.Event{
		reasonNoType:         {Payload: `{}`},
		reasonNotJSON:        {EventType: "click", Payload: `{"x":`},
		reasonNotUTF8:        {EventType: "click", Payload: "{\"x\":\"\xff\"}"},
		reasonSessionTooLong: {EventType: "click", SessionId: strings.Repeat("s", 129)},
		reasonUserTooLong:    {EventType: "click", UserId: strings.Repeat("u", 257)},
		reasonTypeTooLong:    {EventType: strings.Repeat("t", 65)},
		reasonIDTooLong:      {EventType: "click", EventId: strings.Repeat("i", 129)},
		reasonFuture:         {EventType: "click", Timestamp: testNow + 25*3600*1000},
		reasonNegativeTime:   {EventType: "click", Timestamp: -1},
		reasonPayloadSize:    {EventType: "custom", Payload: `"` + strings.Repeat("p", 65<<10) + `"`},
		reasonMetadataSize:   {EventType: "click", Metadata: map[string]string{"k": strings.Repeat("v", 17<<10)}},
	} {
		t.Run(reason, func(t *testing.T) {
			p, q := newTestPipeline(t)
			answer, err := p.Take(t.Context(), testSource, &gosight.EventBatch{SessionId: "s1", Events: []*gosight.Event{
				{EventType: "custom", EventId: "good1"}, bad, {EventType: "unheard_of", EventId: "good2"},
			}})
			if err != nil {
				t.Fatal(err)
			}
			if answer.Accepted != 2 || answer.Rejected != 1 || answer.Reasons[reason] != 1 {
				t.Errorf("answer is %v, want 2 accepted and 1 %s", answer, reason)
			}
			stored := queued(t, q, 1)[0]
			if len(stored.Events) != 2 || stored.Events[0].EventId != "good1" || stored.Events[1].EventId != "good2" {
				t.Errorf("stored %v", stored.Events)
			}
		})
	}
	t.Run(reasonNoSession, func(t *testing.T) {
		p, _ := newTestPipeline(t)
		answer, err := p.Take(t.Context(), testSource, &gosight.EventBatch{Events: []*gosight.Event{{EventType: "click"}}})
		if err != nil || answer.Reasons[reasonNoSession] != 1 {
			t.Errorf("got %v, %v", answer, err)
		}
	})
}

// Nothing personal passes beside values: not in names, not in types, not in what a browser calls itself.
func TestNamesAreScrubbedToo(t *testing.T) {
	p, q := newTestPipeline(t)
	from := testSource
	from.UserAgent = "bob@example.org/1.0"
	_, err := p.Take(t.Context(), from, &gosight.EventBatch{
		SessionId: "s1", Metadata: map[string]string{"bob@example.org": "1", "referrer": "https://a.example/#access_token=abc"},
		Events: []*gosight.Event{
			{EventType: "of bob@example.org", EventId: "e1", Timestamp: testNow, Payload: `{"url":"/p?token=abc&tab=1"}`},
			{EventType: "custom", EventId: "e2", Timestamp: testNow, Metadata: map[string]string{"4111111111111111": "x"}},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	batch := queued(t, q, 1)[0]
	if text := batch.String(); strings.Contains(text, "bob") || strings.Contains(text, "4111") || strings.Contains(text, "abc") {
		t.Errorf("stored is %s", text)
	}
	if batch.Metadata["[mail]"] != "1" || batch.Events[0].EventType != "of [mail]" || batch.Events[0].Payload != `{"url":"/p?token=[cut]&tab=1"}` {
		t.Errorf("stored is %v", batch)
	}
}

func TestWhatIsStored(t *testing.T) {
	p, q := newTestPipeline(t)
	_, err := p.Take(t.Context(), testSource, &gosight.EventBatch{
		SessionId: "s1", UserId: "u1", SentAt: testNow - 3600_000,
		Metadata: map[string]string{"url": "https://shop.example/?token=abc", "ip": "198.51.100.1"},
		Events: []*gosight.Event{
			{EventType: "custom", EventId: "e1", Timestamp: testNow - 3600_500, Payload: `{"mail":"bob@example.org"}`},
			{EventType: "mutation", EventId: "e2"},
			{EventType: "custom", Metadata: map[string]string{"event_id": "named"}},
			{EventType: "custom"},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	batches := queued(t, q, 2)
	events, replay := batches[0], batches[1]
	if events.Lane != gosight.Lane_LANE_EVENTS || replay.Lane != gosight.Lane_LANE_REPLAY {
		t.Fatalf("lanes are %s and %s", events.Lane, replay.Lane)
	}
	if events.Project != "shop" || events.SessionId != "s1" || events.UserId != "u1" || events.AgentId != "a1" || events.ReceivedAt != testNow {
		t.Errorf("envelope is %v", events)
	}
	if _, ok := events.Metadata["ip"]; ok || events.Metadata["url"] != "https://shop.example/?token=[cut]" || events.Metadata["agent"] != "a1" {
		t.Errorf("metadata is %v", events.Metadata)
	}
	first := events.Events[0]
	if first.Payload != `{"mail":"[mail]"}` {
		t.Errorf("payload is %s", first.Payload)
	}
	if first.Timestamp != testNow-500 {
		t.Errorf("the client's clock is an hour behind, but its event is at %d of %d", first.Timestamp, testNow)
	}
	if events.Events[1].EventId != "named" || events.Events[1].Metadata["event_id"] != "" {
		t.Errorf("an id in metadata became %v", events.Events[1])
	}
	if events.Events[2].EventId == "" || replay.Events[0].EventId != "e2" || replay.Events[0].Payload != "{}" {
		t.Errorf("ids are %q and %q", events.Events[2].EventId, replay.Events[0].EventId)
	}
}

func TestSixthClickIsSaidWithTheBatchThatHoldsIt(t *testing.T) {
	p, q := newTestPipeline(t)
	batch := &gosight.EventBatch{SessionId: "s1", Metadata: map[string]string{"url": "/cart", "page_id": "p1"}}
	for i := range 6 {
		batch.Events = append(batch.Events, &gosight.Event{
			EventType: "click", EventId: string(rune('a' + i)), Timestamp: testNow - 1000 + int64(i)*100,
			Payload: `{"x":10,"y":20,"selector":"#pay","interactive":true}`,
		})
	}
	if _, err := p.Take(t.Context(), testSource, batch); err != nil {
		t.Fatal(err)
	}
	stored := queued(t, q, 1)[0]
	if len(stored.Signals) != 1 || stored.Signals[0].Kind != "rage_click" || stored.Signals[0].FirstEventId != "a" {
		t.Errorf("signals are %v", stored.Signals)
	}
}

// Replay is refused at half of the queue's bound here, events at all of it; what was refused is not stored.
func TestAFullQueueRefusesReplayFirstAndSaysWhenToComeBack(t *testing.T) {
	p, _ := newTestPipeline(t, func(cfg *queue.Config) {
		cfg.SegmentBytes, cfg.MaxBytes, cfg.ReplayShare = 64<<10, 1<<20, 0.5
	})
	payload := `"` + strings.Repeat("x", 30<<10) + `"`
	take := func() (*gosight.Status, error) {
		return p.Take(t.Context(), testSource, &gosight.EventBatch{SessionId: "s1", Events: []*gosight.Event{
			{EventType: "custom", Payload: payload}, {EventType: "mutation", Payload: payload},
		}})
	}
	replayRefused := 0
	for range 1000 {
		answer, err := take()
		var full *queue.FullError
		switch {
		case errors.As(err, &full):
			if full.RetryAfter <= 0 || replayRefused == 0 {
				t.Errorf("refused with delay %s after %d refusals of replay alone", full.RetryAfter, replayRefused)
			}
			return
		case err != nil:
			t.Fatal(err)
		case answer.Reasons[reasonFull] > 0:
			replayRefused++
			if answer.Accepted != 1 || answer.Rejected != 1 || answer.RetryDelay.AsDuration() <= 0 {
				t.Fatalf("with room for events only, the answer is %v", answer)
			}
		}
	}
	t.Fatal("a queue of 1 MiB took 60 MB")
}

// Whatever a client sends, submitting neither panics nor stores what check refuses.
func FuzzTake(f *testing.F) {
	good, _ := (&gosight.EventBatch{SessionId: "s", Metadata: map[string]string{"url": "/"}, Events: []*gosight.Event{
		{EventType: "click", Payload: `{"x":1,"y":2}`, Metadata: map[string]string{"a": "b"}},
	}}).MarshalVT()
	f.Add(good)
	f.Add([]byte{0x22, 0x02, 0x1a, 0x00})
	p, q := newTestPipeline(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		var batch gosight.EventBatch
		if batch.UnmarshalVT(data) != nil {
			return
		}
		sent, columns := uint64(len(batch.Events)), len(batch.Columns) > 0 // of which nobody knows how many they hold
		answer, err := p.Take(t.Context(), testSource, &batch)
		if err != nil {
			t.Fatal(err)
		}
		if got := answer.Accepted + answer.Rejected; got < sent || got > sent && !columns {
			t.Fatalf("%d events became %v", sent, answer)
		}
		drain(q)
	})
}

// drain keeps a fuzzed queue from filling up.
func drain(q *queue.Queue) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		chunk, err := q.Read(ctx, 1<<20)
		if err != nil {
			return
		}
		_ = q.Done(chunk)
	}
}
