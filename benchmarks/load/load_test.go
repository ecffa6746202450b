package load

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"connectrpc.com/connect"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

type source struct{}

func (source) Next(int64) *gosight.EventBatch {
	return &gosight.EventBatch{SessionId: "visit-1", Events: []*gosight.Event{{EventType: "click"}, {EventType: "click"}}}
}

type sender func(ctx context.Context, batch *gosight.EventBatch) (*gosight.Status, error)

func (s sender) SendBatch(ctx context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
	return s(ctx, batch)
}

func plan(send sender) Plan {
	return Plan{
		Rate: 2000, Batch: 2, Duration: 500 * time.Millisecond, Patience: time.Minute, Workers: 4,
		Source: func(int) Source { return source{} }, Sender: func(int) Sender { return send },
	}
}

func TestRunKeepsTheRate(t *testing.T) {
	progress := NewProgress()
	err := Run(t.Context(), plan(func(_ context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
		return &gosight.Status{Accepted: uint64(len(batch.Events))}, nil
	}), progress)
	if err != nil || progress.Acked() != 1000 || progress.Unsent() != 0 {
		t.Errorf("%v: %d acked, %d unsent", err, progress.Acked(), progress.Unsent())
	}
}

// While the system stalls, batches go on falling due, and each is charged for its wait: of the 500 batches all those
// of the first 300 ms wait, the first for 300 ms. A closed loop would have seen four slow ones, under 1 %.
func TestAStallIsChargedToAllWhoWaited(t *testing.T) {
	resume := make(chan struct{})
	time.AfterFunc(300*time.Millisecond, func() { close(resume) })
	progress := NewProgress()
	err := Run(t.Context(), plan(func(_ context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
		<-resume
		return &gosight.Status{Accepted: uint64(len(batch.Events))}, nil
	}), progress)
	if err != nil {
		t.Fatal(err)
	}
	if half := progress.Latency(0.5); half < 20*time.Millisecond {
		t.Errorf("median is %v: the stall was left out", half)
	}
	if last := progress.Latency(0.99); last < 250*time.Millisecond {
		t.Errorf("p99 is %v", last)
	}
}

func TestUnknownAndUnsentAreCounted(t *testing.T) {
	progress := NewProgress()
	p := plan(func(context.Context, *gosight.EventBatch) (*gosight.Status, error) {
		time.Sleep(100 * time.Millisecond) // longer than the patience
		return nil, errors.New("gone")
	})
	p.Workers, p.Patience = 1, time.Millisecond
	if err := Run(t.Context(), p, progress); err != nil {
		t.Fatal(err)
	}
	sent := progress.Unknown() / 2
	if sent == 0 || sent+progress.Unsent() != 500 || progress.Errors()["gone"] != int(sent) {
		t.Errorf("%d sent and %d unsent of 500, errors %v", sent, progress.Unsent(), progress.Errors())
	}
}

type agent struct {
	gosightconnect.UnimplementedIngestorHandler
	refusals atomic.Int64
	key      atomic.Value
}

func (a *agent) SendBatch(_ context.Context, r *connect.Request[gosight.EventBatch]) (*connect.Response[gosight.Status], error) {
	a.key.Store(r.Header().Get("X-Gosight-Key"))
	if a.refusals.Add(-1) >= 0 {
		return nil, connect.NewError(connect.CodeResourceExhausted, errors.New("full"))
	}
	if r.Msg.SessionId == "" {
		return nil, connect.NewError(connect.CodeInvalidArgument, errors.New("no session"))
	}
	return connect.NewResponse(&gosight.Status{Accepted: uint64(len(r.Msg.Events))}), nil
}

func TestBrowserSpeaksConnect(t *testing.T) {
	mux, a := http.NewServeMux(), &agent{}
	mux.Handle(gosightconnect.NewIngestorHandler(a))
	server := httptest.NewServer(mux)
	defer server.Close()
	wire := &Wire{}
	for _, compress := range []bool{false, true} {
		a.refusals.Store(1)
		b := &Browser{URL: server.URL, Key: "key-1", Compress: compress, Client: wire.HTTPClient(1)}
		answer, err := b.SendBatch(t.Context(), source{}.Next(0))
		if err != nil || answer.Accepted != 2 || a.key.Load() != "key-1" {
			t.Errorf("%v, %v, key %v", answer, err, a.key.Load())
		}
		if _, err := b.SendBatch(t.Context(), &gosight.EventBatch{}); err == nil || !strings.Contains(err.Error(), "no session") {
			t.Errorf("got %v", err)
		}
	}
	if wire.Sent.Load() == 0 || wire.Received.Load() == 0 {
		t.Error("bytes were not counted")
	}
}
