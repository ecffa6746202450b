package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Record is one marshalled Batch out of Kafka.
type Record struct {
	Partition int32
	Offset    int64
	Time      int64 // when it was produced, Unix milliseconds
	Key       []byte
	Value     []byte
	// Committed says that the record lies before the committed position: its rows are stored already, it is only
	// read again to know what led up to the records that follow. Settled says that nothing is left to be said of
	// it either: whoever handled it first lived on for longer than any rule waits.
	Committed, Settled bool
}

// Poison is a record that no retry will make sense of.
type Poison struct {
	Record Record
	Reason string // short and countable
	Err    error
}

// Handler does what is to be done with a lane's records. Calls do not overlap.
type Handler interface {
	// Handle is given records, in order within each partition, or none when time has merely passed. nil says
	// that everything that comes of them is stored; poison goes to the dead-letter topic. After an error the
	// consumer forgets all partitions and begins anew at the committed position.
	Handle(ctx context.Context, records []Record) (poison []Poison, err error)
	// Forget drops what is known of partitions that this member no longer reads.
	Forget(partitions []int32)
}

// How long Handle may run on once the process has been told to stop.
const stopGrace = 10 * time.Second

// Consumer reads one lane as a member of its consumer group.
type Consumer struct {
	cfg     Config
	lane    gosight.Lane
	handler Handler
	metrics *consumerMetrics
	log     *slog.Logger

	joined chan struct{}
	once   sync.Once
}

// NewConsumer prepares a consumer; Run connects.
func NewConsumer(cfg Config, lane gosight.Lane, handler Handler, reg prometheus.Registerer, log *slog.Logger,
) (*Consumer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if lane == gosight.Lane_LANE_REPLAY {
		cfg.MaxLinger = cfg.ReplayMaxLinger
	}
	reg = prometheus.WrapRegistererWith(prometheus.Labels{"lane": laneName(lane)}, reg)
	return &Consumer{
		cfg: cfg, lane: lane, handler: handler, metrics: newConsumerMetrics(reg),
		log: log.With("lane", laneName(lane)), joined: make(chan struct{}),
	}, nil
}

// Joined closes when the consumer has first become a member of its group.
func (c *Consumer) Joined() <-chan struct{} { return c.joined }

// Run reads until ctx ends, then handles and commits what it holds and leaves the group. Whatever fails, the
// consumer leaves the group and begins anew at the committed position: the way back from a failure is the way
// in after a crash, and there is no other.
func (c *Consumer) Run(ctx context.Context) error {
	wait := backoff.NewExponentialBackOff()
	wait.MaxInterval = 10 * time.Second
	for {
		began := time.Now()
		err := c.session(ctx)
		if ctx.Err() != nil {
			return err
		}
		if time.Since(began) > c.cfg.RebalanceTimeout {
			wait.Reset()
		}
		delay := wait.NextBackOff()
		c.metrics.restarts.WithLabelValues(reasonOf(err)).Inc()
		c.log.Warn("consumer begins anew at the committed position", "error", err, "in", delay)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(delay):
		}
	}
}

// session is one membership of the group.
func (c *Consumer) session(ctx context.Context) error {
	if err := c.createTopics(ctx); err != nil {
		return err
	}
	at := newPositions(c)
	client, err := c.cfg.client(
		kgo.ConsumerGroup(c.cfg.GroupOf(c.lane)),
		kgo.ConsumeTopics(c.cfg.Topic(c.lane)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.DisableAutoCommit(),
		// While records are in hand no partition changes hands, so that what is committed is ours.
		kgo.BlockRebalanceOnPoll(),
		kgo.SessionTimeout(c.cfg.SessionTimeout),
		kgo.RebalanceTimeout(c.cfg.RebalanceTimeout),
		kgo.AdjustFetchOffsetsFn(at.rewind),
		kgo.OnPartitionsAssigned(at.assigned),
		kgo.OnPartitionsRevoked(at.revoked),
		kgo.OnPartitionsLost(at.revoked),
		// Compressed bytes: they may grow tenfold in memory.
		kgo.FetchMaxBytes(4<<20), kgo.FetchMaxPartitionBytes(2<<20),
		kgo.ProducerBatchMaxBytes(maxRecordBytes), // dead letters
		c.cfg.compression(),
		kgo.RecordDeliveryTimeout(c.cfg.ProduceTimeout),
		kgo.AllowIdempotentProduceCancellation(),
	)
	if err != nil {
		return err
	}
	at.mu.Lock()
	at.client = client
	at.mu.Unlock()
	defer func() {
		client.CloseAllowingRebalance()
		at.forgetAll()
	}()
	watch, stop := context.WithCancel(ctx)
	defer stop()
	go at.watchLag(watch)

	for before := time.Now(); ctx.Err() == nil; {
		records, err := c.gather(ctx, client, before)
		if err != nil {
			return err
		}
		before = time.Now()
		if _, generation := client.GroupMetadata(); generation >= 0 {
			c.once.Do(func() { close(c.joined) })
		}
		if err := c.handle(ctx, at, records); err != nil {
			return err
		}
		client.AllowRebalance()
	}
	return nil
}

// createTopics comes before the group is joined: a member whose topic is missing gets no partitions until its
// client next looks, minutes later.
func (c *Consumer) createTopics(ctx context.Context) error {
	client, err := c.cfg.client()
	if err != nil {
		return err
	}
	defer client.Close()
	return createTopics(ctx, c.cfg, client)
}

// handle has the records handled and their positions committed, in this order.
func (c *Consumer) handle(ctx context.Context, at *positions, records []*kgo.Record) error {
	stopping := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.cfg.HandleTimeout)
	defer cancel()
	defer context.AfterFunc(stopping, func() { time.AfterFunc(stopGrace, cancel) })()

	if err := edge("bus/handle", records); err != nil {
		return err
	}
	poison, err := c.handler.Handle(ctx, at.mark(records))
	if err == nil {
		err = edge("bus/commit", records)
	}
	if err != nil {
		return fmt.Errorf("handle %d records: %w", len(records), err)
	}
	for _, p := range poison {
		letter := DeadLetter{
			Reason: p.Reason, Error: p.Err.Error(), Topic: c.cfg.Topic(c.lane),
			Partition: p.Record.Partition, Offset: p.Record.Offset, Key: p.Record.Key, Value: p.Record.Value,
		}
		if err := writeDeadLetter(ctx, at.client, c.cfg, letter); err != nil {
			return err
		}
		c.metrics.deadLettered.WithLabelValues(p.Reason).Inc()
		c.log.Warn("record is in the dead-letter topic", "reason", p.Reason, "error", p.Err,
			"partition", p.Record.Partition, "offset", p.Record.Offset)
	}
	at.advance(records)
	if err := at.commit(ctx); err != nil {
		return err
	}
	return edge("bus/committed", records)
}

// edge is a failpoint where there are records to lose.
func edge(name string, records []*kgo.Record) error {
	if len(records) == 0 {
		return nil
	}
	return failpoint.Hit(name)
}

// gather polls until there is a batch's worth of records or lingering is over. It returns none after a linger in
// which nothing came. The client holds rebalances back until AllowRebalance.
func (c *Consumer) gather(ctx context.Context, client *kgo.Client, before time.Time) ([]*kgo.Record, error) {
	const pollRecords = 4096
	var records []*kgo.Record
	size, first := 0, time.Now()
	for {
		poll, cancel := context.WithDeadline(ctx, c.cfg.handOver(first, before, size))
		fetches := client.PollRecords(poll, pollRecords)
		cancel()
		for _, failed := range fetches.Errors() {
			if errors.Is(failed.Err, context.DeadlineExceeded) || errors.Is(failed.Err, context.Canceled) {
				continue
			}
			// Retention outran us: counted where the gap is seen, and not a reason to stop.
			if loss := (*kgo.ErrDataLoss)(nil); errors.As(failed.Err, &loss) {
				c.log.Error("kafka lost records before they were read", "error", loss)
				continue
			}
			return nil, fmt.Errorf("poll %s: %w", c.cfg.Topic(c.lane), c.cfg.explain(failed.Err))
		}
		if len(records) == 0 && fetches.NumRecords() > 0 {
			first = time.Now() // lingering begins with the first record
		}
		fetches.EachRecord(func(record *kgo.Record) {
			records = append(records, record)
			size += len(record.Value)
		})
		if size >= c.cfg.BatchBytes || ctx.Err() != nil || !time.Now().Before(c.cfg.handOver(first, before, size)) {
			return records, nil
		}
	}
}

// isRebalance says that a commit was refused because the group is changing. What was not committed will be, by
// this member or by the next owner, who reads it again.
func isRebalance(err error) bool {
	return errors.Is(err, kerr.RebalanceInProgress) || errors.Is(err, kerr.IllegalGeneration) ||
		errors.Is(err, kerr.UnknownMemberID)
}
