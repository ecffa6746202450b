package scenario

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/gosight/gosight/benchmarks/load"
	"github.com/gosight/gosight/benchmarks/report"
	"github.com/gosight/gosight/benchmarks/target"
)

// Peer is the OpenTelemetry Collector that a scenario of kind compare measures beside GoSight.
type Peer struct {
	// Bin holds otel/otelcol, Config its configurations; Dir gets its data.
	Bin, Config, Dir string
}

// compareWithPeer measures the same rates on both, one after the other, in one run.
func (b *Bench) compareWithPeer(ctx context.Context, s *Scenario, r *report.Result) (err error) {
	if err := b.rates(ctx, s, r); err != nil {
		return err
	}
	for i := range r.Runs {
		r.Runs[i].Label = "gosight " + perSecond(s.Rates[i])
	}
	if err := b.System.Close(); err != nil {
		return err
	}
	peer, err := target.StartCollector(ctx, b.Peer.Bin, b.Peer.Config, filepath.Clean(b.Peer.Dir))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, peer.Close()) }()
	for _, rate := range s.Rates {
		run, err := b.measurePeer(ctx, peer, s, rate)
		if err != nil {
			return err
		}
		r.Runs = append(r.Runs, run) // what the peer does is a figure, not a failure of ours
	}
	return nil
}

// measurePeer is measure for the collector: what arrived is what Kafka acknowledged to its gateway.
func (b *Bench) measurePeer(ctx context.Context, peer *target.Collector, s *Scenario, rate float64) (report.Run, error) {
	run := report.Run{Label: "otelcol " + perSecond(rate), Shape: peer.Shape, Offered: rate}
	var wire load.Wire
	var senders []*load.OTLP
	for range s.Connections {
		conn, err := grpc.NewClient("passthrough:///"+peer.OTLP, grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return wire.Dial(ctx, addr) }))
		if err != nil {
			return run, fmt.Errorf("connect to the collector: %w", err)
		}
		defer conn.Close()
		senders = append(senders, &load.OTLP{Conn: conn})
	}
	before, err := peer.Usage()
	if err != nil {
		return run, err
	}
	delivered, err := peer.Delivered(ctx)
	if err != nil {
		return run, err
	}
	progress := load.NewProgress()
	beside, stop := context.WithCancel(ctx)
	defer stop()
	var others sync.WaitGroup
	bar := newBar(b.Screen, run.Label, s.Duration)
	others.Go(func() { bar.follow(beside, progress) })
	memory := &memory{system: peer.System}
	others.Go(func() { memory.watch(beside) })

	begun, id := time.Now(), newRun()
	err = load.Run(ctx, load.Plan{
		Rate: rate, Batch: s.Batch, Duration: s.Duration, Patience: s.Duration/2 + 30*time.Second, Workers: s.Workers,
		Source: func(worker int) load.Source { return spec{Scenario: s}.source(id, worker) },
		Sender: func(worker int) load.Sender { return senders[worker%len(senders)] },
	}, progress)
	run.Seconds = time.Since(begun).Seconds()
	if err != nil {
		return run, err
	}
	fill(&run, progress)
	drained := time.Now()
	total, err := peer.AwaitDelivered(ctx, delivered+run.Acked, 30*time.Second)
	run.Drain, run.Counted = time.Since(drained).Seconds(), total-delivered
	stop()
	others.Wait()
	bar.done()
	if err != nil {
		return run, err
	}
	after, err := peer.Usage()
	if err != nil {
		return run, err
	}
	run.Processes = make(map[string]report.Process)
	for role, u := range after {
		run.Processes[role] = memory.process(role, u.Sub(before[role]), run.Acked)
	}
	if run.Acked > 0 {
		run.SDKBytes = float64(wire.Sent.Load()) / float64(run.Acked)
	}
	return run, nil
}
