package scenario

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/gosight/gosight/benchmarks/load"
	"github.com/gosight/gosight/benchmarks/report"
	"github.com/gosight/gosight/benchmarks/target"
	"github.com/gosight/gosight/benchmarks/visit"
	gosight "github.com/gosight/gosight/sdk/go"
)

// Bench is where and how scenarios are carried out.
type Bench struct {
	System *target.System
	// Screen gets the progress bar.
	Screen io.Writer
	Log    *slog.Logger
	// Profiles is a folder for CPU and heap profiles of each measurement, or "".
	Profiles string
	Peer     Peer
	// patience is how long a count may stand still before it is final; 0 means a minute.
	patience time.Duration
}

// spec is one measurement of a scenario.
type spec struct {
	*Scenario
	label    string
	rate     float64
	clients  int // connections of the Go SDK
	probes   bool
	meantime func(ctx context.Context) error // runs beside the load
}

// clients are the senders of a measurement, and count what they put on the wire.
type clients struct {
	wire     load.Wire
	sdk      []*gosight.Client
	browsers *load.Browser
}

func (b *Bench) connect(ctx context.Context, m spec) (*clients, error) {
	c := &clients{}
	c.browsers = &load.Browser{
		URL: target.HTTPURL(b.System.AgentHTTP), Key: b.System.ProjectKey, Compress: m.Compress, Client: c.wire.HTTPClient(m.Workers),
	}
	for range m.clients {
		cfg := gosight.Default()
		cfg.Addr, cfg.Key, cfg.Compress, cfg.Log = "passthrough:///"+b.System.AgentGRPC, b.System.ProjectKey, m.Compress, b.Log
		cfg.DialOptions = []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, addr string) (net.Conn, error) { return c.wire.Dial(ctx, addr) }),
		}
		if m.clients > 100 { // as small as phones and sidecars would be
			cfg.DialOptions = append(cfg.DialOptions, grpc.WithReadBufferSize(0), grpc.WithWriteBufferSize(4<<10))
		}
		client, err := gosight.New(cfg)
		if err != nil {
			return nil, errors.Join(err, c.close())
		}
		c.sdk = append(c.sdk, client)
	}
	if err := c.greet(ctx); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return c, nil
}

// greet sends an empty batch from each client: all are connected before the first batch is due.
func (c *clients) greet(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(64)
	for _, client := range c.sdk {
		group.Go(func() error {
			_, err := client.SendBatch(ctx, &gosight.EventBatch{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("connect to the agent: %w", err)
	}
	c.wire.Sent.Store(0) // greetings are no events' bytes
	return nil
}

func (c *clients) close() error {
	var errs []error
	for _, client := range c.sdk {
		errs = append(errs, client.Close(context.Background())) // nothing is buffered in it
	}
	c.browsers.Client.CloseIdleConnections()
	return errors.Join(errs...)
}

// sender spreads workers over browsers and SDK connections.
func (c *clients) sender(m spec, worker int) load.Sender {
	if float64(worker) < m.Browsers*float64(m.Workers) {
		return c.browsers
	}
	return c.sdk[worker%len(c.sdk)]
}

func (m spec) source(run string, worker int) load.Source {
	if m.Traffic == "reference" {
		return visit.NewReference(run, worker, m.Batch)
	}
	return visit.NewVisits(run, worker, max(1, m.Visitors/m.Workers), m.Batch)
}

// measure does one measurement: load, wait until everything has arrived, compare.
func (b *Bench) measure(ctx context.Context, m spec) (report.Run, error) {
	id := newRun()
	run := report.Run{Label: m.label, Shape: b.System.Shape, Offered: m.rate}
	c, err := b.connect(ctx, m)
	if err != nil {
		return run, err
	}
	defer func() {
		if err := c.close(); err != nil {
			b.Log.Warn("disconnect", "error", err)
		}
	}()
	usage, err := b.System.Usage()
	if err != nil {
		return run, err
	}
	relayed, err := b.relayed(ctx)
	if err != nil {
		return run, err
	}

	progress := load.NewProgress()
	beside, stop := context.WithCancel(ctx)
	defer stop()
	var others sync.WaitGroup
	bar := newBar(b.Screen, m.label, m.Duration)
	others.Go(func() { bar.follow(beside, progress) })
	memory := &memory{system: b.System}
	others.Go(func() { memory.watch(beside) })
	var lag *prober
	if m.probes {
		lag = newProber(b.System, c.sdk[0], id+"-probe")
		others.Go(func() { lag.run(beside, m.Duration) })
	}
	if b.Profiles != "" {
		others.Go(func() {
			if err := b.System.Profile(beside, b.Profiles, m.label, m.Duration-time.Second); err != nil {
				b.Log.Warn("no profile", "error", err)
			}
		})
	}
	failed := make(chan error, 1)
	go func() {
		if m.meantime == nil {
			failed <- nil
			return
		}
		failed <- m.meantime(ctx)
	}()

	begun := time.Now()
	err = load.Run(ctx, load.Plan{
		Rate: m.rate, Batch: m.Batch, Duration: m.Duration, Patience: m.Duration/2 + 30*time.Second, Workers: m.Workers,
		Source: func(worker int) load.Source { return m.source(id, worker) },
		Sender: func(worker int) load.Sender { return c.sender(m, worker) },
	}, progress)
	run.Seconds = time.Since(begun).Seconds()
	err = errors.Join(err, <-failed)
	if err != nil {
		return run, err
	}
	drained := time.Now()
	fill(&run, progress)
	lag.report(&run)
	if m.KafkaOnly {
		err = b.System.AwaitRelayed(ctx)
	} else {
		run.Counted, err = b.System.Await(ctx, id, run.Acked, cmp.Or(b.patience, time.Minute), bar.counted)
	}
	run.Drain = time.Since(drained).Seconds()
	missing := 0
	if lag != nil && err == nil {
		missing = lag.missing(ctx)
	}
	stop()
	others.Wait()
	bar.done()
	if err != nil {
		return run, err
	}

	after, err := b.System.Usage()
	if err != nil {
		return run, err
	}
	run.Processes = make(map[string]report.Process)
	for role, u := range after {
		run.Processes[role] = memory.process(role, u.Sub(usage[role]), run.Acked)
	}
	relayedAfter, err := b.relayed(ctx)
	if err != nil {
		return run, err
	}
	if run.Acked > 0 {
		run.SDKBytes = float64(c.wire.Sent.Load()) / float64(run.Acked)
		run.RelayBytes = (relayedAfter - relayed) / float64(run.Acked)
	}
	if lag != nil {
		run.Lag = report.QuantilesOf(lag.seen)
		if missing > 0 {
			run.Failures = append(run.Failures, fmt.Sprintf("%d probes were never found by a query", missing))
		}
	}
	return run, b.compare(ctx, m, id, &run, bar)
}

func fill(run *report.Run, progress *load.Progress) {
	run.Acked, run.Rejected = progress.Acked(), progress.Rejected()
	run.Unknown, run.Unsent = progress.Unknown(), progress.Unsent()
	run.Achieved = float64(run.Acked) / run.Seconds
	at := func(quantile float64) float64 { return report.Milliseconds(progress.Latency(quantile)) }
	run.Ack = report.Quantiles{P50: at(0.5), P90: at(0.9), P95: at(0.95), P99: at(0.99), P999: at(0.999), Max: at(1)}
	run.Series, run.Errors = progress.Seconds(), progress.Errors()
}

// compare is the end of every measurement: acked is counted.
func (b *Bench) compare(ctx context.Context, m spec, id string, run *report.Run, bar *bar) (err error) {
	if m.KafkaOnly {
		if err := b.System.StartProcessing(ctx); err != nil {
			return err
		}
		if run.Counted, err = b.System.Await(ctx, id, run.Acked, cmp.Or(b.patience, time.Minute), bar.counted); err != nil {
			return err
		}
		bar.done()
		if err := b.System.StopProcessing(); err != nil {
			return err
		}
	} else {
		// Once more: what was counted twice would only now have come.
		if run.Counted, err = b.System.Count(ctx, id); err != nil {
			return err
		}
	}
	if run.Counted < run.Acked || run.Counted > run.Acked+run.Unknown {
		run.Failures = append(run.Failures,
			fmt.Sprintf("%d acked (and %d unknown), but ClickHouse counts %d", run.Acked, run.Unknown, run.Counted))
	}
	if run.Rejected > 0 {
		run.Failures = append(run.Failures, fmt.Sprintf("%d events were rejected", run.Rejected))
	}
	m.Limits.check(run)
	return nil
}

func (l Limits) check(run *report.Run) {
	over := func(what string, milliseconds float64, limit time.Duration) {
		if limit > 0 && milliseconds > report.Milliseconds(limit) {
			run.Failures = append(run.Failures, fmt.Sprintf("%s is %.1f ms, limit %v", what, milliseconds, limit))
		}
	}
	over("ack p50", run.Ack.P50, l.AckP50)
	over("ack p99", run.Ack.P99, l.AckP99)
	if run.Lag != nil {
		over("lag p99", run.Lag.P99, l.LagP99)
	}
	over("drain", run.Drain*1000, l.Drain)
	if run.Achieved < l.Achieved*run.Offered {
		run.Failures = append(run.Failures, fmt.Sprintf("%.0f events/s acked of %.0f offered", run.Achieved, run.Offered))
	}
}

// relayed is how many bytes the agent has sent to the aggregator.
func (b *Bench) relayed(ctx context.Context) (float64, error) {
	metrics, err := target.Metrics(ctx, b.System.AgentAdmin)
	if err != nil {
		return 0, fmt.Errorf("agent: %w", err)
	}
	return metrics["gosight_forward_wire_bytes_total"], nil
}

// newRun names a run: the first group of its sessions' ids.
func newRun() string {
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	return hex.EncodeToString(id[:])
}

// memory watches the processes' sizes while a measurement runs.
type memory struct {
	system  *target.System
	mu      sync.Mutex
	samples map[string][]target.Usage
}

func (w *memory) watch(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		used, err := w.system.Usage()
		if err != nil {
			continue // a process that was killed on purpose
		}
		w.mu.Lock()
		if w.samples == nil {
			w.samples = make(map[string][]target.Usage)
		}
		for role, u := range used {
			w.samples[role] = append(w.samples[role], u)
		}
		w.mu.Unlock()
	}
}

func (w *memory) process(role string, used target.Usage, events int64) report.Process {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := report.Process{CPUSeconds: used.CPUSeconds, PeakRSS: used.RSSBytes, PeakPrivate: used.PrivateBytes}
	if events > 0 {
		p.CPUPerMillion = used.CPUSeconds / float64(events) * 1e6
	}
	samples := w.samples[role]
	private := make([]int64, len(samples))
	for i, sample := range samples {
		p.PeakRSS, p.PeakPrivate = max(p.PeakRSS, sample.RSSBytes), max(p.PeakPrivate, sample.PrivateBytes)
		private[i] = sample.PrivateBytes
	}
	p.GrowthPerMinute = slope(private[len(private)/2:]) * 60
	for every, i := 1+len(private)/100, 0; i < len(private); i += every {
		p.Private = append(p.Private, report.MemorySample{At: float64(i + 1), Bytes: private[i]})
	}
	return p
}

// slope of samples a second apart, by least squares.
func slope(samples []int64) float64 {
	n := float64(len(samples))
	if n < 2 {
		return 0
	}
	var sumX, sumY, sumXY, sumXX float64
	for i, sample := range samples {
		x, y := float64(i), float64(sample)
		sumX, sumY, sumXY, sumXX = sumX+x, sumY+y, sumXY+x*y, sumXX+x*x
	}
	return (n*sumXY - sumX*sumY) / (n*sumXX - sumX*sumX)
}
