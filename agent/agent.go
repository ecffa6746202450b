// Package agent is the edge: it takes events near where they happen, and keeps them safe until the centre has
// them.
//
//	SDK → ingest → enrich → redact → detect → queue (disk) → forward → aggregator
//
// It is small enough for a sidecar: it links neither Kafka nor ClickHouse nor the UI.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/gosight/gosight/agent/enrich"
	"github.com/gosight/gosight/agent/forward"
	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/agent/ingest"
	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/internal/rules"
	"github.com/gosight/gosight/proto/gen/gosight"
	web "github.com/gosight/gosight/sdk/web"
)

// Agent is a composed, bound and not yet running agent.
type Agent struct {
	addrs       Addrs
	grpc        *ingest.GRPCServer
	http        *http.Server
	http3       *ingest.HTTP3Server // nil without a certificate
	httpPort    net.Listener
	admin       *observe.Admin
	pipeline    *ingest.Pipeline
	rules       *rules.Follower
	forwarder   *forward.Forwarder
	queue       *queue.Queue
	gate        *gate.Gate
	enricher    *enrich.Enricher
	fleet       *fleet.Fleet
	certificate *ingest.Certificate // nil: the ports are plain
	grace       time.Duration
	ready       chan struct{}
	draining    atomic.Bool
	log         *slog.Logger
}

// Addrs are where an agent listens, as host:port.
type Addrs struct{ GRPC, HTTP, Admin string }

// New opens the queue, binds all ports and composes the parts. What it opened is closed by Run, or by New itself
// where it fails.
func New(cfg Config, log *slog.Logger) (a *Agent, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	log = log.With("part", "agent", "agent", cfg.ID)
	reg := observe.NewRegistry()
	a = &Agent{ready: make(chan struct{}), grace: cfg.DrainGrace, log: log}
	defer func() {
		if err != nil {
			a.close()
			a = nil
		}
	}()

	if a.queue, err = queue.Open(cfg.Queue, reg, log); err != nil {
		return a, fmt.Errorf("open queue: %w", err)
	}
	if a.gate, err = gate.New(gate.Parts{
		Config: cfg.Rate, Keys: cfg.Keys, AnonymousLoopback: cfg.AllowAnonymousLoopback,
		CacheFile: filepath.Join(cfg.DataDir, "registry.json"), Now: time.Now, Registerer: reg, Log: log,
	}); err != nil {
		return a, err
	}
	fixed := map[string]string{"agent": cfg.ID, "agent_region": cfg.Region}
	if a.enricher, err = enrich.New(cfg.Enrich, fixed); err != nil {
		return a, err
	}
	if a.forwarder, err = forward.New(cfg.Forward, a.queue, cfg.ID, reg, log); err != nil {
		return a, fmt.Errorf("set up forwarding: %w", err)
	}
	live, err := detect.NewLive(cfg.Detect)
	if err != nil {
		return a, fmt.Errorf("signal rules (--detect-…): %w", err)
	}
	if a.rules, err = rules.New(cfg.Rules, live, reg, log); err != nil {
		return a, err
	}
	a.gate.OnChange(func(index *registry.Index) {
		if err := live.SetProjects(index.DetectRules()); err != nil {
			log.Error("signal rules of the registry are left out", "error", err)
		}
	})
	a.pipeline = ingest.NewPipeline(ingest.Parts{
		AgentID: cfg.ID, Region: cfg.Region, Limits: cfg.Limits, Gate: a.gate, Enricher: a.enricher,
		Redact: cfg.Redact, Rules: live, Queue: a.queue, Budget: ingest.NewBudget(cfg.Server),
		Now: failpoint.Now, Registerer: reg, Log: log,
	})
	if a.fleet, err = fleet.New(cfg.Fleet, func() fleet.Node { return a.node(cfg) }, reg, log); err != nil {
		return a, err
	}
	a.fleet.Follow(a.forwarder.Follow)
	if err := a.bind(cfg, reg); err != nil {
		return a, err
	}
	return a, nil
}

// node is what others are told of this agent.
func (a *Agent) node(cfg Config) fleet.Node {
	_, events := a.queue.Depth(gosight.Lane_LANE_EVENTS)
	_, replay := a.queue.Depth(gosight.Lane_LANE_REPLAY)
	return fleet.Node{
		ID: cfg.ID, Role: fleet.Agent, Region: cfg.Region, URL: cfg.PublicURL, GRPC: cfg.PublicGRPC,
		Draining: a.draining.Load(), Load: int((events + replay) * 100 / cfg.Queue.MaxBytes),
	}
}

func (a *Agent) bind(cfg Config, reg *prometheus.Registry) error {
	grpcPort, err := net.Listen("tcp", cfg.GRPCAddr)
	if err != nil {
		return fmt.Errorf("listen for gRPC (--grpc-addr sets another port): %w", err)
	}
	limited, err := ingest.LimitConnections(grpcPort, cfg.Server, a.pipeline)
	if err != nil {
		return errors.Join(err, grpcPort.Close())
	}
	if a.certificate, err = ingest.OpenCertificate(cfg.Server); err != nil {
		return errors.Join(err, grpcPort.Close())
	}
	if a.certificate != nil {
		limited = a.certificate.Listen(limited, "h2")
	}
	a.grpc = ingest.NewGRPCServer(limited, cfg.Server, a.pipeline)
	httpPort, err := net.Listen("tcp", cfg.HTTPAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("listen for HTTP (--http-addr sets another port): %w", err), grpcPort.Close())
	}
	a.httpPort, err = ingest.LimitConnections(httpPort, cfg.Server, a.pipeline)
	if err != nil {
		return errors.Join(err, grpcPort.Close(), httpPort.Close())
	}
	sdk, err := sdkFiles(cfg.SDKDir)
	if err == nil {
		a.http, err = ingest.NewHTTPServer(cfg.Server, a.pipeline, sdk, a.fleet.Nodes, a.log)
	}
	if err == nil && a.certificate != nil {
		a.http3, err = ingest.NewHTTP3Server(a.httpPort.Addr(), a.http, a.certificate, cfg.Server, a.pipeline, a.log)
		a.httpPort = a.certificate.Listen(a.httpPort, "h2", "http/1.1")
	}
	if err == nil {
		a.admin, err = observe.NewAdmin(cfg.AdminAddr, reg, a.isReady, a.log)
	}
	if err != nil {
		return errors.Join(err, grpcPort.Close())
	}
	a.addrs = Addrs{GRPC: grpcPort.Addr().String(), HTTP: a.httpPort.Addr().String(), Admin: a.admin.Addr()}
	return nil
}

func sdkFiles(dir string) (fs.FS, error) {
	if dir == "" {
		return web.Dist, nil
	}
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("web SDK folder (--sdk-dir): %w", err)
	}
	return os.DirFS(dir), nil
}

func (a *Agent) isReady() error {
	if a.draining.Load() {
		return errors.New("draining")
	}
	select {
	case <-a.ready:
		return nil
	default:
		return errors.New("starting")
	}
}

// Addrs returns where the agent listens, with the ports that ":0" came to.
func (a *Agent) Addrs() Addrs { return a.addrs }

// Ready is closed once the agent takes events: what comes in earlier waits in the ports' accept queues.
func (a *Agent) Ready() <-chan struct{} { return a.ready }

// Run works until ctx is cancelled: then it is no longer ready, goes on for the drain grace, stops taking events,
// hands over what it can within the forwarder's deadline, and leaves the rest on disk. The admin port and the fleet
// hear of it to the last.
func (a *Agent) Run(ctx context.Context) error {
	defer a.close()
	outlast := context.WithoutCancel(ctx)
	// Forwarding outlives ingest, so that what was taken last still gets away.
	forwarding, stopForwarding := context.WithCancel(outlast)
	defer stopForwarding()
	forwarded := make(chan error, 1)
	go func() { forwarded <- a.forwarder.Run(forwarding) }()
	telling, stopTelling := context.WithCancel(outlast)
	defer stopTelling()
	beside, telling := errgroup.WithContext(telling)
	beside.Go(func() error { return a.admin.Run(telling) })
	beside.Go(func() error { return a.fleet.Run(telling) })

	front, taking := errgroup.WithContext(outlast)
	taking, stopTaking := context.WithCancel(taking)
	defer stopTaking()
	context.AfterFunc(telling, stopTaking) // one of them failed
	context.AfterFunc(ctx, func() {
		a.draining.Store(true)
		time.AfterFunc(a.grace, stopTaking)
		a.fleet.Tell()
	})
	front.Go(func() error { return a.grpc.Run(taking) })
	front.Go(func() error { return observe.Serve(taking, a.http, a.httpPort) })
	if a.certificate != nil {
		front.Go(func() error { return a.http3.Run(taking) })
		front.Go(func() error {
			a.certificate.Watch(taking, a.pipeline, a.log)
			return nil
		})
	}
	front.Go(func() error { return a.pipeline.Run(taking) })
	front.Go(func() error { return a.rules.Run(taking) })
	front.Go(func() error { return a.gate.Follow(taking, a.forwarder.Registry) })
	close(a.ready)
	a.log.Info("agent takes events", "grpc", a.addrs.GRPC, "http", a.addrs.HTTP, "admin", a.addrs.Admin)

	err := front.Wait()
	stopForwarding()
	err = errors.Join(err, <-forwarded)
	stopTelling()
	return errors.Join(err, beside.Wait())
}

func (a *Agent) close() {
	if a.httpPort != nil {
		_ = a.httpPort.Close() // closed already where it served
	}
	if a.http3 != nil {
		a.http3.Close()
	}
	if a.admin != nil {
		_ = a.admin.Close()
	}
	if a.fleet != nil {
		_ = a.fleet.Close()
	}
	if a.queue != nil {
		if err := a.queue.Close(); err != nil {
			a.log.Error("close queue", "error", err)
		}
	}
	if a.enricher != nil {
		_ = a.enricher.Close()
	}
}
