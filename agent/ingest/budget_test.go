package ingest

import (
	"context"
	"testing"
	"testing/synctest"

	"golang.org/x/sync/semaphore"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/gosight/gosight/internal/config"
	"github.com/gosight/gosight/proto/gen/gosight"
)

func TestWithoutBudgetABatchIsRefusedForNow(t *testing.T) {
	budget := &Budget{semaphore.NewWeighted(10_000)}
	conn, _ := startGRPCWithin(t, config.Default[Server](), budget)
	client := gosight.NewIngestorClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", "k1")
	batch := &gosight.EventBatch{SessionId: "s", Events: []*gosight.Event{{EventType: "custom"}}}

	budget.TryAcquire(9_999)
	_, err := client.SendBatch(ctx, batch)
	st := status.Convert(err)
	if st.Code() != codes.ResourceExhausted || len(st.Details()) != 1 {
		t.Fatalf("answer is %v", err)
	}
	if retry, ok := st.Details()[0].(*errdetails.RetryInfo); !ok || retry.RetryDelay.AsDuration() != busyDelay {
		t.Errorf("details are %v", st.Details())
	}
	budget.Release(9_999)
	if answer, err := client.SendBatch(ctx, batch); err != nil || answer.Accepted != 1 {
		t.Errorf("%v, %v", answer, err)
	}
	if !budget.TryAcquire(10_000) {
		t.Error("a batch that is done with holds some of the budget")
	}
}

// A stream without budget waits; one that ends gives all of it back, whichever way it ends.
func TestWithoutBudgetAStreamWaits(t *testing.T) {
	budget := &Budget{semaphore.NewWeighted(10_000)}
	conn, q := startGRPCWithin(t, config.Default[Server](), budget)
	client := gosight.NewIngestorClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-gosight-key", "k1")
	budget.TryAcquire(10_000)
	stream, err := client.SendEvents(ctx)
	if err != nil {
		t.Fatal(err)
	}
	const sent = 1000
	for range sent {
		if err := stream.Send(&gosight.Event{SessionId: "s", EventType: "custom"}); err != nil {
			t.Fatal(err)
		}
	}
	none, cancel := context.WithCancel(t.Context())
	cancel()
	if chunk, err := q.Read(none, 1<<20); err == nil {
		t.Errorf("%d batches were stored without a budget", len(chunk.Values))
	}
	budget.Release(10_000)
	if answer, err := stream.CloseAndRecv(); err != nil || answer.Accepted != sent {
		t.Errorf("%v, %v", answer, err)
	}
	broken, giveUp := context.WithCancel(ctx)
	if stream, err = client.SendEvents(broken); err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&gosight.Event{SessionId: "s", EventType: "custom"}); err != nil {
		t.Fatal(err)
	}
	giveUp()
	if err := budget.Acquire(t.Context(), 10_000); err != nil {
		t.Errorf("streams that ended hold some of the budget: %v", err)
	}
}

func TestWhatComesAfterTheEndIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := &Budget{semaphore.NewWeighted(100)}
		h := &hold{budget: budget}
		if err := h.add(t.Context(), 60); err != nil {
			t.Fatal(err)
		}
		late := make(chan error)
		go func() { late <- h.add(context.Background(), 50) }()
		synctest.Wait()
		h.give(20)
		h.end()
		if err := <-late; err == nil {
			t.Error("added to what has ended")
		}
		if !budget.TryAcquire(100) {
			t.Error("not everything was given back")
		}
	})
}
