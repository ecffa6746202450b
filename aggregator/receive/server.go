// Package receive takes frames of batches from agents, over HTTP/3 and HTTP/2 on one port number, and answers a
// frame only after the Producer has it. It keeps nothing of its own: what it has not answered, the agent still has.
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"connectrpc.com/connect"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
	"github.com/gosight/gosight/proto/wire"
)

// Producer makes batches durable behind the aggregator.
type Producer interface {
	// Produce returns nil once every batch is acknowledged by all replicas or stands in the dead-letter topic
	// (and then how many do). After an error the agent sends all of them again. Records alias one buffer that is
	// not used again: Produce may keep them.
	Produce(ctx context.Context, batches []Record) (deadLettered int, err error)
}

// Registry is what the receiver asks about agents and erasures, and hands to agents.
type Registry interface {
	// Agent returns the name of the agent whose secret this is.
	Agent(secret string) (name string, ok bool)
	// Snapshot is what agents need to know; ok is false while the registry was not read yet.
	Snapshot() (version string, document []byte, ok bool)
	// Erased says whether what comes of this user or session is to be dropped; AnyErased whether to ask at all.
	AnyErased() bool
	Erased(project, user, session string) bool
}

// NoRegistry knows nothing: agents are then told apart by the configuration alone.
type NoRegistry struct{}

// Agent implements Registry.
func (NoRegistry) Agent(string) (string, bool) { return "", false }

// Snapshot implements Registry.
func (NoRegistry) Snapshot() (string, []byte, bool) { return "", nil, false }

// AnyErased implements Registry.
func (NoRegistry) AnyErased() bool { return false }

// Erased implements Registry.
func (NoRegistry) Erased(_, _, _ string) bool { return false }

// Server is safe for concurrent use.
type Server struct {
	cfg      Config
	producer Producer
	registry Registry
	log      *slog.Logger
	m        metrics
	keys     *keyring
	memory   *semaphore.Weighted

	tcp     net.Listener
	quic    *quic.Transport
	quicEnd *quic.EarlyListener
	http2   *http.Server
	http3   *http3.Server

	quicConnections atomic.Int64
	drainingSince   atomic.Int64 // Unix ns; 0: not draining
}

// New binds the port; agents are served by Run.
func New(cfg Config, producer Producer, registry Registry, reg prometheus.Registerer, log *slog.Logger) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := newMetrics(reg)
	keys, err := newKeyring(cfg, registry, m.refused)
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	s := &Server{
		cfg: cfg, producer: producer, registry: registry, log: log, keys: keys,
		memory: semaphore.NewWeighted(cfg.MaxInFlightBytes),
		m:      m,
	}
	udp, err := s.bind()
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	s.serveHTTP2(s.handler())
	if err := s.serveHTTP3(udp, s.http2.Handler); err != nil {
		s.tcp.Close()
		udp.Close()
		return nil, fmt.Errorf("receive: %w", err)
	}
	return s, nil
}

// bind takes the same port number of TCP and UDP. Where the number is free to choose, one that is taken for UDP
// is given up for another.
func (s *Server) bind() (*net.UDPConn, error) {
	for try := 0; ; try++ {
		tcp, err := net.Listen("tcp", s.cfg.Addr)
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		at := tcp.Addr().(*net.TCPAddr)
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: at.IP, Port: at.Port, Zone: at.Zone})
		if err == nil {
			s.tcp = netutil.LimitListener(tcp, s.cfg.MaxConnections)
			return udp, nil
		}
		tcp.Close()
		if _, port, _ := net.SplitHostPort(s.cfg.Addr); port != "0" || try == 10 {
			return nil, fmt.Errorf("listen: %w", err)
		}
	}
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, served := range s.routes() {
		mux.Handle(pattern, served)
	}
	return mux
}

// routes are all that the relay's port serves, by pattern; what admit does not stand before is for everybody.
func (s *Server) routes() map[string]http.Handler {
	path, relay := gosightconnect.NewRelayHandler(relay{s},
		connect.WithCodec(wire.Codec{}),
		// Frames are compressed already; without gzip there are no gzip bombs.
		connect.WithCompression("gzip", nil, nil),
		connect.WithReadMaxBytes(s.cfg.MaxFrameBytes+frameOverhead),
	)
	return map[string]http.Handler{"POST " + path: s.admit(relay)}
}

func (s *Server) serveHTTP2(handler http.Handler) {
	s.http2 = &http.Server{
		Handler:           handler,
		TLSConfig:         s.keys.tlsConfig(),
		ReadHeaderTimeout: s.cfg.HeaderTimeout,
		IdleTimeout:       s.cfg.IdleTimeout,
		MaxHeaderBytes:    16 << 10,
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams: s.cfg.MaxStreams,
			// One frame of a far-away agent must not wait for window updates.
			MaxReceiveBufferPerStream:     1 << 20,
			MaxReceiveBufferPerConnection: 8 << 20,
			SendPingTimeout:               s.cfg.IdleTimeout / 2,
			PingTimeout:                   s.cfg.HeaderTimeout,
		},
		ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

func (s *Server) serveHTTP3(udp *net.UDPConn, handler http.Handler) error {
	s.growBuffers(udp)
	s.http3 = &http3.Server{
		Handler:        handler,
		MaxHeaderBytes: 16 << 10,
		IdleTimeout:    s.cfg.IdleTimeout,
		Logger:         slog.New(slog.DiscardHandler),
	}
	s.quic = &quic.Transport{
		Conn: udp,
		// Under a flood, clients prove their address before they cost anything.
		VerifySourceAddress: func(net.Addr) bool {
			return s.quicConnections.Load() > int64(s.cfg.MaxConnections/2)
		},
		ConnContext: func(ctx context.Context, _ *quic.ClientInfo) (context.Context, error) {
			if s.quicConnections.Load() >= int64(s.cfg.MaxConnections) {
				s.m.refused("connections")
				return nil, errors.New("too many connections")
			}
			s.quicConnections.Add(1)
			context.AfterFunc(ctx, func() { s.quicConnections.Add(-1) })
			return ctx, nil
		},
	}
	var err error
	s.quicEnd, err = s.quic.ListenEarly(http3.ConfigureTLSConfig(s.keys.tlsConfig()), &quic.Config{
		Allow0RTT:                      false, // it can be replayed
		MaxIncomingStreams:             int64(s.cfg.MaxStreams),
		MaxIdleTimeout:                 s.cfg.IdleTimeout,
		HandshakeIdleTimeout:           s.cfg.HeaderTimeout,
		InitialStreamReceiveWindow:     1 << 20,
		MaxStreamReceiveWindow:         uint64(max(s.cfg.MaxFrameBytes, 1<<20)),
		InitialConnectionReceiveWindow: 2 << 20,
		MaxConnectionReceiveWindow:     16 << 20,
	})
	if err != nil {
		return fmt.Errorf("listen for QUIC: %w", err)
	}
	return nil
}

const goodbye = 250 * time.Millisecond

// A burst of frames is larger than the kernel's default buffer, and what does not fit is lost and sent again.
const udpBuffer = 7 << 20

// growBuffers asks for what quic-go would ask for, but says it in our own log, once.
func (s *Server) growBuffers(udp *net.UDPConn) {
	if err := errors.Join(udp.SetReadBuffer(udpBuffer), udp.SetWriteBuffer(udpBuffer)); err != nil {
		s.log.Warn("receive: UDP buffers stay small, HTTP/3 will be slower under load",
			"error", err, "remedy", "sysctl net.core.rmem_max=7500000 net.core.wmem_max=7500000")
	}
}

// Load is how much of the memory for requests is in use, in percent.
func (s *Server) Load() int { return int(s.m.reserved.Load() * 100 / s.cfg.MaxInFlightBytes) }

// Addr returns the address of both listeners.
func (s *Server) Addr() string { return s.tcp.Addr().String() }

// Run serves until ctx ends; then it drains and lets the requests in flight finish.
func (s *Server) Run(ctx context.Context) error {
	group, stopping := errgroup.WithContext(ctx)
	group.Go(func() error {
		return ignoreClosed(s.http2.ServeTLS(s.tcp, "", ""), "serve HTTP/2")
	})
	group.Go(func() error {
		return ignoreClosed(s.http3.ServeListener(s.quicEnd), "serve HTTP/3")
	})
	group.Go(func() error {
		s.keys.files.Watch(stopping, s.cfg.ReloadInterval, s.m.reloadFailed.Inc, s.log)
		return nil
	})
	group.Go(func() error {
		<-stopping.Done()
		s.Drain()
		s.leave(context.WithoutCancel(ctx))
		return nil
	})
	return group.Wait()
}

// leave lets the requests in flight finish; their answers say that we drain. Who holds all the memory knows that
// there are none, and lets no new ones in.
func (s *Server) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.ProduceTimeout)
	defer cancel()
	if err := s.memory.Acquire(ctx, s.cfg.MaxInFlightBytes); err != nil {
		s.log.Warn("receive: requests cut off by the end", "error", err)
	}
	// What is left is to send the last answers. Clients that do not close their side are not waited for.
	ctx, cancel = context.WithTimeout(ctx, goodbye)
	defer cancel()
	var group errgroup.Group
	group.Go(func() error { return s.http2.Shutdown(ctx) })
	group.Go(func() error { return s.http3.Shutdown(ctx) })
	if err := group.Wait(); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		s.log.Warn("receive: shut down", "error", err)
	}
	s.http2.Close()
	s.http3.Close()
	s.quicEnd.Close()
	if err := s.quic.Close(); err != nil {
		s.log.Warn("receive: close QUIC", "error", err)
	}
	s.quic.Conn.Close()
}

// Drain asks agents to go elsewhere: for DrainGrace frames are still taken and the answers say so, then they are
// refused.
func (s *Server) Drain() {
	if s.drainingSince.CompareAndSwap(0, time.Now().UnixNano()) {
		s.log.Info("receive: draining")
	}
}

func (s *Server) draining(now time.Time) (yes, refusing bool) {
	since := s.drainingSince.Load()
	return since != 0, since != 0 && now.Sub(time.Unix(0, since)) > s.cfg.DrainGrace
}

func ignoreClosed(err error, verb string) error {
	if err == nil || errors.Is(err, http.ErrServerClosed) || errors.Is(err, quic.ErrServerClosed) ||
		errors.Is(err, net.ErrClosed) {
		return nil
	}
	return fmt.Errorf("receive: %s: %w", verb, err)
}
