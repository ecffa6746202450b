package gosight

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestBufferedEventsShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{}
		client := start(t, agent, func(c *Config) { c.Metadata = map[string]string{"service": "shop"} })
		ctx := WithUser(WithSession(t.Context(), "visit-1"), "ann")
		if err := client.Track(ctx, "order_paid", map[string]any{"total": 12}); err != nil {
			t.Fatal(err)
		}
		if err := client.Identify(ctx, "bob", nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(client.cfg.BatchDelay + time.Millisecond)
		synctest.Wait()
		agent.seen(func(i *ingestor) {
			if len(i.batches) != 1 || len(i.stored) != 2 {
				t.Fatalf("batches %v, %d stored", i.batches, len(i.stored))
			}
			for _, ev := range i.stored {
				if ev.SessionId != "visit-1" || ev.Metadata["service"] != "shop" || ev.Metadata["sdk"] != "go" || ev.Timestamp == 0 {
					t.Errorf("event %v", ev)
				}
				if ev.EventType == "custom" && (ev.UserId != "ann" || ev.Payload != `{"name":"order_paid","props":{"total":12}}`) {
					t.Errorf("event %v", ev)
				}
				if ev.EventType == "identify" && ev.UserId != "bob" {
					t.Errorf("event %v", ev)
				}
			}
		})
		if stats := client.Stats(); stats.Acked != 2 || stats.Buffered != 0 {
			t.Errorf("stats %+v", stats)
		}
	})
}

func TestFullBufferIsAnErrorAndNotAWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{hold: make(chan struct{})}
		client := start(t, agent, func(c *Config) { c.BufferEvents, c.BatchEvents = 10, 2 })
		for n, ev := range clicks(12) {
			err := client.Enqueue(t.Context(), ev)
			if want := n >= 10; errors.Is(err, ErrFull) != want {
				t.Errorf("event %d: %v", n, err)
			}
		}
		close(agent.hold)
		if err := client.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stats := client.Stats(); stats.Acked != 10 || stats.Full != 2 {
			t.Errorf("stats %+v", stats)
		}
		if err := client.Enqueue(t.Context(), clicks(1)[0]); !errors.Is(err, ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
	})
}

func TestBufferIsBoundedInBytes(t *testing.T) {
	agent := &ingestor{hold: make(chan struct{})}
	client := start(t, agent, func(c *Config) { c.BufferBytes = 4096 })
	big := clicks(1)[0]
	big.Payload = `"` + string(make([]byte, 8192)) + `"`
	if err := client.Enqueue(t.Context(), big); !errors.Is(err, ErrFull) {
		t.Errorf("got %v", err)
	}
}

func TestCloseSaysWhatIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{hold: make(chan struct{})}
		client := start(t, agent, func(c *Config) { c.BatchEvents, c.InFlight = 2, 1; c.Log = slog.New(slog.DiscardHandler) })
		for _, ev := range clicks(5) {
			if err := client.Enqueue(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		if err := client.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
		if stats := client.Stats(); stats.Failed != 5 || stats.Buffered != 0 {
			t.Errorf("stats %+v", stats)
		}
	})
}

func TestRefusedBatchesAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{
			faults:  []error{status.Error(codes.Unauthenticated, "unknown key")},
			answers: []*Status{{Accepted: 1, Rejected: 1, Reasons: map[string]uint64{"invalid_json": 1}}},
		}
		client := start(t, agent, func(c *Config) { c.BatchEvents, c.InFlight = 2, 1; c.Log = slog.New(slog.DiscardHandler) })
		for _, ev := range clicks(4) {
			if err := client.Enqueue(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
		}
		if err := client.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if stats := client.Stats(); stats.Failed != 2 || stats.Acked != 1 || stats.Rejected["invalid_json"] != 1 {
			t.Errorf("stats %+v", stats)
		}
	})
}

// Everything that many goroutines buffered arrives, once each, whatever the agent refused meanwhile.
func TestConcurrentEnqueue(t *testing.T) {
	agent := &ingestor{faults: []error{full(time.Millisecond), nil, status.Error(codes.Unavailable, "restarting")}}
	client := start(t, agent, func(c *Config) { c.BatchEvents, c.RetryMin = 50, time.Millisecond })
	var senders sync.WaitGroup
	for range 8 {
		senders.Go(func() {
			for _, ev := range clicks(500) {
				if err := client.Enqueue(t.Context(), ev); err != nil {
					t.Error(err)
				}
			}
		})
	}
	senders.Wait()
	if err := client.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := client.Stats(); stats.Acked != 4000 || len(agent.stored) != 4000 {
		t.Errorf("stats %+v, %d stored", stats, len(agent.stored))
	}
}

func TestEnqueueNeedsASession(t *testing.T) {
	client := start(t, &ingestor{}, nil)
	if err := client.Track(t.Context(), "orphan", nil); err == nil {
		t.Error("an event of no visit was taken")
	}
	if err := client.Track(WithSession(t.Context(), "visit-1"), "bad", func() {}); err == nil {
		t.Error("a function was taken for JSON")
	}
}
