// Package aggregator is the centre: it takes agents' batches, keeps them in Kafka, makes rows and signals of them
// in ClickHouse, and answers analysts.
//
//	agents → receive → bus (Kafka) → process → store (ClickHouse) → api, ui
//
// The roles receive, process and api run in one process or in many; between them stand only Kafka and ClickHouse.
package aggregator

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/gosight/gosight/aggregator/access"
	"github.com/gosight/gosight/aggregator/alert"
	"github.com/gosight/gosight/aggregator/api"
	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/erase"
	"github.com/gosight/gosight/aggregator/process"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/fleet"
	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/internal/registry"
	"github.com/gosight/gosight/internal/rules"
)

// Aggregator is composed and bound, and not yet running. What a role does not need is nil.
type Aggregator struct {
	producer  *bus.Producer
	receiver  *receive.Server
	store     *store.Store
	access    *access.Keeper
	eraser    *erase.Worker
	processor *process.Processor
	rules     *rules.Follower
	api       *api.Server
	apiPort   net.Listener
	alerts    *alert.Watcher
	admin     *observe.Admin
	fleet     *fleet.Fleet

	addrs    Addrs
	ready    chan struct{}
	prepared atomic.Bool
	draining atomic.Bool
	// usesRows: it cannot do its work without ClickHouse.
	usesRows bool
	log      *slog.Logger
}

// Addrs are where an aggregator listens, as host:port; empty for roles it does not have.
type Addrs struct{ Relay, API, Admin string }

// New composes the parts and binds all ports. Kafka and ClickHouse need not be there yet. What it opened is closed
// by Run, or by New itself where it fails.
func New(cfg Config, log *slog.Logger) (a *Aggregator, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	a = &Aggregator{ready: make(chan struct{}), log: log.With("part", "aggregator"),
		usesRows: cfg.has(Process) || cfg.has(API)}
	reg := observe.NewRegistry()
	defer func() {
		if err != nil {
			a.close()
			a = nil
		}
	}()
	if cfg.has(Receive) || cfg.has(Process) { // processing needs the topics, and to know whether Kafka answers
		if a.producer, err = bus.NewProducer(cfg.Kafka, reg, a.log); err != nil {
			return a, err
		}
	}
	// Receiving needs it for the registry alone, and goes on with what it knows while ClickHouse is away.
	if a.store, err = store.New(cfg.ClickHouse, reg, a.log); err != nil {
		return a, err
	}
	if a.access, err = access.New(cfg.Registry, a.store, reg, a.log); err != nil {
		return a, err
	}
	var live *detect.Live
	if a.usesRows {
		if live, err = a.newRules(cfg, reg); err != nil {
			return a, err
		}
	}
	if cfg.has(Process) {
		a.access.OnChange(func(index *registry.Index) {
			if err := live.SetProjects(index.DetectRules()); err != nil {
				a.log.Error("signal rules of the registry are left out", "error", err)
			}
		})
		if a.processor, err = process.New(cfg.Process, live, a.access, cfg.Kafka, a.store, reg, a.log); err != nil {
			return a, err
		}
		if a.eraser, err = erase.New(cfg.Erase, a.access, a.store, a.producer, reg, a.log); err != nil {
			return a, err
		}
	}
	if cfg.has(API) {
		if a.api, err = api.New(cfg.API, a.store, a.access, reg, a.log); err != nil {
			return a, err
		}
		a.api.ShowRules(live)
		if a.alerts, err = alert.New(cfg.Alert, a.store, reg, a.log); err != nil {
			return a, err
		}
		if a.apiPort, err = net.Listen("tcp", cfg.APIAddr); err != nil {
			return a, fmt.Errorf("listen for the API and the UI (--api-addr sets another port): %w", err)
		}
		a.addrs.API = a.apiPort.Addr().String()
	}
	if a.admin, err = observe.NewAdmin(cfg.AdminAddr, reg, a.isReady, a.log); err != nil {
		return a, err
	}
	a.addrs.Admin = a.admin.Addr()
	if len(cfg.API.Fleet) == 0 {
		a.Watch(a.addrs.Admin)
	}
	if a.fleet, err = fleet.New(cfg.Fleet, func() fleet.Node { return a.node(cfg) }, reg, a.log); err != nil {
		return a, err
	}
	if a.api != nil {
		a.api.WatchGossip(a.fleet.Nodes)
	}
	if cfg.has(Receive) {
		if err := a.newReceiver(cfg, reg); err != nil {
			return a, err
		}
	}
	return a, nil
}

// newRules reads the signal rules, which processing works by and the settings page shows.
func (a *Aggregator) newRules(cfg Config, reg prometheus.Registerer) (*detect.Live, error) {
	live, err := detect.NewLive(cfg.Process.Detect)
	if err != nil {
		return nil, fmt.Errorf("signal rules (--process-detect-…): %w", err)
	}
	a.rules, err = rules.New(cfg.Rules, live, reg, a.log)
	return live, err
}

// newReceiver comes last in New: a bound receiver is given back only by running it.
func (a *Aggregator) newReceiver(cfg Config, reg prometheus.Registerer) (err error) {
	if cfg.Receive.CertFile == "" {
		host, _, err := net.SplitHostPort(cfg.RelayAddr)
		if err != nil {
			return fmt.Errorf("relay-addr %q: %w", cfg.RelayAddr, err)
		}
		dir := filepath.Join(cfg.DataDir, "tls")
		var ca string
		cfg.Receive.CertFile, cfg.Receive.KeyFile, ca, err = devcert.Ensure(dir, host, "localhost")
		if err != nil {
			return fmt.Errorf("make a self-signed certificate: %w", err)
		}
		a.log.Warn("the relay has a self-signed certificate: give agents this CA, or set --receive-cert-file", "ca", ca)
	}
	cfg.Receive.Addr = cfg.RelayAddr
	if a.receiver, err = receive.New(cfg.Receive, a.producer, a.access, reg, a.log); err != nil {
		return fmt.Errorf("listen for agents (--relay-addr sets another port): %w", err)
	}
	a.addrs.Relay = a.receiver.Addr()
	return nil
}

// node is what agents are told of this aggregator: where to send to, once frames are taken.
func (a *Aggregator) node(cfg Config) fleet.Node {
	n := fleet.Node{ID: cfg.ID, Role: fleet.Aggregator, Region: cfg.Region, Draining: a.draining.Load()}
	if a.receiver != nil && a.prepared.Load() {
		n.Load = a.receiver.Load()
		if n.Relay = cfg.PublicRelay; n.Relay == "" {
			n.Relay = relayAt(a.receiver.Addr())
		}
	}
	return n
}

// relayAt leaves the host out where the relay listens on all: the fleet knows this node's address.
func relayAt(bound string) string {
	host, port, err := net.SplitHostPort(bound)
	if err == nil && net.ParseIP(host).IsUnspecified() {
		return ":" + port
	}
	return bound
}

// Addrs says where it listens.
func (a *Aggregator) Addrs() Addrs { return a.addrs }

// Watch makes the fleet page show a program by its admin port, host:port. It does nothing without the role api.
func (a *Aggregator) Watch(admin string) {
	if a.api != nil {
		a.api.Watch(admin)
	}
}

// Ready closes when the schema and the topics are there, the consumers have joined and every port answers.
func (a *Aggregator) Ready() <-chan struct{} { return a.ready }

// Run works until ctx ends. Then it takes no more from agents, stores and commits what it holds, and leaves. The
// admin port answers to the last.
func (a *Aggregator) Run(ctx context.Context) error {
	defer a.close()
	group, working := errgroup.WithContext(ctx)
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Go(func() error { return a.admin.Run(serving) })
	group.Go(func() error { return a.fleet.Run(serving) })
	group.Go(func() error {
		defer stop()
		return a.work(working)
	})
	if err := group.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (a *Aggregator) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() {
		a.draining.Store(true)
		a.fleet.Tell()
	})()
	if a.receiver != nil {
		// It runs before Kafka is there: agents are told to come again, and keep their batches.
		group.Go(func() error { return a.receiver.Run(ctx) })
	}
	if a.api != nil {
		group.Go(func() error { return a.api.Serve(ctx, a.apiPort) })
	}
	group.Go(func() error {
		if err := a.prepare(ctx); ctx.Err() != nil {
			return nil // told to stop before the engines were there
		} else if err != nil {
			return err
		}
		group.Go(func() error { return a.access.Run(ctx) })
		if a.rules != nil {
			group.Go(func() error { return a.rules.Run(ctx) })
		}
		if a.eraser != nil { // so it processes: one role is enough to keep the tables
			group.Go(func() error { return a.eraser.Run(ctx) })
			group.Go(func() error { return a.store.KeepRetention(ctx, a.access.Retention) })
		}
		if a.alerts != nil {
			group.Go(func() error { return a.alerts.Run(ctx) })
		}
		if a.processor == nil {
			close(a.ready)
			return nil
		}
		group.Go(func() error {
			if a.processor.WaitJoined(ctx) == nil {
				close(a.ready)
			}
			return nil
		})
		return a.processor.Run(ctx)
	})
	return group.Wait()
}

// prepare makes topics and schema, however long the engines take to answer. It fails when ctx ends, and where Kafka
// answers what trying again will not change: a wrong password is said at once and ends the program.
func (a *Aggregator) prepare(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 100*time.Millisecond, 5*time.Second
	try := func() (struct{}, error) {
		var kafka, clickhouse error
		var both sync.WaitGroup
		if a.producer != nil {
			both.Go(func() { kafka = a.producer.CreateTopics(ctx) })
		}
		if a.usesRows {
			both.Go(func() { clickhouse = a.store.Migrate(ctx) })
		}
		both.Wait()
		if errors.Is(kafka, bus.ErrMisconfigured) {
			return struct{}{}, backoff.Permanent(kafka)
		}
		return struct{}{}, errors.Join(kafka, clickhouse)
	}
	_, err := backoff.Retry(ctx, try, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0),
		backoff.WithNotify(func(err error, in time.Duration) {
			a.log.Warn("an engine is not ready", "error", err, "again_in", in)
		}))
	if err == nil {
		a.prepared.Store(true)
	}
	return err
}

const readyTimeout = 2 * time.Second

// isReady says why it cannot work now: readyz takes it out of load balancing while an engine is away.
func (a *Aggregator) isReady() error {
	if a.draining.Load() {
		return errors.New("draining")
	}
	select {
	case <-a.ready:
	default:
		if !a.prepared.Load() {
			return errors.New("waiting for kafka and clickhouse")
		}
		return errors.New("joining the consumer groups")
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
	defer cancel()
	var both errgroup.Group
	if a.producer != nil {
		both.Go(func() error { return a.producer.Ping(ctx) })
	}
	if a.usesRows {
		both.Go(func() error { return a.store.Ping(ctx) })
	}
	return both.Wait()
}

// close gives back what is open; ports that were served are closed by then.
func (a *Aggregator) close() {
	if a.apiPort != nil {
		a.apiPort.Close()
	}
	if a.admin != nil {
		a.admin.Close()
	}
	if a.fleet != nil {
		a.fleet.Close()
	}
	if a.producer != nil {
		a.producer.Close()
	}
	if a.store != nil {
		if err := a.store.Close(); err != nil {
			a.log.Warn("close clickhouse", "error", err)
		}
	}
}
