package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/internal/freeport"
)

// chain knows how to start the parts of a system that are processes of their own.
type chain struct {
	bin, ca string
	roles   string
	// What the parts are told in common.
	engines []string
}

var errNoChain = errors.New("the system is not a chain of separate processes")

const (
	agentRole      = "agent"
	aggregatorRole = "aggregator"
	processorRole  = "processor"
)

// Chain starts ClickHouse, Kafka, an aggregator and an agent, each as a process, with their data below dir. Where
// process is false the aggregator only receives: what it puts into Kafka stays there until StartProcessing.
func Chain(ctx context.Context, bin, dir string, process bool) (s *System, err error) {
	ports, err := freeport.Addrs(9)
	if err != nil {
		return nil, err
	}
	s = &System{
		Project: "default", Shape: "chain", dir: dir, parts: make(map[string]*Process), chain: &chain{bin: bin, roles: "receive"},
	}
	if process {
		s.chain.roles = "receive,process,api"
	}
	s.Ready = Ready{
		AgentGRPC: ports[0], AgentHTTP: ports[1], AgentAdmin: ports[2], Relay: ports[3], UI: ports[4], AggregatorAdmin: ports[5],
		ClickHouse: "http://" + ports[6], Kafka: ports[7],
	}
	if _, _, s.chain.ca, err = devcert.Ensure(filepath.Join(dir, "aggregator", "tls"), "127.0.0.1", "localhost"); err != nil {
		return nil, err
	}
	s.chain.engines = []string{
		"--kafka-brokers", ports[7], "--kafka-partitions", "4", "--clickhouse-url", s.ClickHouse,
		"--log-format", "text", "--log-level", "warn",
	}
	err = s.start(ctx, "clickhouse", s.ClickHouse+"/ping", "gosight",
		"engine", "clickhouse", "--path", filepath.Join(dir, "clickhouse"), "--listen", ports[6])
	if err == nil {
		err = s.start(ctx, "kafka", s.Kafka, "gosight", "engine", "kafka", "--path", filepath.Join(dir, "kafka"), "--listen", s.Kafka)
	}
	if err == nil {
		err = s.StartAggregator(ctx)
	}
	if err == nil {
		err = s.start(ctx, agentRole, "http://"+s.AgentAdmin+"/readyz", "gosight-agent",
			"--id", "bench", "--grpc-addr", s.AgentGRPC, "--http-addr", s.AgentHTTP, "--admin-addr", s.AgentAdmin,
			"--server-max-client-connections", "16384", // the generator is one address, and many clients
			"--data-dir", filepath.Join(dir, agentRole), "--allow-anonymous-loopback", "--forward-aggregators", s.Relay,
			"--forward-ca-file", s.chain.ca, "--log-format", "text", "--log-level", "warn")
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// start starts a part and waits until it answers: a URL with 200, an address with a connection.
func (s *System) start(ctx context.Context, role, answers, program string, args ...string) error {
	p, err := launch(s.dir, role, nil, filepath.Join(s.chain.bin, program), args...)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.processes = append(s.processes, p)
	s.parts[role] = p
	s.mu.Unlock()
	return p.await(ctx, "answer", func() bool {
		if !strings.Contains(answers, "://") {
			conn, err := net.DialTimeout("tcp", answers, time.Second)
			if err == nil {
				_ = conn.Close()
			}
			return err == nil
		}
		response, err := http.Get(answers)
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
}

// stop ends a part, by end.
func (s *System) stop(role string, end func(*Process) error) error {
	s.mu.Lock()
	p := s.parts[role]
	if p == nil {
		s.mu.Unlock()
		return errNoChain
	}
	delete(s.parts, role)
	for i, running := range s.processes {
		if running == p {
			s.processes = append(s.processes[:i:i], s.processes[i+1:]...)
			break
		}
	}
	s.mu.Unlock()
	return end(p)
}

// StartAggregator starts it, also again after KillAggregator.
func (s *System) StartAggregator(ctx context.Context) error {
	if s.chain == nil {
		return errNoChain
	}
	return s.start(ctx, aggregatorRole, "http://"+s.AggregatorAdmin+"/readyz", "gosight-aggregator", append([]string{
		"--roles", s.chain.roles, "--relay-addr", s.Relay, "--api-addr", s.UI, "--admin-addr", s.AggregatorAdmin,
		"--data-dir", filepath.Join(s.dir, aggregatorRole), "--receive-allow-anonymous-loopback", "--api-allow-loopback",
	}, s.chain.engines...)...)
}

// KillAggregator ends it as a power cut would.
func (s *System) KillAggregator() error { return s.stop(aggregatorRole, (*Process).Kill) }

// StartProcessing starts a second aggregator that loads into ClickHouse what the first has put into Kafka.
func (s *System) StartProcessing(ctx context.Context) error {
	ports, err := freeport.Addrs(2)
	if err != nil {
		return err
	}
	return s.start(ctx, processorRole, "http://"+ports[1]+"/readyz", "gosight-aggregator", append([]string{
		"--roles", "process", "--admin-addr", ports[1], "--data-dir", filepath.Join(s.dir, processorRole),
	}, s.chain.engines...)...)
}

// StopProcessing ends what StartProcessing started.
func (s *System) StopProcessing() error { return s.stop(processorRole, (*Process).Stop) }

// AwaitRelayed waits until the agent's queue is empty: all that it acked is in Kafka.
func (s *System) AwaitRelayed(ctx context.Context) error {
	for changed, last := time.Now(), -1.0; ; {
		metrics, err := Metrics(ctx, s.AgentAdmin)
		if err != nil {
			return err
		}
		left := metrics["gosight_queue_depth_values"]
		if left == 0 {
			return nil
		}
		if left != last {
			changed, last = time.Now(), left
		}
		if time.Since(changed) > time.Minute {
			return fmt.Errorf("agent has %v batches that it does not get away", left)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
