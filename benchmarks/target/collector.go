package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/gosight/gosight/internal/freeport"
)

// Collector is an OpenTelemetry Collector as agent and another as gateway, before the same Kafka as a chain's.
type Collector struct {
	*System
	// OTLP is where the agent takes logs over gRPC.
	OTLP           string
	gatewayMetrics string
}

// StartCollector starts both with the configurations in configDir; bin/otel/otelcol is the program.
func StartCollector(ctx context.Context, bin, configDir, dir string) (c *Collector, err error) {
	program := filepath.Join("otel", "otelcol")
	if _, err := os.Stat(filepath.Join(bin, program)); err != nil {
		return nil, fmt.Errorf("%w: build it first, see benchmarks/otel/README.md", err)
	}
	ports, err := freeport.Addrs(5)
	if err != nil {
		return nil, err
	}
	c = &Collector{
		System: &System{Shape: "otel", dir: dir, parts: make(map[string]*Process), chain: &chain{bin: bin}},
		OTLP:   ports[0], gatewayMetrics: ports[3],
	}
	_, agentMetrics, _ := net.SplitHostPort(ports[2]) // made by freeport
	_, gatewayMetrics, _ := net.SplitHostPort(ports[3])
	for name, value := range map[string]string{
		"BENCH_DIR": dir, "BENCH_AGENT": ports[0], "BENCH_GATEWAY": ports[1], "BENCH_KAFKA": ports[4],
		"BENCH_AGENT_METRICS": agentMetrics, "BENCH_GATEWAY_METRICS": gatewayMetrics,
	} {
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	err = c.start(ctx, "kafka", ports[4], "gosight", "engine", "kafka", "--path", filepath.Join(dir, "kafka"), "--listen", ports[4])
	if err == nil {
		err = c.makeTopics(ctx, ports[4])
	}
	if err == nil {
		err = c.start(ctx, aggregatorRole, ports[1], program, "--config", filepath.Join(configDir, "gateway.yaml"))
	}
	if err == nil {
		err = c.start(ctx, agentRole, ports[0], program, "--config", filepath.Join(configDir, "agent.yaml"))
	}
	if err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// makeTopics lets an aggregator of ours make the topic otlp.events, with the settings that ours has: the embedded
// broker makes none by itself, and the collector neither.
func (c *Collector) makeTopics(ctx context.Context, kafka string) error {
	ports, err := freeport.Addrs(2)
	if err != nil {
		return err
	}
	const role = "topics"
	return errors.Join(c.start(ctx, role, "http://"+ports[1]+"/readyz", "gosight-aggregator", "--roles", "receive",
		"--relay-addr", ports[0], "--admin-addr", ports[1], "--data-dir", filepath.Join(c.dir, role),
		"--receive-allow-anonymous-loopback", "--kafka-brokers", kafka, "--kafka-topic-prefix", "otlp", "--kafka-partitions", "4"),
		c.stop(role, (*Process).Stop))
}

// Delivered is how many log records Kafka has acknowledged to the gateway since it was started.
func (c *Collector) Delivered(ctx context.Context) (int64, error) {
	metrics, err := Metrics(ctx, c.gatewayMetrics)
	if err != nil {
		return 0, fmt.Errorf("gateway: %w", err)
	}
	return int64(metrics["otelcol_exporter_sent_log_records"] + metrics["otelcol_exporter_sent_log_records_total"]), nil
}

// AwaitDelivered polls until Kafka has acknowledged at least want, or nothing changes for patience.
func (c *Collector) AwaitDelivered(ctx context.Context, want int64, patience time.Duration) (int64, error) {
	for changed, last := time.Now(), int64(-1); ; {
		count, err := c.Delivered(ctx)
		if err != nil || count >= want {
			return count, err
		}
		if count != last {
			changed, last = time.Now(), count
		}
		if time.Since(changed) > patience {
			return count, nil
		}
		select {
		case <-ctx.Done():
			return count, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}
