// Package gosight sends events from a Go program to a GoSight agent.
//
// A [Client] offers three ways, for three needs:
//
//   - [Client.Enqueue], [Client.Track] and [Client.Identify] put an event in a bounded buffer and return at once;
//     it goes out in batches behind the caller's back. A full buffer is an [ErrFull], never a wait.
//   - [Client.SendBatch] returns once a batch is on the agent's disk.
//   - [Client.Stream] sends any number of events over one connection and says at the end what became of them.
//
// All of them give every event an id before it first leaves, and keep it on every retry: the agent may see an
// event twice, GoSight counts it once.
//
// [Client.Middleware] ties the requests of a net/http server to the visit in the browser that caused them.
package gosight

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip" // registers what Config.Compress asks for
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	pb "github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// Version of this SDK, sent as metadata sdk_version.
const Version = "0.1.0"

// The wire types, as proto/gosight/telemetry.proto describes them field by field.
type (
	// Event is one thing that happened. Fill SessionId and EventType; the client sets EventId and Timestamp
	// where they are empty.
	Event = pb.Event
	// EventBatch carries what its events share once.
	EventBatch = pb.EventBatch
	// Status says how many events are on the agent's disk, and how many were refused and why.
	Status = pb.Status
)

var (
	// ErrFull means that the buffer has no room: the agent is away or slower than the program. The event was
	// not taken; drop it or try later.
	ErrFull = errors.New("gosight: buffer is full")
	// ErrClosed means that the client or stream was closed before.
	ErrClosed = errors.New("gosight: closed")
)

// Config of a Client. Start from [Default].
type Config struct {
	// Addr is the nearest agent as host:port, or any gRPC target (dns:///agent.internal:7710).
	Addr string
	// Agents are several in place of the one at Addr. The nearest that is well is used: measured at the start, left
	// within a second when it does not answer, and used again when it is well.
	Agents []string
	// Discover is where to ask for more agents, as https://edge.example.com/agents: those of a fleet that were told
	// their --public-grpc.
	Discover string
	// Key is the project's write key. An agent on this machine may do without.
	Key string
	// TLS is nil for plain text, which is right for an agent on this machine or in this pod.
	TLS *tls.Config
	// Compress sends gzip: an eighth of the bytes for five times the CPU. Right over a WAN, wrong to a sidecar.
	Compress bool
	// Metadata goes with every buffered event (service, release, ...).
	Metadata map[string]string

	// BufferEvents and BufferBytes bound what Enqueue holds, those under way to the agent included.
	BufferEvents, BufferBytes int
	// BatchEvents and BatchBytes bound one batch that is made of buffered events.
	BatchEvents, BatchBytes int
	// BatchDelay is how long a buffered event waits for others to share its batch.
	BatchDelay time.Duration
	// InFlight is how many batches of buffered events may wait for the agent's answer at a time.
	InFlight int

	// StreamWindow bounds the events of a Stream that the agent has not confirmed; they are kept to be sent again.
	StreamWindow int

	// Timeout bounds one attempt of one batch.
	Timeout time.Duration
	// RetryMin and RetryMax bound the pause between attempts where the agent asks for none: it doubles from
	// one to the other, and half of it is random.
	RetryMin, RetryMax time.Duration

	// Log gets one line for each batch that is given up; nil is slog.Default.
	Log *slog.Logger
	// DialOptions are added to the client's own.
	DialOptions []grpc.DialOption
}

// Default is a client of an agent on this machine, with at most 32 MiB of buffered events.
func Default() Config {
	return Config{
		Addr:         "127.0.0.1:7710",
		BufferEvents: 50_000, BufferBytes: 32 << 20,
		BatchEvents: 500, BatchBytes: 512 << 10, BatchDelay: 500 * time.Millisecond,
		InFlight:     4,
		StreamWindow: 4096,
		Timeout:      30 * time.Second,
		RetryMin:     100 * time.Millisecond, RetryMax: 30 * time.Second,
	}
}

// Validate says all that is wrong.
func (c *Config) Validate() error {
	var errs []error
	if slices.Contains(c.addrs(), "") {
		errs = append(errs, errors.New("no address: set Addr to the agent's host:port, or Agents to several"))
	}
	for name, n := range map[string]int{
		"BufferEvents": c.BufferEvents, "BufferBytes": c.BufferBytes, "BatchEvents": c.BatchEvents,
		"BatchBytes": c.BatchBytes, "InFlight": c.InFlight, "StreamWindow": c.StreamWindow,
	} {
		if n <= 0 {
			errs = append(errs, fmt.Errorf("%s is %d: start from gosight.Default()", name, n))
		}
	}
	for name, d := range map[string]time.Duration{
		"BatchDelay": c.BatchDelay, "Timeout": c.Timeout, "RetryMin": c.RetryMin, "RetryMax": c.RetryMax,
	} {
		if d <= 0 {
			errs = append(errs, fmt.Errorf("%s is %v: start from gosight.Default()", name, d))
		}
	}
	return errors.Join(errs...)
}

// Client is a connection to an agent and a buffer before it. It is safe for many goroutines; one a program is
// enough. Close it, or what is buffered is lost.
type Client struct {
	cfg    Config
	agents *nearest
	agent  pb.IngestorClient
	ids    idSource
	log    *slog.Logger
	buffer *buffer
}

// New checks cfg and starts a client. It does not wait for the agent: an agent that is away is an agent that is
// tried again.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("gosight: %w", err)
	}
	security := insecure.NewCredentials()
	if cfg.TLS != nil {
		security = credentials.NewTLS(cfg.TLS)
	}
	calls := []grpc.CallOption{grpc.ForceCodec(wire.Codec{})}
	if cfg.Compress {
		calls = append(calls, grpc.UseCompressor("gzip"))
	}
	options := append([]grpc.DialOption{
		grpc.WithTransportCredentials(security),
		grpc.WithDefaultCallOptions(calls...),
		grpc.WithUserAgent("gosight-go/" + Version),
		// gRPC's own default would leave an agent alone for two minutes after it came back.
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{
			BaseDelay: cfg.RetryMin, Multiplier: 2, Jitter: 0.2, MaxDelay: min(cfg.RetryMax, 5*time.Second),
		}, MinConnectTimeout: 5 * time.Second}),
		// A connection that a NAT forgot is noticed within the minute.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 45 * time.Second, Timeout: 15 * time.Second}),
	}, cfg.DialOptions...)
	if cfg.Log == nil {
		cfg.Log = slog.Default()
	}
	agents, err := newNearest(cfg, func(addr string) (*grpc.ClientConn, error) { return grpc.NewClient(addr, options...) }, cfg.Log)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, agents: agents, agent: pb.NewIngestorClient(agents), ids: newIDSource(), log: cfg.Log}
	c.buffer = newBuffer(cfg, c)
	return c, nil
}

// outgoing puts the project key on a request.
func (c *Client) outgoing(ctx context.Context) context.Context {
	if c.cfg.Key == "" {
		return ctx
	}
	return metadata.AppendToOutgoingContext(ctx, "x-gosight-key", c.cfg.Key)
}

// SendBatch returns once the batch is on the agent's disk, and the Status says which of its events the agent
// refused for good. Where the agent has no room or is away, the same batch goes again, after the delay that the
// agent asked for, until ctx is done. The batch is the client's until SendBatch returns: ids, times and SentAt are
// filled in.
func (c *Client) SendBatch(ctx context.Context, batch *EventBatch) (*Status, error) {
	c.complete(batch.Events)
	return c.deliver(ctx, batch, nil)
}

// Flush sends what is buffered without waiting for more to share its batch, and returns once the buffer is empty:
// all of it is on the agent's disk or was refused for good.
func (c *Client) Flush(ctx context.Context) error { return c.buffer.flush(ctx) }

// Close takes no more events, flushes, and disconnects. Where ctx is done first, it says how many events are lost.
func (c *Client) Close(ctx context.Context) error {
	err := c.buffer.close(ctx)
	if closeErr := c.agents.close(); closeErr != nil && !errors.Is(err, ErrClosed) {
		err = errors.Join(err, fmt.Errorf("gosight: disconnect: %w", closeErr))
	}
	return err
}

// Stats counts what became of buffered events since the client started.
func (c *Client) Stats() Stats { return c.buffer.stats() }
