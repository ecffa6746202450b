package scenario

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosight/gosight/benchmarks/report"
	"github.com/gosight/gosight/benchmarks/target"
	gosight "github.com/gosight/gosight/sdk/go"
)

// How often a probe is sent, and how often ClickHouse is asked for those that are not seen yet: the lag is known to
// so many milliseconds, and asking costs little beside the load.
const (
	probeEvery = 500 * time.Millisecond
	lookEvery  = 50 * time.Millisecond
)

// prober measures the time from the sending of an event until a query finds it, beside the load.
type prober struct {
	system  *target.System
	client  *gosight.Client
	session string

	acked, unknown atomic.Int64
	sent           chan struct{} // closed when the last probe is answered

	mu      sync.Mutex
	waiting map[string]time.Time
	seen    []time.Duration
}

func newProber(system *target.System, client *gosight.Client, session string) *prober {
	return &prober{system: system, client: client, session: session, sent: make(chan struct{}), waiting: make(map[string]time.Time)}
}

// run sends probes for duration and looks for them until ctx ends.
func (p *prober) run(ctx context.Context, duration time.Duration) {
	var sending sync.WaitGroup
	sending.Go(func() {
		defer close(p.sent)
		tick := time.NewTicker(probeEvery)
		defer tick.Stop()
		for n, end := 0, time.Now().Add(duration); time.Now().Before(end) && ctx.Err() == nil; n++ {
			p.send(ctx, fmt.Sprint("probe-", n))
			<-tick.C
		}
	})
	for ctx.Err() == nil {
		p.look(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(lookEvery):
		}
	}
	sending.Wait()
}

func (p *prober) send(ctx context.Context, id string) {
	start := time.Now()
	p.mu.Lock()
	p.waiting[id] = start
	p.mu.Unlock()
	answer, err := p.client.SendBatch(ctx, &gosight.EventBatch{SessionId: p.session, Events: []*gosight.Event{
		{EventId: id, EventType: "custom", Timestamp: start.UnixMilli(), Payload: `{"name":"probe"}`},
	}})
	if err != nil || answer.Accepted != 1 {
		p.unknown.Add(1)
		p.mu.Lock()
		delete(p.waiting, id)
		p.mu.Unlock()
		return
	}
	p.acked.Add(1)
}

// report waits for the last probe's answer and adds the probes to the run's events. There may be no prober.
func (p *prober) report(run *report.Run) {
	if p != nil {
		<-p.sent
		run.Acked += p.acked.Load()
		run.Unknown += p.unknown.Load()
	}
}

// missing is how many probes no query found, after a last look.
func (p *prober) missing(ctx context.Context) int {
	p.look(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.waiting)
}

func (p *prober) look(ctx context.Context) {
	p.mu.Lock()
	ids := make([]string, 0, len(p.waiting))
	for id := range p.waiting {
		ids = append(ids, id)
	}
	p.mu.Unlock()
	if len(ids) == 0 {
		return
	}
	found, err := p.system.Visible(ctx, p.session, ids)
	if err != nil {
		return // asked again in a moment; probes that stay unseen fail the run
	}
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, id := range found {
		if sent, ok := p.waiting[id]; ok {
			p.seen = append(p.seen, now.Sub(sent))
			delete(p.waiting, id)
		}
	}
}
