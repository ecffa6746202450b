package scenario

import (
	"context"
	"fmt"
	"time"

	"github.com/gosight/gosight/benchmarks/report"
)

// Run carries out a scenario. The error says that it could not be carried out; that the system did not do as it
// should stands in the result's Failures.
func (b *Bench) Run(ctx context.Context, s *Scenario) (*report.Result, error) {
	r := &report.Result{Scenario: s.Name, About: s.About, At: time.Now().UTC()}
	kinds := map[string]func(context.Context, *Scenario, *report.Result) error{
		"rate": b.rates, "max": b.search, "spill": b.spill, "fanin": b.fanIn, "query": b.queries, "compare": b.compareWithPeer,
		"bandwidth": func(_ context.Context, s *Scenario, r *report.Result) error { return bandwidth(s, r) },
	}
	err := kinds[s.Kind](ctx, s, r)
	return r, err
}

// keep adds a run to the result, its failures too.
func keep(r *report.Result, run report.Run) {
	r.Runs = append(r.Runs, run)
	for _, failure := range run.Failures {
		r.Failures = append(r.Failures, run.Label+": "+failure)
	}
}

func perSecond(rate float64) string { return count(int64(rate)) + "/s" }

func (b *Bench) rates(ctx context.Context, s *Scenario, r *report.Result) error {
	for _, rate := range s.Rates {
		run, err := b.measure(ctx, spec{
			Scenario: s, label: s.Name + " " + perSecond(rate), rate: rate, clients: s.Connections, probes: !s.KafkaOnly,
		})
		if err != nil {
			return err
		}
		keep(r, run)
	}
	return nil
}

// search looks for the highest rate whose step has no failures: upwards by Factor until one fails, then halving the gap
// Refine times.
func (b *Bench) search(ctx context.Context, s *Scenario, r *report.Result) error {
	step := func(rate float64) (bool, error) {
		run, err := b.measure(ctx, spec{Scenario: s, label: s.Name + " " + perSecond(rate), rate: rate, clients: s.Connections})
		if err != nil {
			return false, err
		}
		r.Runs = append(r.Runs, run)
		if run.Counted < run.Acked {
			r.Failures = append(r.Failures, run.Failures...) // too slow is what is looked for, lost is not
		}
		sustained := len(run.Failures) == 0
		if best := len(r.Runs) - 1; sustained && (r.Best == nil || run.Achieved > r.Runs[*r.Best].Achieved) {
			r.Best = &best
		}
		return sustained, nil
	}
	low, high, lowest := 0.0, s.Rates[0], s.Rates[0]
	for {
		sustained, err := step(high)
		if err != nil {
			return err
		}
		if !sustained {
			break
		}
		low, high = high, high*s.Factor
	}
	for range s.Refine {
		rate := (low + high) / 2
		sustained, err := step(rate)
		if err != nil {
			return err
		}
		if sustained {
			low = rate
		} else {
			high, lowest = rate, min(rate, lowest)
		}
	}
	if r.Best == nil {
		r.Failures = append(r.Failures, fmt.Sprintf("not even %s was sustained", perSecond(lowest)))
	}
	return nil
}

// spill kills the aggregator under load and starts it again: nothing may be refused, lost or doubled.
func (b *Bench) spill(ctx context.Context, s *Scenario, r *report.Result) error {
	outage := func(ctx context.Context) error {
		if err := sleep(ctx, s.Away); err != nil {
			return err
		}
		if err := b.System.KillAggregator(); err != nil {
			return err
		}
		if err := sleep(ctx, s.Back-s.Away); err != nil {
			return err
		}
		return b.System.StartAggregator(ctx)
	}
	run, err := b.measure(ctx, spec{Scenario: s, label: s.Name, rate: s.Rates[0], clients: s.Connections, meantime: outage})
	if err != nil {
		return err
	}
	keep(r, run)
	return nil
}

// fanIn spreads one rate over more and more SDK connections.
func (b *Bench) fanIn(ctx context.Context, s *Scenario, r *report.Result) error {
	for _, clients := range s.Clients {
		wide := *s
		wide.Workers = max(s.Workers, clients)
		label := fmt.Sprintf("%d connections", clients)
		run, err := b.measure(ctx, spec{Scenario: &wide, label: label, rate: s.Rates[0], clients: clients})
		if err != nil {
			return err
		}
		run.Clients = clients
		keep(r, run)
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
