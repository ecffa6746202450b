package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
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
	server, err := receive.New(cfg, producer, reg, testLog(t, "aggregator"))
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

func startForwarder(t testing.TB, cfg forward.Config, q *queue.Queue) (f *forward.Forwarder, reg *prometheus.Registry, stop func()) {
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
	value, err := (&gosight.Batch{
		Project: "shop", SessionId: fmt.Sprintf("session-%d", n), Lane: gosight.Lane_LANE_EVENTS,
		Events: []*gosight.Event{{EventId: fmt.Sprint(n), EventType: "click", Timestamp: int64(n)}},
	}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return value
}

func put(t testing.TB, q *queue.Queue, values ...[]byte) {
	t.Helper()
	if err := q.Put(gosight.Lane_LANE_EVENTS, values...).Wait(context.Background()); err != nil {
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

func TestDeliversOverHTTP3(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 100)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != 100 {
		t.Fatalf("%d batches arrived", kafka.count())
	}
	if n := value(t, metrics, "gosight_forward_requests_total", "http3"); n == 0 {
		t.Error("nothing went over HTTP/3")
	}
	if n := value(t, server.reg, "gosight_receive_requests_total", "HTTP/3.0"); n == 0 {
		t.Error("the server saw no HTTP/3")
	}
}

func TestFrameIsSentAgainUntilProduced(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	kafka.set(errors.New("no leader"))
	cfg := receiveConfig(certs)
	server := startAggregator(t, cfg, kafka)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 10)
	eventually(t, 10*time.Second, "a retry", func() bool {
		return value(t, metrics, "gosight_forward_retries_total", "unavailable") > 0
	})
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 10 {
		t.Fatalf("%d of 10 batches left while nothing is acknowledged", values)
	}
	kafka.set(nil)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if n := value(t, server.reg, "gosight_receive_refused_total", "produce"); n == 0 {
		t.Error("refusals are not counted")
	}
}

func TestAggregatorAwayAndBack(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	cfg := receiveConfig(certs)
	server := startAggregator(t, cfg, kafka)
	cfg.Addr = server.Addr()
	q := openQueue(t)
	startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 20)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	server.stop()
	putBatches(t, q, 20, 60)
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 40 {
		t.Fatalf("%d of 40 batches queued while the aggregator is away", values)
	}
	startAggregator(t, cfg, kafka)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != 60 {
		t.Fatalf("%d of 60 batches arrived", kafka.count())
	}
}

func TestDrainingAggregatorIsLeft(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	cfg := receiveConfig(certs)
	cfg.DrainGrace = time.Minute
	one, two := startAggregator(t, cfg, kafka), startAggregator(t, cfg, kafka)
	q := openQueue(t)
	_, metrics, _ := startForwarder(t, forwardConfig(certs, one.Addr(), two.Addr()), q)
	n := 0
	eventually(t, 10*time.Second, "both aggregators get frames", func() bool {
		putBatches(t, q, n, n+1)
		n++
		return value(t, metrics, "gosight_forward_frames_total", one.Addr()) > 0 &&
			value(t, metrics, "gosight_forward_frames_total", two.Addr()) > 0
	})
	one.Drain()
	before := value(t, metrics, "gosight_forward_frames_total", one.Addr())
	for range 50 {
		putBatches(t, q, n, n+1)
		n++
		eventually(t, 10*time.Second, "the queue is empty", empty(q))
	}
	// The frames that were on their way, one of which brought the news.
	if after := value(t, metrics, "gosight_forward_frames_total", one.Addr()); after > before+5 {
		t.Errorf("%v frames to an aggregator that said it is draining", after-before)
	}
	if kafka.count() != n {
		t.Fatalf("%d of %d batches arrived", kafka.count(), n)
	}
	if failed := value(t, metrics, "gosight_forward_retries_total"); failed > 0 {
		t.Errorf("%v frames failed while an aggregator drained", failed)
	}
}

func TestWrongTokenKeepsTheQueue(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	cfg := forwardConfig(certs, server.Addr())
	cfg.Token = "not the token"
	_, metrics, _ := startForwarder(t, cfg, q)
	putBatches(t, q, 0, 3)
	eventually(t, 10*time.Second, "a refusal", func() bool {
		return value(t, metrics, "gosight_forward_retries_total", "unauthenticated") > 0
	})
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 3 || kafka.count() != 0 {
		t.Fatalf("%d batches queued, %d stored", values, kafka.count())
	}
	if n := value(t, server.reg, "gosight_receive_refused_total", "unauthenticated"); n == 0 {
		t.Error("refusals are not counted")
	}
}

func TestOneBadBatchIsSetAside(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	values := [][]byte{}
	for n := range 50 {
		values = append(values, batch(t, n))
	}
	values[17] = []byte("no batch at all")
	put(t, q, values...)
	cfg := forwardConfig(certs, server.Addr())
	cfg.RejectedDir = filepath.Join(t.TempDir(), "rejected")
	_, metrics, _ := startForwarder(t, cfg, q)
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != 49 {
		t.Errorf("%d of 49 good batches arrived", kafka.count())
	}
	kept, err := filepath.Glob(filepath.Join(cfg.RejectedDir, "*.frame"))
	if err != nil || len(kept) != 1 {
		t.Errorf("set aside: %v, %v", kept, err)
	}
	if n := value(t, metrics, "gosight_forward_rejected_total"); n != 1 {
		t.Errorf("%v rejected batches counted", n)
	}
}

func TestStopLeavesTheRestOnDisk(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	kafka.hold = make(chan struct{})
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	cfg := forwardConfig(certs, server.Addr())
	cfg.FlushTimeout = 100 * time.Millisecond
	_, _, stop := startForwarder(t, cfg, q)
	putBatches(t, q, 0, 10)
	<-kafka.entered
	began := time.Now()
	stop()
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("stopping took %s", took)
	}
	if values, _ := q.Depth(gosight.Lane_LANE_EVENTS); values != 10 {
		t.Fatalf("%d of 10 unacknowledged batches left", values)
	}
	close(kafka.hold)
}

func TestStopFlushes(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	q := openQueue(t)
	_, _, stop := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	putBatches(t, q, 0, 50)
	stop()
	if !empty(q)() || kafka.count() != 50 {
		t.Fatalf("%d of 50 batches arrived", kafka.count())
	}
}

// TestKilledMidWay goes on from copies of the queue's files, taken at any moment, as an agent does after kill -9:
// what was acknowledged to the client arrives, once or more often.
func TestKilledMidWay(t *testing.T) {
	certs, kafka := makeCertificates(t), newBroker()
	server := startAggregator(t, receiveConfig(certs), kafka)
	dir := filepath.Join(t.TempDir(), "0")
	n := 0
	for run := range 5 {
		cfg := queue.Default()
		cfg.Dir = dir
		q, err := queue.Open(cfg, prometheus.NewRegistry(), testLog(t, "queue"))
		if err != nil {
			t.Fatal(err)
		}
		_, _, stop := startForwarder(t, forwardConfig(certs, server.Addr()), q)
		putBatches(t, q, n, n+40)
		n += 40
		dir = filepath.Join(t.TempDir(), fmt.Sprint(run+1))
		if err := os.CopyFS(dir, os.DirFS(cfg.Dir)); err != nil {
			t.Fatal(err)
		}
		kafka.set(errors.New("the agent is dead, this never happened"))
		stop()
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		kafka.set(nil)
	}
	cfg := queue.Default()
	cfg.Dir = dir
	q, err := queue.Open(cfg, prometheus.NewRegistry(), testLog(t, "queue"))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	_, _, stop := startForwarder(t, forwardConfig(certs, server.Addr()), q)
	defer stop()
	eventually(t, 10*time.Second, "the queue is empty", empty(q))
	if kafka.count() != n {
		t.Fatalf("%d of %d batches arrived", kafka.count(), n)
	}
}
