package gosight

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestStreamConfirmsAll(t *testing.T) {
	agent := &ingestor{}
	client := start(t, agent, func(c *Config) { c.StreamWindow = 64 })
	stream := client.Stream(t.Context())
	for _, ev := range clicks(1000) {
		if err := stream.Send(t.Context(), ev); err != nil {
			t.Fatal(err)
		}
	}
	answer, err := stream.Close(t.Context())
	if err != nil || answer.Accepted != 1000 || len(agent.stored) != 1000 {
		t.Errorf("%v, %v, %d stored", answer, err, len(agent.stored))
	}
	if err := stream.Send(t.Context(), clicks(1)[0]); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

func TestBrokenStreamGoesAgainWithTheSameIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{cutAfter: 7}
		client := start(t, agent, func(c *Config) { c.StreamWindow = 40; c.BatchEvents = 8 })
		stream := client.Stream(t.Context())
		for _, ev := range clicks(100) {
			if err := stream.Send(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
		}
		answer, err := stream.Close(t.Context())
		if err != nil || answer.Accepted != 100 || len(agent.stored) != 100 {
			t.Errorf("%v, %v, %d stored", answer, err, len(agent.stored))
		}
		if agent.received <= 100 {
			t.Errorf("%d received: nothing went again, so nothing was tried", agent.received)
		}
	})
}

func TestQuietStreamIsConfirmedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{}
		client := start(t, agent, nil)
		stream := client.Stream(t.Context())
		if err := stream.Send(t.Context(), clicks(1)[0]); err != nil {
			t.Fatal(err)
		}
		time.Sleep(streamDelay + time.Millisecond)
		synctest.Wait()
		if n := len(stream.window); n != 0 {
			t.Errorf("%d events unconfirmed after %v", n, streamDelay)
		}
		if _, err := stream.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestStreamHoldsBackAndEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{hold: make(chan struct{})}
		client := start(t, agent, func(c *Config) { c.StreamWindow = 4 })
		stream := client.Stream(t.Context())
		for _, ev := range clicks(4) {
			if err := stream.Send(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := stream.Send(ctx, clicks(1)[0]); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("fifth of a window of four: %v", err)
		}
		if _, err := stream.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("close: %v", err)
		}
	})
}

func TestStreamFailsForGood(t *testing.T) {
	agent := &ingestor{faults: []error{status.Error(codes.Unauthenticated, "unknown key")}}
	client := start(t, agent, nil)
	stream := client.Stream(t.Context())
	if err := stream.Send(t.Context(), clicks(1)[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Close(t.Context()); status.Code(err) != codes.Unauthenticated {
		t.Errorf("close: %v", err)
	}
}
