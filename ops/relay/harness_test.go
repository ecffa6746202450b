package relay

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/agent/forward"
	"github.com/gosight/gosight/agent/queue"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/internal/devcert"
	"github.com/gosight/gosight/proto/gen/gosight"
)

const token = "a-token-of-this-test"

// broker stands in for Kafka: it remembers what it acknowledged, and fails when told to.
type broker struct {
	mu      sync.Mutex
	stored  map[string]int
	fail    error
	hold    chan struct{} // while set, nothing is acknowledged until it is closed
	entered chan struct{} // receives once for each Produce, if there is room
}

func newBroker() *broker {
	return &broker{stored: map[string]int{}, entered: make(chan struct{}, 1)}
}

func (b *broker) Produce(ctx context.Context, records []receive.Record) (int, error) {
	select {
	case b.entered <- struct{}{}:
	default:
	}
	b.mu.Lock()
	hold := b.hold
	b.mu.Unlock()
	if hold != nil {
		select {
		case <-hold:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return 0, b.fail
	}
	for _, record := range records {
		b.stored[string(record.Value)]++
	}
	return 0, nil
}

func (b *broker) set(fail error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = fail
}

func (b *broker) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.stored)
}

// aggregator is a running receive.Server.
type aggregator struct {
	*receive.Server
	stop func()
	reg  *prometheus.Registry
}

type certificates struct{ cert, key, ca string }

func makeCertificates(t testing.TB) certificates {
	t.Helper()
	cert, key, ca, err := devcert.Ensure(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return certificates{cert, key, ca}
}

func receiveConfig(certs certificates) receive.Config {
	cfg := receive.Default()
	cfg.Addr = "127.0.0.1:0"
	cfg.CertFile, cfg.KeyFile = certs.cert, certs.key
	cfg.Tokens = map[string]string{"agent-1": token}
	return cfg
}

func startAggregator(t testing.TB, cfg receive.Config, producer receive.Producer) *aggregator {
	t.Helper()
	reg := prometheus.NewRegistry()
	server, err := receive.New(cfg, producer, receive.NoRegistry{}, reg, testLog(t, "aggregator"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("aggregator: %v", err)
		}
	})
	t.Cleanup(stop)
	return &aggregator{Server: server, stop: stop, reg: reg}
}

func forwardConfig(certs certificates, aggregators ...string) forward.Config {
	cfg := forward.Default()
	cfg.Aggregators = aggregators
	cfg.CAFile = certs.ca
	cfg.Token = token
	cfg.Timeout = 10 * time.Second
	cfg.BackoffMin, cfg.BackoffMax = 20*time.Millisecond, 200*time.Millisecond
	cfg.FlushTimeout = time.Second
	return cfg
}

func openQueue(t testing.TB) *queue.Queue {
	t.Helper()
	cfg := queue.Default()
	cfg.Dir = filepath.Join(t.TempDir(), "queue")
	q, err := queue.Open(cfg, prometheus.NewRegistry(), testLog(t, "queue"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := q.Close(); err != nil {
			t.Error(err)
		}
	})
	return q
}

func startForwarder(t testing.TB, cfg forward.Config, q *queue.Queue) (
	f *forward.Forwarder, reg *prometheus.Registry, stop func(),
) {
	t.Helper()
	reg = prometheus.NewRegistry()
	f, err := forward.New(cfg, q, "agent-1", reg, testLog(t, "agent"))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("forwarder: %v", err)
		}
	})
	t.Cleanup(stop)
	return f, reg, stop
}

// batch is a marshalled Batch that no other call returns.
func batch(t testing.TB, n int) []byte {
	t.Helper()
	return batchOf(t, gosight.Lane_LANE_EVENTS, n, "click")
}

func replayBatch(t testing.TB, n int) []byte {
	t.Helper()
	return batchOf(t, gosight.Lane_LANE_REPLAY, n, "mutation")
}

func batchOf(t testing.TB, lane gosight.Lane, n int, eventType string) []byte {
	t.Helper()
	value, err := (&gosight.Batch{
		Project: "shop", SessionId: fmt.Sprintf("session-%d", n), Lane: lane,
		Events: []*gosight.Event{{EventId: fmt.Sprint(n), EventType: eventType, Timestamp: int64(n)}},
	}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func put(t testing.TB, q *queue.Queue, values ...[]byte) {
	t.Helper()
	if err := q.Put(gosight.Lane_LANE_EVENTS, "shop", values...).Wait(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func putBatches(t testing.TB, q *queue.Queue, from, to int) {
	t.Helper()
	for n := from; n < to; n++ {
		put(t, q, batch(t, n))
	}
}

// eventually waits for a condition that other goroutines bring about.
func eventually(t testing.TB, within time.Duration, what string, condition func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !condition() {
		if time.Since(began) > within {
			t.Fatalf("not within %s: %s", within, what)
		}
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

func empty(q *queue.Queue) func() bool {
	return func() bool {
		values, _ := q.Depth(gosight.Lane_LANE_EVENTS)
		return values == 0
	}
}

// value sums a metric over all labels that contain the given parts.
func value(t testing.TB, reg *prometheus.Registry, name string, labels ...string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			text := m.String()
			matches := true
			for _, label := range labels {
				matches = matches && strings.Contains(text, `"`+label+`"`)
			}
			if matches {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func testLog(t testing.TB, part string) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelInfo})).With("part", part)
}
