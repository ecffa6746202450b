package gosight

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/test/bufconn"

	pb "github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// place is an agent somewhere on a network: so far away one way, and perhaps cut off without a word.
type place struct {
	ingestor
	delay   time.Duration
	cut     atomic.Bool
	network *bufconn.Listener
	health  *health.Server
}

// line carries bytes one way in its time, and loses them while the place is cut off.
type line struct {
	net.Conn
	to   *place
	sent chan parcel
	done context.Context
	end  context.CancelFunc
}

type parcel struct {
	bytes []byte
	due   time.Time
}

func (l *line) Write(b []byte) (int, error) {
	select {
	case l.sent <- parcel{slices.Clone(b), time.Now().Add(l.to.delay)}:
		return len(b), nil
	default:
		return 0, fmt.Errorf("the line is full")
	}
}

func (l *line) carry() {
	for {
		select {
		case <-l.done.Done():
			return
		case p := <-l.sent:
			select {
			case <-l.done.Done():
				return
			case <-time.After(time.Until(p.due)):
			}
			if l.to.cut.Load() {
				continue
			}
			if _, err := l.Conn.Write(p.bytes); err != nil {
				return
			}
		}
	}
}

func (l *line) Close() error {
	l.end()
	return l.Conn.Close()
}

func (p *place) dial(ctx context.Context) (net.Conn, error) {
	if p.cut.Load() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	conn, err := p.network.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	l := &line{Conn: conn, to: p, sent: make(chan parcel, 10_000)}
	l.done, l.end = context.WithCancel(context.Background())
	go l.carry()
	return l, nil
}

func (p *place) serve(t *testing.T) {
	p.network, p.health = bufconn.Listen(1<<20), health.NewServer()
	server := grpc.NewServer(grpc.ForceServerCodec(wire.Codec{Alias: true}))
	pb.RegisterIngestorServer(server, &p.ingestor)
	grpc_health_v1.RegisterHealthServer(server, p.health)
	go func() { _ = server.Serve(p.network) }()
	t.Cleanup(server.Stop)
}

func (p *place) has() (n int) {
	p.seen(func(i *ingestor) { n = i.received })
	return n
}

// world has a client between two agents; it must be closed within the bubble.
func world(t *testing.T, change func(*Config)) (client *Client, near, far *place) {
	t.Helper()
	places := map[string]*place{"near:1": {delay: 10 * time.Millisecond}, "far:1": {delay: 120 * time.Millisecond}}
	for _, p := range places {
		p.serve(t)
	}
	cfg := Default()
	cfg.Agents, cfg.Log = []string{"passthrough:///far:1", "passthrough:///near:1"}, slog.New(slog.DiscardHandler)
	cfg.DialOptions = []grpc.DialOption{
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return places[addr].dial(ctx) }),
	}
	if change != nil {
		change(&cfg)
	}
	client, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client, places["near:1"], places["far:1"]
}

func send(t *testing.T, c *Client) (took time.Duration) {
	t.Helper()
	began := time.Now()
	if _, err := c.SendBatch(t.Context(), &EventBatch{Events: clicks(1)}); err != nil {
		t.Error(err)
	}
	return time.Since(began)
}

func TestTheNearestAgentIsUsedAndLeftWithinASecondAndUsedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near, far := world(t, nil)
		defer client.Close(t.Context())
		send(t, client)
		send(t, client)
		if near.has() != 2 || far.has() != 0 {
			t.Fatalf("near has %d events, far %d", near.has(), far.has())
		}

		near.cut.Store(true)
		if took := send(t, client); took > time.Second {
			t.Errorf("a batch took %s when the near agent was cut off", took)
		}
		if took := send(t, client); took > 300*time.Millisecond {
			t.Errorf("the next batch took %s", took)
		}
		if far.has() != 2 {
			t.Errorf("far has %d events of 2", far.has())
		}

		near.cut.Store(false)
		time.Sleep(3 * lookInterval)
		if send(t, client); near.has() != 3 {
			t.Error("the near agent is well and not used again")
		}
	})
}

func TestAStreamGoesOnElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near, far := world(t, nil)
		defer client.Close(t.Context())
		stream := client.Stream(t.Context())
		for i, ev := range clicks(100) {
			if i == 50 {
				near.cut.Store(true)
			}
			if err := stream.Send(t.Context(), ev); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
		status, err := stream.Close(t.Context())
		if err != nil || status.Accepted != 100 {
			t.Fatalf("%v, %v", status, err)
		}
		ids := map[string]bool{}
		for _, p := range []*place{near, far} {
			p.seen(func(i *ingestor) {
				for id := range i.stored {
					ids[id] = true
				}
			})
		}
		if len(ids) != 100 || far.has() == 0 {
			t.Errorf("%d events stored, %d of them far away", len(ids), far.has())
		}
	})
}

func TestAnAgentThatIsGoingAwayIsLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near, far := world(t, nil)
		defer client.Close(t.Context())
		send(t, client)
		hold := make(chan struct{})
		near.seen(func(i *ingestor) { i.hold = hold })
		near.health.Shutdown()
		if took := send(t, client); took > time.Second || far.has() != 1 {
			t.Errorf("took %s, far has %d", took, far.has())
		}
		close(hold)
	})
}

// A busy agent is not a dead one: its health answers, so its slow disk is waited for.
func TestASlowAnswerIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near, far := world(t, nil)
		defer client.Close(t.Context())
		send(t, client)
		hold := make(chan struct{})
		near.seen(func(i *ingestor) { i.hold = hold })
		time.AfterFunc(10*time.Second, func() { close(hold) })
		if took := send(t, client); took < 10*time.Second || far.has() != 0 || near.has() != 2 {
			t.Errorf("took %s, near has %d, far %d", took, near.has(), far.has())
		}
	})
}

func TestWithNobodyThereTheyTakeTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, near, far := world(t, nil)
		defer client.Close(t.Context())
		send(t, client)
		near.cut.Store(true)
		far.cut.Store(true)
		time.AfterFunc(20*time.Second, func() { near.cut.Store(false) })
		if took := send(t, client); took > time.Minute || near.has() != 2 {
			t.Errorf("took %s, near has %d", took, near.has())
		}
	})
}

func TestAgentsAreDiscovered(t *testing.T) {
	list := `{"agents":[{"grpc":"passthrough:///near:1"},{"grpc":"passthrough:///gone:1","draining":true},{"url":"https://web.only"}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, list) }))
	defer server.Close()
	client, near, far := world(t, func(cfg *Config) {
		cfg.Agents, cfg.Addr, cfg.Discover = nil, "passthrough:///far:1", server.URL+"/agents"
	})
	defer client.Close(t.Context())
	send(t, client)
	if near.has() != 1 || far.has() != 0 || len(client.agents.known()) != 2 {
		t.Errorf("near has %d events, far %d; %d agents", near.has(), far.has(), len(client.agents.known()))
	}
}
