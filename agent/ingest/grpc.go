package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/netip"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // SDKs may compress
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// How a stream's events are gathered: at most this many events or bytes are submitted together, whatever had
// arrived while the ones before were worked on, and at most this many submissions wait for the disk.
const (
	streamBuffer   = 512
	streamBytes    = 256 << 10
	streamInFlight = 8
	// streamPatience is how long a stream is held back by a full queue before it is told to come again.
	streamPatience = 10 * time.Second
)

// Server says who may connect, and bounds what connections may cost.
type Server struct {
	// Without them the ports are plain: for loopback, and behind a proxy that has the certificate.
	CertFile string `help:"TLS certificate of the gRPC and HTTP ports (PEM), HTTP/3 included; a replaced file is picked up." type:"path"`
	KeyFile  string `help:"Key of that certificate (PEM)." type:"path"`

	MaxMessageBytes int `help:"What one message may take in memory, a request body in all: as it came, decompressed and decoded. One replay snapshot with its neighbours." default:"20971520"`
	// Memory is about four times this: what is still arriving, as it came, as it is decoded, and what has not been
	// collected yet.
	MaxPendingBytes int64  `help:"Bytes of requests and of streams' events that are worked on at a time, decompressed." default:"67108864"`
	MaxStreams      uint32 `help:"Concurrent requests and streams on one connection." default:"1000"`
	// A stream that says nothing holds some ten kilobytes.
	MaxCalls int64 `help:"Concurrent requests and streams on all gRPC connections together." default:"10000"`
	// A client is an address: an office behind one has some hundred browsers, a server a few connections.
	MaxClientConnections int `help:"Connections that one address may have open on a port." default:"1000"`
	// An idle one holds some tens of kilobytes.
	MaxConnections int           `help:"Connections that may be open on a port." default:"16384"`
	IdleTimeout    time.Duration `help:"A connection without a request for this long is closed." default:"5m"`
	TrustedProxies []string      `help:"Networks (CIDR) whose X-Forwarded-For is believed."`
	AllowedOrigins []string      `help:"Origins that pages may send from; * is every one." default:"*"`
}

// GRPCServer serves gosight.Ingestor, health and reflection.
type GRPCServer struct {
	server   *grpc.Server
	health   *health.Server
	listener net.Listener
}

// NewGRPCServer serves p on listener once Run is called.
func NewGRPCServer(listener net.Listener, cfg Server, p *Pipeline) *GRPCServer {
	server := grpc.NewServer(
		grpc.ForceServerCodec(wire.Codec{Alias: true, MaxDecoded: cfg.MaxMessageBytes}),
		grpc.MaxRecvMsgSize(cfg.MaxMessageBytes),
		grpc.MaxConcurrentStreams(cfg.MaxStreams),
		grpc.InTapHandle(limitCalls(cfg.MaxCalls, p.metrics.refused)),
		grpc.ConnectionTimeout(10*time.Second),
		grpc.MaxHeaderListSize(16<<10),
		// What a connection that rests holds; whole frames are read past it.
		grpc.ReadBufferSize(8<<10),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: cfg.IdleTimeout, Time: time.Minute, Timeout: 20 * time.Second}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}),
	)
	listener = boundArrivals(listener, cfg.MaxMessageBytes, cfg.MaxPendingBytes, p.metrics.refused)
	s := &GRPCServer{server: server, health: health.NewServer(), listener: listener}
	gosight.RegisterIngestorServer(server, &grpcIngestor{pipeline: p})
	grpc_health_v1.RegisterHealthServer(server, s.health)
	reflection.Register(server)
	return s
}

// Run serves until ctx is cancelled; streams under way then have 5 seconds to end.
func (s *GRPCServer) Run(ctx context.Context) error {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		s.health.Shutdown()
		force := time.AfterFunc(5*time.Second, s.server.Stop)
		defer force.Stop()
		s.server.GracefulStop()
	})
	err := s.server.Serve(s.listener)
	if stop() {
		return fmt.Errorf("serve gRPC on %s: %w", s.listener.Addr(), err)
	}
	<-stopped
	return nil
}

type grpcIngestor struct {
	gosight.UnimplementedIngestorServer
	pipeline *Pipeline
}

// source tells whose call it is, and the key that it came with.
func (g *grpcIngestor) source(ctx context.Context) (from Source, key string, err error) {
	if p, ok := peer.FromContext(ctx); ok {
		if addr, ok := p.Addr.(*net.TCPAddr); ok {
			from.Addr = addr.AddrPort().Addr()
		}
	}
	md, _ := metadata.FromIncomingContext(ctx)
	key = first(md, keyMetadata)
	if from.Project, err = g.pipeline.gate.Project(key, "", from.Addr); err != nil {
		return from, key, g.statusError(err)
	}
	// A server that sends for its visitors is not the visitor: its own address and agent say nothing of them.
	from.Addr = netip.Addr{}
	return from, key, nil
}

func first(md metadata.MD, key string) string {
	if values := md.Get(key); len(values) > 0 {
		return values[0]
	}
	return ""
}

// SendBatch implements gosight.IngestorServer.
func (g *grpcIngestor) SendBatch(ctx context.Context, batch *gosight.EventBatch) (*gosight.Status, error) {
	from, key, err := g.source(ctx)
	if err != nil {
		return nil, err
	}
	if err := g.pipeline.gate.Take(from.Project, key, from.Addr, len(batch.Events)); err != nil {
		return nil, g.statusError(err)
	}
	size := memoryOf(batch.Events)
	if !g.pipeline.budget.TryAcquire(size) {
		g.pipeline.metrics.refused("busy")
		return nil, retryLater(errBusy, busyDelay)
	}
	defer g.pipeline.budget.Release(size)
	start := time.Now()
	answer, err := g.pipeline.Take(ctx, from, batch)
	if err != nil {
		return nil, g.statusError(err)
	}
	g.pipeline.metrics.ackSeconds.Observe(time.Since(start).Seconds())
	return answer, nil
}

// SendEvents implements gosight.IngestorServer. Memory is constant however long the stream and bounded over all of
// them: what has arrived is gathered while the events before it are on their way to the disk, and once too many wait
// there, or the budget is spent, nothing more is read and HTTP/2's flow control holds the client back.
func (g *grpcIngestor) SendEvents(stream gosight.Ingestor_SendEventsServer) error {
	ctx := stream.Context()
	from, key, err := g.source(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	held := &hold{budget: g.pipeline.budget}
	defer held.end()
	events := make(chan *gosight.Event, streamBuffer)
	received := make(chan error, 1)
	go func() {
		defer close(events)
		received <- receive(ctx, stream, held, events)
	}()
	tickets, settled := make(chan *ticket, streamInFlight), make(chan error, 1)
	total := &gosight.Status{}
	go func() { settled <- settle(ctx, tickets, held, total) }()

	for gathered := gather(events); len(gathered) > 0; gathered = gather(events) {
		size := memoryOf(gathered)
		if err := g.takeInTime(ctx, from, key, len(gathered)); err != nil {
			return g.statusError(err)
		}
		t, err := g.pipeline.submit(from, &gosight.EventBatch{Events: gathered})
		if err != nil {
			return g.statusError(err)
		}
		t.memory = size
		select {
		case tickets <- t:
		case err := <-settled:
			return g.statusError(err)
		}
	}
	close(tickets)
	if err := <-settled; err != nil {
		return g.statusError(err)
	}
	if err := <-received; err != nil {
		g.pipeline.metrics.refused("stream_broken")
		return err
	}
	if err := failpoint.Hit("ingest/ack"); err != nil {
		return g.statusError(err)
	}
	return stream.SendAndClose(total)
}

// receive reads a stream into events, as far as the budget goes. A stream that is over is no error.
func receive(ctx context.Context, stream gosight.Ingestor_SendEventsServer, held *hold, events chan<- *gosight.Event) error {
	for {
		ev, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = held.add(ctx, memory(ev))
		}
		if err != nil {
			return err
		}
		select {
		case events <- ev:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// settle waits for tickets in their order, gives back what each held as soon as the disk has it, and adds up what
// became of them.
func settle(ctx context.Context, tickets <-chan *ticket, held *hold, total *gosight.Status) error {
	for t := range tickets {
		if err := t.waitForRoom(ctx, streamPatience); err != nil {
			return err
		}
		held.give(t.memory)
		total.Accepted += t.status.Accepted
		total.Rejected += t.status.Rejected
		for reason, n := range t.status.Reasons {
			if total.Reasons == nil {
				total.Reasons = make(map[string]uint64)
			}
			total.Reasons[reason] += n
		}
	}
	return nil
}

// takeInTime counts events against the sender's limit. A stream that is too fast is slowed down, and broken off only
// where that takes longer than its patience.
func (g *grpcIngestor) takeInTime(ctx context.Context, from Source, key string, events int) error {
	for patience := streamPatience; ; {
		err := g.pipeline.gate.Take(from.Project, key, from.Addr, events)
		var early *gate.LimitError
		if !errors.As(err, &early) || early.RetryAfter > patience {
			return err
		}
		patience -= early.RetryAfter
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(early.RetryAfter):
		}
	}
}

// gather waits for one event and takes along what else is there; empty at the stream's end.
func gather(events <-chan *gosight.Event) []*gosight.Event {
	ev, ok := <-events
	if !ok {
		return nil
	}
	gathered := append(make([]*gosight.Event, 0, 64), ev)
	size := len(ev.Payload)
	for len(gathered) < streamBuffer && size < streamBytes {
		select {
		case ev, ok := <-events:
			if !ok {
				return gathered
			}
			gathered = append(gathered, ev)
			size += len(ev.Payload)
		default:
			return gathered
		}
	}
	return gathered
}

// statusError turns the pipeline's errors into gRPC's: what a client should do is in the code and the RetryInfo.
func (g *grpcIngestor) statusError(err error) error {
	r := g.pipeline.refuse(err)
	if r.retryAfter == 0 {
		return status.Error(r.code, r.err.Error())
	}
	return retryLater(r.err, r.retryAfter)
}

// retryLater refuses for now; without a delay a client would take it for a refusal for good.
func retryLater(err error, delay time.Duration) error {
	st, detailErr := status.New(codes.ResourceExhausted, err.Error()).
		WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(delay)})
	if detailErr != nil {
		return status.Error(codes.ResourceExhausted, err.Error())
	}
	return st.Err()
}

// retrySeconds is a delay as Retry-After says it: whole seconds, at least one.
func retrySeconds(d time.Duration) int { return int(math.Max(1, math.Ceil(d.Seconds()))) }
