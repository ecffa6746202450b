package standalone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gosight/gosight/agent"
	"github.com/gosight/gosight/aggregator"
	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/observe"
	"github.com/gosight/gosight/ops/demo"
	"github.com/gosight/gosight/ops/engines"
)

// Ready is the ready file: where everything answers (host:port, ClickHouse's as a URL) and what lets one in.
type Ready struct {
	AgentGRPC       string `json:"agent_grpc"`
	AgentHTTP       string `json:"agent_http"`
	AgentAdmin      string `json:"agent_admin"`
	Relay           string `json:"relay"`
	UI              string `json:"ui"`
	AggregatorAdmin string `json:"aggregator_admin"`
	ClickHouse      string `json:"clickhouse"`
	Kafka           string `json:"kafka"`
	Demo            string `json:"demo,omitempty"`
	ProjectKey      string `json:"project_key"`
	AdminToken      string `json:"admin_token"`
}

// project is what events without a key belong to.
const project = "default"

// system is a standalone in the making: its parts in the order in which they were started.
type system struct {
	config  Config
	log     *slog.Logger
	secrets secrets
	parts   []part
	failed  chan error // of a part that ended by itself

	clickhouse *engines.ClickHouse
	kafka      *engines.Kafka
	aggregator *aggregator.Aggregator
	agent      *agent.Agent
	demo       net.Listener
}

// part is something that runs until it is stopped; stop waits for its end.
type part struct {
	name string
	stop func() error
}

// Run starts everything, tells of it on out, and stops everything in order when ctx ends or a part fails.
func Run(ctx context.Context, config Config, out io.Writer, log *slog.Logger) (err error) {
	began := time.Now()
	if config.ReadyFile != "" {
		if err := os.Remove(config.ReadyFile); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove the old ready file: %w", err)
		}
	}
	if err := os.MkdirAll(config.Data, 0o700); err != nil {
		return fmt.Errorf("create the data directory: %w (--data chooses another)", err)
	}
	unlock, err := engines.LockFile(filepath.Join(config.Data, "gosight.lock"))
	if err != nil {
		return fmt.Errorf("take the data directory %s: %w (--data chooses another directory)", config.Data, err)
	}
	defer unlock()

	s := &system{config: config, log: log, failed: make(chan error, 8)}
	defer func() { err = errors.Join(err, s.stop()) }()
	if err := s.start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // interrupted while starting
		}
		return remedy(err)
	}
	ready := s.ready()
	if err := s.answers(ctx, ready); err != nil {
		return err
	}
	if config.ReadyFile != "" {
		if err := writeJSON(config.ReadyFile, ready); err != nil {
			return fmt.Errorf("write the ready file: %w", err)
		}
		defer os.Remove(config.ReadyFile)
	}
	greet(out, ready, config, time.Since(began))
	if config.Demo {
		go s.playVisits(ctx, ready)
	}
	select {
	case <-ctx.Done():
		fmt.Fprintln(out, "\n  Stopping …")
		return nil
	case err := <-s.failed:
		return err
	}
}

// start brings the parts up, each on those before it.
func (s *system) start(ctx context.Context) error {
	var err error
	if s.secrets, err = loadSecrets(s.config.dir("keys.json")); err != nil {
		return err
	}
	if err := s.startEngines(); err != nil {
		return err
	}
	certFile, keyFile, caFile, err := devcert.Ensure(s.config.dir("tls"), "127.0.0.1", "localhost")
	if err != nil {
		return fmt.Errorf("make certificates: %w", err)
	}
	if s.aggregator, err = aggregator.New(s.aggregatorConfig(certFile, keyFile), s.log); err != nil {
		return fmt.Errorf("start the aggregator: %w", err)
	}
	s.run(ctx, "aggregator", s.aggregator.Run)
	if s.agent, err = agent.New(s.agentConfig(caFile), s.log); err != nil {
		return fmt.Errorf("start the agent: %w", err)
	}
	s.aggregator.Watch(s.agent.Addrs().Admin)
	s.run(ctx, "agent", s.agent.Run)
	if s.config.Demo {
		if err := s.startDemo(ctx); err != nil {
			return fmt.Errorf("start the demo shop: %w", err)
		}
	}
	for _, ready := range []<-chan struct{}{s.aggregator.Ready(), s.agent.Ready()} {
		select {
		case <-ready:
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// startEngines starts both at once; they end after the parts that use them, not with ctx.
func (s *system) startEngines() error {
	var both errgroup.Group
	both.Go(func() (err error) {
		s.clickhouse, err = engines.StartClickHouse(context.Background(), engines.ClickHouseConfig{
			DataDir: s.config.dir("clickhouse"), Addr: s.config.private(portClickHouse), Library: s.config.ChdbLib,
		}, s.log)
		return err
	})
	both.Go(func() (err error) {
		s.kafka, err = engines.StartKafka(engines.KafkaConfig{
			DataDir: s.config.dir("kafka"), Addr: s.config.private(portKafka),
		}, s.log)
		return err
	})
	err := both.Wait()
	if s.clickhouse != nil {
		s.parts = append(s.parts, part{"ClickHouse", func() error { s.clickhouse.Stop(); return nil }})
	}
	if s.kafka != nil {
		s.parts = append(s.parts, part{"Kafka", func() error { s.kafka.Stop(); return nil }})
	}
	return err
}

func (s *system) aggregatorConfig(certFile, keyFile string) aggregator.Config {
	c := aggregator.Default()
	c.RelayAddr = s.config.private(portRelay)
	c.APIAddr = s.config.public(portUI)
	c.AdminAddr = s.config.private(portAggregatorAdmin)
	c.InsecurePublic = true // only where --listen says so
	c.DataDir = s.config.dir("aggregator")
	c.Kafka.Brokers = []string{s.kafka.Addr()}
	c.Kafka.Partitions = 4
	c.ClickHouse.URL = s.clickhouse.URL()
	c.Receive.CertFile, c.Receive.KeyFile = certFile, keyFile
	c.Receive.Tokens = map[string]string{"local": s.secrets.RelayToken}
	// The agent has it from its own configuration, so that it takes events at once; the registry can revoke it.
	c.Registry.Keys = map[string]string{s.secrets.ProjectKey: project}
	c.API.AdminToken = s.secrets.AdminToken
	c.API.AllowLoopback = true
	c.Rules.File = s.config.RulesFile
	c.Alert.Rules = s.config.AlertRules
	c.Alert.PublicURL = s.config.PublicURL
	return c
}

func (s *system) agentConfig(caFile string) agent.Config {
	c := agent.Default()
	c.ID = "local"
	c.GRPCAddr = s.config.public(portAgentGRPC)
	c.HTTPAddr = s.config.public(portAgentHTTP)
	c.AdminAddr = s.config.private(portAgentAdmin)
	c.InsecurePublic = true // only where --listen says so
	c.DataDir = s.config.dir("agent")
	c.Keys = map[string]string{s.secrets.ProjectKey: project}
	c.AllowAnonymousLoopback = true
	c.Forward.Aggregators = []string{s.aggregator.Addrs().Relay}
	c.Forward.Token = s.secrets.RelayToken
	c.Forward.CAFile = caFile
	c.Rules.File = s.config.RulesFile
	c.Enrich.GeoDB = s.config.geoDB()
	return c
}

func (s *system) startDemo(ctx context.Context) error {
	shop, err := demo.Shop("http://"+s.agent.Addrs().HTTP, s.secrets.ProjectKey)
	if err != nil {
		return err
	}
	if s.demo, err = net.Listen("tcp", s.config.public(portDemo)); err != nil {
		return err
	}
	server := &http.Server{Handler: shop, ReadHeaderTimeout: 10 * time.Second}
	s.run(ctx, "demo shop", func(ctx context.Context) error { return observe.Serve(ctx, server, s.demo) })
	return nil
}

// run runs a part until it is stopped in its turn, which is not when ctx ends: what it depends on still runs then.
func (s *system) run(ctx context.Context, name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			s.failed <- fmt.Errorf("%s ended by itself: %w", name, err)
		}
		ended <- err
	}()
	s.parts = append(s.parts, part{name, func() error {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			return fmt.Errorf("stop the %s: %w", name, err)
		}
		return nil
	}})
}

// stop ends the parts in reverse order: the agent hands over what it has, the aggregator stores it, then the engines.
func (s *system) stop() error {
	var errs []error
	for i := len(s.parts) - 1; i >= 0; i-- {
		began := time.Now()
		errs = append(errs, s.parts[i].stop())
		s.log.Info("stopped", "part", s.parts[i].name, "took", time.Since(began))
	}
	return errors.Join(errs...)
}

func (s *system) ready() Ready {
	agent, aggregator := s.agent.Addrs(), s.aggregator.Addrs()
	ready := Ready{
		AgentGRPC: agent.GRPC, AgentHTTP: agent.HTTP, AgentAdmin: agent.Admin,
		Relay: aggregator.Relay, UI: aggregator.API, AggregatorAdmin: aggregator.Admin,
		ClickHouse: s.clickhouse.URL(), Kafka: s.kafka.Addr(),
		ProjectKey: s.secrets.ProjectKey, AdminToken: s.secrets.AdminToken,
	}
	if s.demo != nil {
		ready.Demo = s.demo.Addr().String()
	}
	return ready
}

// answers waits until both parts call themselves ready over HTTP, as an orchestrator would ask them.
func (s *system) answers(ctx context.Context, ready Ready) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for _, addr := range []string{ready.AggregatorAdmin, ready.AgentAdmin} {
		for {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/readyz", nil)
			if err != nil {
				return err
			}
			response, err := http.DefaultClient.Do(request)
			if err == nil {
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					break
				}
				err = fmt.Errorf("%s says %s", addr, response.Status)
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("not ready in time: %w", err)
			case err := <-s.failed:
				return err
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// remedy adds what to do about an error of the machine that `gosight up` has a flag for.
func remedy(err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w: another program has this port; end it, or start with --ports auto", err)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("%w: this machine has no such address; --listen chooses another", err)
	case errors.Is(err, os.ErrPermission), errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%w: the data directory is not writable; --data chooses another", err)
	}
	return err
}
