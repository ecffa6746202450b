package gosight

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
)

func TestSendBatchRetriesWithTheSameIDsAfterTheDelayAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{faults: []error{full(3 * time.Second), status.Error(codes.Unavailable, "restarting"), nil}}
		client := start(t, agent, func(c *Config) { c.Key = "key-1" })
		batch := &EventBatch{SessionId: "visit-1", Events: clicks(3)}
		answer, err := client.SendBatch(t.Context(), batch)
		if err != nil || answer.Accepted != 3 {
			t.Fatalf("got %v, %v", answer, err)
		}
		agent.seen(func(i *ingestor) {
			if len(i.stored) != 3 || i.key[0] != "key-1" {
				t.Errorf("stored %d events with key %q", len(i.stored), i.key)
			}
			first, second := i.attempts[1].Sub(i.attempts[0]), i.attempts[2].Sub(i.attempts[1])
			if first < 3*time.Second || first > 4*time.Second {
				t.Errorf("came again after %v, was asked for 3s", first)
			}
			if limit := 2 * client.cfg.RetryMin << 1; second <= 0 || second > limit {
				t.Errorf("came again after %v, want at most %v", second, limit)
			}
		})
		if batch.Events[0].EventId == "" || batch.Events[0].EventId == batch.Events[1].EventId {
			t.Errorf("ids are %q and %q", batch.Events[0].EventId, batch.Events[1].EventId)
		}
	})
}

// A batch whose replay found no room and whose events did goes again as a whole: ids make that harmless.
func TestSendBatchRepeatsWhatWasTakenInPart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{answers: []*Status{{
			Accepted: 1, Rejected: 1, Reasons: map[string]uint64{"queue_full": 1}, RetryDelay: durationpb.New(2 * time.Second),
		}}}
		client := start(t, agent, nil)
		answer, err := client.SendBatch(t.Context(), &EventBatch{SessionId: "visit-1", Events: clicks(2)})
		if err != nil || answer.Accepted != 2 {
			t.Fatalf("got %v, %v", answer, err)
		}
		agent.seen(func(i *ingestor) {
			if pause := i.attempts[1].Sub(i.attempts[0]); pause < 2*time.Second || len(i.stored) != 2 || i.received != 4 {
				t.Errorf("pause %v, %d stored of %d received", pause, len(i.stored), i.received)
			}
		})
	})
}

func TestSendBatchGivesUpWhatWillNeverWork(t *testing.T) {
	for _, code := range []codes.Code{codes.Unauthenticated, codes.InvalidArgument, codes.Unimplemented, codes.ResourceExhausted} {
		t.Run(code.String(), func(t *testing.T) {
			agent := &ingestor{faults: []error{status.Error(code, "no")}}
			client := start(t, agent, nil)
			_, err := client.SendBatch(t.Context(), &EventBatch{Events: clicks(1)})
			if status.Code(err) != code || len(agent.attempts) != 1 {
				t.Errorf("%v after %d attempts", err, len(agent.attempts))
			}
		})
	}
}

func TestSendBatchEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		agent := &ingestor{faults: []error{full(time.Hour)}}
		client := start(t, agent, nil)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := client.SendBatch(ctx, &EventBatch{Events: clicks(1)})
		if !errors.Is(err, context.DeadlineExceeded) || status.Code(err) == codes.OK {
			t.Errorf("got %v, want the deadline and the agent's refusal", err)
		}
	})
}

func TestSendBatchBoundsAnAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		agent := &ingestor{hold: hold}
		client := start(t, agent, nil)
		time.AfterFunc(time.Minute, func() {
			agent.seen(func(i *ingestor) { i.hold = nil })
			close(hold)
		})
		answer, err := client.SendBatch(t.Context(), &EventBatch{Events: clicks(1)})
		if err != nil || answer.Accepted != 1 || len(agent.attempts) < 2 {
			t.Errorf("got %v, %v after %d attempts", answer, err, len(agent.attempts))
		}
	})
}

func TestNewSaysAllThatIsWrong(t *testing.T) {
	if _, err := New(Config{}); err == nil {
		t.Error("an empty configuration was taken")
	}
}
