// Package bustest holds the contract that package bus keeps on any Kafka, as tests: aggregator/bus runs it on the
// embedded broker, ops/kafka on Apache Kafka. Its parts (a handler that remembers, producers and consumers that end
// with their test) serve the tests of what only one of the two can show.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
)

// How long anything may take that must happen: the machine may be very busy.
const patience = time.Minute

// Config is a configuration for a test on these brokers, with topics and groups of its own.
func Config(t *testing.T, brokers []string) bus.Config {
	cfg := bus.Default()
	cfg.Brokers = brokers
	cfg.TopicPrefix = regexp.MustCompile(`[^A-Za-z0-9.-]`).ReplaceAllString(t.Name(), "-")
	cfg.Group = cfg.TopicPrefix
	cfg.Partitions = 4
	cfg.Linger, cfg.MaxLinger = 20*time.Millisecond, 50*time.Millisecond
	return cfg
}

// Producer is one whose topics are there; it closes with the test.
func Producer(t *testing.T, cfg bus.Config) *bus.Producer {
	t.Helper()
	p, err := bus.NewProducer(cfg, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	if err := p.CreateTopics(t.Context()); err != nil {
		t.Fatal(err)
	}
	return p
}

// Batches are numbered records of ten sessions.
func Batches(lane gosight.Lane, from, to int) []receive.Record {
	var out []receive.Record
	for i := from; i < to; i++ {
		out = append(out, receive.Record{
			Lane: lane, Key: fmt.Appendf(nil, "default/s%d", i%10), Value: fmt.Appendf(nil, "%d", i),
		})
	}
	return out
}

// Produce fails the test where not all is acknowledged.
func Produce(t *testing.T, p *bus.Producer, out []receive.Record) {
	t.Helper()
	if dead, err := p.Produce(t.Context(), out); err != nil || dead != 0 {
		t.Fatalf("produce: %d dead letters, %v", dead, err)
	}
}

// Start runs a consumer; joined closes when it is a member of its group, stop ends it and waits until it has left.
func Start(t *testing.T, cfg bus.Config, lane gosight.Lane, h bus.Handler) (joined <-chan struct{}, stop func()) {
	t.Helper()
	c, err := bus.NewConsumer(cfg, lane, h, prometheus.NewRegistry(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("consumer ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return c.Joined(), stop
}

// Consume is Start, and waits until the consumer has joined.
func Consume(t *testing.T, cfg bus.Config, lane gosight.Lane, h bus.Handler) (stop func()) {
	t.Helper()
	joined, stop := Start(t, cfg, lane, h)
	select {
	case <-joined:
	case <-time.After(patience):
		t.Fatalf("the consumer has not joined its group within %s", patience)
	}
	return stop
}

// Letters are the dead letters that wait.
func Letters(t *testing.T, cfg bus.Config) (letters []bus.DeadLetter) {
	t.Helper()
	d, err := bus.OpenDeadLetters(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	err = d.List(t.Context(), func(l bus.DeadLetter) error { letters = append(letters, l); return nil })
	if err != nil {
		t.Fatal(err)
	}
	return letters
}

// Ledger is a handler that remembers, like ClickHouse, what it was given. Its fields may be looked at within Until,
// or when its consumer has ended.
type Ledger struct {
	Fresh, Reread map[string]int    // how often each value came
	Last          map[string]string // the last value of each key, to see order
	Forgot        int               // partitions
	Faults        int               // how often still to fail
	Poison        func(bus.Record) bool
	// Before, where set, is called before records are handled.
	Before func()

	mu      sync.Mutex
	changed chan struct{}
}

// NewLedger is an empty one.
func NewLedger() *Ledger {
	return &Ledger{
		Fresh: map[string]int{}, Reread: map[string]int{}, Last: map[string]string{}, changed: make(chan struct{}, 1),
	}
}

// Handle implements bus.Handler.
func (l *Ledger) Handle(_ context.Context, records []bus.Record) ([]bus.Poison, error) {
	if l.Before != nil && len(records) > 0 {
		l.Before()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	defer func() {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}()
	if len(records) > 0 && l.Faults > 0 {
		l.Faults--
		return nil, errors.New("clickhouse is away")
	}
	var poison []bus.Poison
	for _, r := range records {
		switch {
		case r.Committed:
			l.Reread[string(r.Value)]++
		case l.Poison != nil && l.Poison(r):
			poison = append(poison, bus.Poison{Record: r, Reason: "undecodable", Err: errors.New("not a batch")})
		default:
			l.Fresh[string(r.Value)]++
			l.Last[string(r.Key)] = string(r.Value)
		}
	}
	return poison, nil
}

// Forget implements bus.Handler.
func (l *Ledger) Forget(partitions []int32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.Forgot += len(partitions)
}

// Change changes fields while a consumer is at work.
func (l *Ledger) Change(change func(*Ledger)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// Until waits for a condition on the ledger, which is looked at each time that records were handled.
func (l *Ledger) Until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	timeout := time.After(patience)
	for {
		l.mu.Lock()
		done := condition()
		fresh, reread := len(l.Fresh), len(l.Reread)
		l.mu.Unlock()
		if done {
			return
		}
		select {
		case <-l.changed:
		case <-timeout:
			t.Fatalf("waited %s until %s; have %d fresh, %d reread", patience, what, fresh, reread)
		}
	}
}

// Union is what several ledgers have together; it is called within Until of the first.
func Union(first *Ledger, others ...*Ledger) map[string]int {
	all := map[string]int{}
	for value, n := range first.Fresh {
		all[value] += n
	}
	for _, other := range others {
		other.mu.Lock()
		for value, n := range other.Fresh {
			all[value] += n
		}
		other.mu.Unlock()
	}
	return all
}
