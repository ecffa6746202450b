// Package bus carries batches through Kafka, between receiving and processing: a producer that acknowledges only
// what all replicas have, a consumer that commits only what its handler has finished, and a dead-letter topic for
// what can be neither delivered nor understood. Only this package imports franz-go. DESIGN.md gives the
// guarantees and why they hold.
package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/gosight/gosight/aggregator/receive"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Producer writes batches into Kafka. Safe for concurrent use.
type Producer struct {
	cfg     Config
	client  *kgo.Client
	metrics *producerMetrics
	log     *slog.Logger
}

// NewProducer makes a producer. Nothing is connected yet: the brokers may still be starting.
func NewProducer(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*Producer, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	client, err := cfg.client(
		cfg.compression(),
		kgo.RequiredAcks(kgo.AllISRAcks()), // idempotence is franz-go's default and needs this
		kgo.ProducerBatchMaxBytes(maxRecordBytes),
		kgo.MaxBufferedBytes(cfg.BufferBytes),
		kgo.RecordDeliveryTimeout(cfg.ProduceTimeout),
		// A record that was given up may have reached the broker all the same. The agent sends it again and rows
		// are idempotent, so a repeat costs nothing, and an agent is never held up by a broker that is away.
		kgo.AllowIdempotentProduceCancellation(),
		// A topic that somebody deleted: tell the agent rather than hang; Produce makes it anew.
		kgo.UnknownTopicRetries(2),
	)
	if err != nil {
		return nil, err
	}
	return &Producer{cfg: cfg, client: client, metrics: newProducerMetrics(reg), log: log}, nil
}

// CreateTopics creates the topics that are missing. It fails where no broker answers; call it again, unless the
// error is ErrMisconfigured.
func (p *Producer) CreateTopics(ctx context.Context) error { return createTopics(ctx, p.cfg, p.client) }

// Produce returns when all replicas have every batch, or it stands in the dead-letter topic (deadLettered says
// how many do). An error means that some may not have been written: the whole call is to be repeated. It returns
// only when Kafka's client no longer holds the batches' bytes.
func (p *Producer) Produce(ctx context.Context, batches []receive.Record) (deadLettered int, err error) {
	records := make([]kgo.Record, len(batches))
	errs := make([]error, len(batches))
	var pending sync.WaitGroup
	pending.Add(len(batches))
	for i, batch := range batches {
		records[i] = kgo.Record{Topic: p.cfg.Topic(batch.Lane), Key: batch.Key, Value: batch.Value}
		p.client.Produce(ctx, &records[i], func(_ *kgo.Record, err error) { errs[i] = err; pending.Done() })
	}
	pending.Wait()

	var failed error
	for i, err := range errs {
		switch {
		case err == nil:
			p.metrics.produced.WithLabelValues(laneName(batches[i].Lane)).Inc()
		case isAboutRecord(err):
			dead, err := p.produceAlone(ctx, &records[i], batches[i].Lane, err)
			if err != nil {
				failed = err
			} else if dead {
				deadLettered++
			}
		default:
			p.metrics.failed.WithLabelValues(reasonOf(err)).Inc()
			failed = fmt.Errorf("produce to %s: %w", records[i].Topic, p.cfg.explain(err))
		}
	}
	if errors.Is(failed, kerr.UnknownTopicOrPartition) {
		failed = errors.Join(failed, p.CreateTopics(ctx))
	}
	return deadLettered, failed
}

// produceAlone gives a record that was refused for what it is one more try by itself, since a broker refuses a
// whole batch of records for its size, then halves it as long as size is the reason and there is more than one event
// in it. What is refused even so is written to the dead-letter topic.
func (p *Producer) produceAlone(ctx context.Context, record *kgo.Record, lane gosight.Lane, refusal error,
) (dead bool, err error) {
	again := &kgo.Record{Topic: record.Topic, Key: record.Key, Value: record.Value}
	err = p.client.ProduceSync(ctx, again).FirstErr()
	if err == nil {
		p.metrics.produced.WithLabelValues(laneName(lane)).Inc()
		return false, nil
	}
	if !isAboutRecord(err) {
		p.metrics.failed.WithLabelValues(reasonOf(err)).Inc()
		return false, fmt.Errorf("produce to %s: %w", record.Topic, err)
	}
	if halves := halve(record, err); halves != nil {
		p.metrics.halved.Inc()
		for _, half := range halves {
			of, err := p.produceAlone(ctx, half, lane, refusal)
			if err != nil {
				return dead, err
			}
			dead = dead || of
		}
		return dead, nil
	}
	reason := reasonOf(refusal)
	letter := DeadLetter{Reason: reason, Error: refusal.Error(), Topic: record.Topic, Partition: -1, Offset: -1,
		Key: record.Key, Value: record.Value}
	if err := writeDeadLetter(ctx, p.client, p.cfg, letter); err != nil {
		return false, err
	}
	p.metrics.deadLettered.WithLabelValues(reason).Inc()
	p.log.Warn("kafka refused a record, it is in the dead-letter topic", "reason", reason, "error", refusal,
		"key", string(record.Key), "bytes", len(record.Value))
	return true, nil
}

// halve is two records that say what a record says which was refused for its size, or nil where there are none.
func halve(record *kgo.Record, refusal error) []*kgo.Record {
	batch := &gosight.Batch{}
	if !isTooLarge(refusal) || batch.UnmarshalVTUnsafe(record.Value) != nil {
		return nil
	}
	first, second, ok := wire.Halve(batch)
	if !ok {
		return nil
	}
	halves := make([]*kgo.Record, 2)
	for i, half := range []*gosight.Batch{first, second} {
		value, err := half.MarshalVT()
		if err != nil {
			return nil
		}
		halves[i] = &kgo.Record{Topic: record.Topic, Key: record.Key, Value: value}
	}
	return halves
}

// Ping says whether a broker answers.
func (p *Producer) Ping(ctx context.Context) error {
	if err := p.client.Ping(ctx); err != nil {
		return fmt.Errorf("ping kafka: %w", p.cfg.explain(err))
	}
	return nil
}

// Close gives up what is not yet written; nothing of it was acknowledged.
func (p *Producer) Close() { p.client.Close() }

// isAboutRecord tells a refusal that no retry will change from an outage.
func isAboutRecord(err error) bool {
	return isTooLarge(err) || errors.Is(err, kerr.InvalidRecord) || errors.Is(err, kerr.InvalidTimestamp)
}

func isTooLarge(err error) bool {
	return errors.Is(err, kerr.MessageTooLarge) || errors.Is(err, kerr.RecordListTooLarge)
}

// reasonOf is a metric label: the protocol's own name of the error where it has one.
func reasonOf(err error) string {
	var refused *kerr.Error
	switch {
	case errors.As(err, &refused):
		return refused.Message
	case errors.Is(err, kgo.ErrRecordTimeout), errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, kgo.ErrClientClosed):
		return "closing"
	}
	return "unreachable"
}

func laneName(lane gosight.Lane) string {
	if lane == gosight.Lane_LANE_REPLAY {
		return "replay"
	}
	return "events"
}
