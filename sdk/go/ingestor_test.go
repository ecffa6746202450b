package gosight

import (
	"context"
	"errors"
	"io"
	"maps"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// ingestor is an agent that keeps its events in memory. faults are given out one an attempt, before it works; a
// nil fault lets that attempt through.
type ingestor struct {
	pb.UnimplementedIngestorServer

	mu       sync.Mutex
	faults   []error
	answers  []*Status // given out like faults, in place of a full acceptance
	attempts []time.Time
	batches  []int
	key      []string
	stored   map[string]*Event // by session/id
	received int               // events, repeated ones too
	hold     chan struct{}     // while set, answers wait for it to be closed
	cutAfter int               // breaks the next streams after this many events
}

func (i *ingestor) begin(ctx context.Context) error {
	i.mu.Lock()
	md, _ := metadata.FromIncomingContext(ctx)
	i.key = md.Get("x-gosight-key")
	i.attempts = append(i.attempts, time.Now())
	var fault error
	if len(i.faults) > 0 {
		fault, i.faults = i.faults[0], i.faults[1:]
	}
	hold := i.hold
	i.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return fault
}

func (i *ingestor) store(session string, ev *Event) {
	if ev.SessionId != "" {
		session = ev.SessionId
	}
	if i.stored == nil {
		i.stored = make(map[string]*Event)
	}
	i.stored[session+"/"+ev.EventId] = ev
	i.received++
}

func (i *ingestor) SendBatch(ctx context.Context, batch *EventBatch) (*Status, error) {
	if err := i.begin(ctx); err != nil {
		return nil, err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.batches = append(i.batches, len(batch.Events))
	for _, ev := range batch.Events {
		if ev.Metadata == nil {
			ev.Metadata = map[string]string{}
		}
		shared := maps.Clone(batch.Metadata)
		maps.Copy(shared, ev.Metadata)
		ev.Metadata = shared
		i.store(batch.SessionId, ev)
	}
	if len(i.answers) > 0 {
		answer := i.answers[0]
		i.answers = i.answers[1:]
		return answer, nil
	}
	return &Status{Accepted: uint64(len(batch.Events))}, nil
}

func (i *ingestor) SendEvents(stream pb.Ingestor_SendEventsServer) error {
	if err := i.begin(stream.Context()); err != nil {
		return err
	}
	for n := uint64(0); ; n++ {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&Status{Accepted: n})
		}
		if err != nil {
			return err
		}
		i.mu.Lock()
		i.store("", ev)
		broken := i.cutAfter > 0 && n+1 >= uint64(i.cutAfter)
		i.mu.Unlock()
		if broken {
			return status.Error(codes.Unavailable, "agent is going away")
		}
	}
}

func (i *ingestor) seen(read func(i *ingestor)) {
	i.mu.Lock()
	defer i.mu.Unlock()
	read(i)
}

// start serves i on an in-memory network and returns a client of it; both end with the test.
func start(t *testing.T, i *ingestor, change func(*Config)) *Client {
	t.Helper()
	network := bufconn.Listen(1 << 20)
	server := grpc.NewServer(grpc.ForceServerCodec(wire.Codec{Alias: true}))
	pb.RegisterIngestorServer(server, i)
	served := make(chan error, 1)
	go func() { served <- server.Serve(network) }()

	cfg := Default()
	cfg.Addr = "passthrough:///agent"
	cfg.DialOptions = []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return network.DialContext(ctx) }),
	}
	if change != nil {
		change(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = client.Close(ctx) // most tests have closed it
		server.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return client
}

func full(delay time.Duration) error {
	st, err := status.New(codes.ResourceExhausted, "queue is full").
		WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	if err != nil {
		panic(err)
	}
	return st.Err()
}

func clicks(n int) []*Event {
	events := make([]*Event, n)
	for i := range events {
		events[i] = &Event{SessionId: "visit-1", EventType: "click", Payload: `{"x":1,"y":2}`}
	}
	return events
}
