// Package process turns Kafka's batches into ClickHouse's rows, and runs the detectors a second time over the
// merged stream of all agents. DESIGN.md says why what it writes is exact whatever fails.
package process

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/gosight/gosight/aggregator/bus"
	"github.com/gosight/gosight/aggregator/store"
	"github.com/gosight/gosight/internal/detect"
	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
)

// Erasures says whose batches are dropped; AnyErased whether it is worth asking.
type Erasures interface {
	AnyErased() bool
	Erased(project, user, session string) bool
}

// Processor reads both lanes.
type Processor struct {
	lanes []*lane
}

// New prepares the consumers of both lanes; Run connects them. The second pass works by rules.
func New(cfg Config, rules *detect.Live, erasures Erasures, kafka bus.Config, st *store.Store, reg prometheus.Registerer, log *slog.Logger) (*Processor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	p, m := &Processor{}, newMetrics(reg)
	for _, which := range []gosight.Lane{gosight.Lane_LANE_EVENTS, gosight.Lane_LANE_REPLAY} {
		l := newLane(cfg, rules, erasures, which, st, m)
		consumer, err := bus.NewConsumer(kafka, which, l, reg, log)
		if err != nil {
			return nil, err
		}
		l.consumer = consumer
		p.lanes = append(p.lanes, l)
	}
	return p, nil
}

// Run processes until ctx ends, then stores and commits what it holds and leaves the consumer groups.
func (p *Processor) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range p.lanes {
		group.Go(func() error { return l.consumer.Run(ctx) })
	}
	return group.Wait()
}

// WaitJoined returns when both lanes have become members of their groups.
func (p *Processor) WaitJoined(ctx context.Context) error {
	for _, l := range p.lanes {
		select {
		case <-l.consumer.Joined():
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// lane is the bus.Handler of one lane. Its calls do not overlap, so it has no locks.
type lane struct {
	cfg      Config
	rules    *detect.Live
	erasures Erasures
	which    gosight.Lane
	name     string // for metrics
	consumer *bus.Consumer
	store    *store.Store
	metrics  *metrics
	now      func() time.Time

	rows     *rows
	received []int64 // of the batches in rows, Unix ms
	passes   map[int32]*secondPass
}

func newLane(cfg Config, rules *detect.Live, erasures Erasures, which gosight.Lane, st *store.Store, m *metrics) *lane {
	name := "events"
	if which == gosight.Lane_LANE_REPLAY {
		name = "replay"
	}
	return &lane{
		cfg: cfg, rules: rules, erasures: erasures, which: which, name: name, store: st, metrics: m, now: failpoint.Now, rows: newRows(),
		passes: map[int32]*secondPass{},
	}
}

// Handle implements bus.Handler.
func (l *lane) Handle(ctx context.Context, records []bus.Record) ([]bus.Poison, error) {
	defer l.clear()
	var poison []bus.Poison
	for _, record := range records {
		batch, reason, err := decode(record.Value)
		if err != nil {
			if !record.Committed { // else it is among the dead letters already
				poison = append(poison, bus.Poison{Record: record, Reason: reason, Err: err})
			}
			continue
		}
		if err := l.add(record, batch); err != nil {
			return nil, err
		}
		if l.rows.len() >= l.cfg.MaxRows {
			if err := l.insert(ctx); err != nil {
				return nil, err
			}
		}
	}
	now := l.now().UnixMilli()
	for _, pass := range l.passes {
		pass.advance(now, l.say)
		l.metrics.addStats(pass)
	}
	if err := l.insert(ctx); err != nil {
		return nil, err
	}
	return poison, nil
}

// add makes rows of a batch and shows it to the detectors.
func (l *lane) add(record bus.Record, batch *gosight.Batch) error {
	if l.erased(batch.Project, batch.UserId, batch.SessionId) {
		l.metrics.erased.WithLabelValues(l.name).Add(float64(len(batch.Events)))
		return nil
	}
	if !record.Committed {
		l.rows.addBatch(batch)
		l.received = append(l.received, batch.ReceivedAt)
		l.metrics.events.WithLabelValues(l.name).Add(float64(len(batch.Events)))
		for _, signal := range batch.Signals {
			l.rows.addSignal(detect.Signal{Project: batch.Project, SessionID: batch.SessionId, Signal: signal},
				originOf(batch), store.Edge)
			l.metrics.countSignal(signal.Kind, store.Edge)
		}
	}
	if l.which != gosight.Lane_LANE_EVENTS {
		return nil // no detector looks at replay
	}
	pass := l.passes[record.Partition]
	if pass == nil {
		var err error
		if pass, err = newSecondPass(l.cfg, l.rules, record); err != nil {
			return err
		}
		l.passes[record.Partition] = pass
	}
	pass.observe(record, batch, l.now().UnixMilli(), l.say)
	return nil
}

func (l *lane) erased(project, user, session string) bool {
	return l.erasures.AnyErased() && l.erasures.Erased(project, user, session)
}

// say takes a signal of the second pass.
func (l *lane) say(signal detect.Signal, from origin) {
	if l.erased(signal.Project, from.userID, signal.SessionID) {
		return // the detector remembers its session for a while
	}
	l.rows.addSignal(signal, from, store.Centre)
	l.metrics.countSignal(signal.Kind, store.Centre)
}

// insert stores the rows, however often it takes, until ctx ends. Rows are idempotent, so a try that failed
// halfway is no concern.
func (l *lane) insert(ctx context.Context) error {
	if l.rows.len() == 0 {
		return nil
	}
	_, err := backoff.Retry(ctx, func() (struct{}, error) {
		return struct{}{}, l.rows.insert(ctx, l.store)
	}, backoff.WithMaxElapsedTime(0))
	if err != nil {
		return fmt.Errorf("store rows: %w", err)
	}
	now := l.now().UnixMilli()
	for _, at := range l.received {
		l.metrics.age.WithLabelValues(l.name).Observe(float64(max(0, now-at)) / 1000)
	}
	l.clear()
	return nil
}

// clear lets go of the records' memory.
func (l *lane) clear() {
	l.rows.reset()
	l.received = l.received[:0]
}

// Forget implements bus.Handler: whoever reads the partitions next fills detectors of its own.
func (l *lane) Forget(partitions []int32) {
	for _, partition := range partitions {
		delete(l.passes, partition)
	}
}
