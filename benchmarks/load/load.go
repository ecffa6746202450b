// Package load sends traffic at a constant rate, however fast the answers come, and measures each answer from the
// moment at which its batch was due: a system that stalls is charged for all that had to wait, not only for what was
// under way (no coordinated omission).
package load

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Source makes the batches of one worker. at is when the batch was due, Unix milliseconds.
type Source interface {
	Next(at int64) *gosight.EventBatch
}

// Sender delivers a batch, with whatever retries that takes, and returns the agent's answer. A failure means that
// nobody knows what became of the batch.
type Sender interface {
	SendBatch(ctx context.Context, batch *gosight.EventBatch) (*gosight.Status, error)
}

// Plan is one measurement.
type Plan struct {
	// Rate is events a second; Batch is the mean size of a source's batches.
	Rate  float64
	Batch int
	// Duration is how long batches fall due.
	Duration time.Duration
	// Patience is how long after that late batches are still sent; what is left then counts as Unsent.
	Patience time.Duration
	// Workers are the batches that can be under way at a time. Each has a source and a sender of its own.
	Workers int
	Source  func(worker int) Source
	Sender  func(worker int) Sender
}

// Second is what was acked within one second.
type Second struct {
	At     float64 `json:"at_s"`
	Events int64   `json:"events"`
	P50MS  float64 `json:"ack_p50_ms"`
	P99MS  float64 `json:"ack_p99_ms"`
}

// Progress is where a measurement stands. Its methods may be called while Run works.
type Progress struct {
	begun time.Time

	acked, rejected, unknown, late atomic.Int64

	mu      sync.Mutex
	total   *hdrhistogram.Histogram
	seconds []*hdrhistogram.Histogram
	errors  map[string]int
}

// Microseconds from one to two minutes, three digits exact.
const lowest, highest, digits = 1, 120_000_000, 3

// NewProgress is for one Run.
func NewProgress() *Progress {
	return &Progress{total: hdrhistogram.New(lowest, highest, digits), errors: make(map[string]int)}
}

// Acked is the number of events that are on the agent's disk.
func (p *Progress) Acked() int64 { return p.acked.Load() }

// Rejected is the number of events that the agent refused for good.
func (p *Progress) Rejected() int64 { return p.rejected.Load() }

// Unknown is the number of events whose fate no answer tells.
func (p *Progress) Unknown() int64 { return p.unknown.Load() }

// Unsent is the number of batches that fell due and were given up before they were sent.
func (p *Progress) Unsent() int64 { return p.late.Load() }

// Latency is a quantile (0 to 1) of the time from due to acked, over all events.
func (p *Progress) Latency(quantile float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.total.ValueAtQuantile(quantile*100)) * time.Microsecond
}

// Errors are the distinct failures and how often each came.
func (p *Progress) Errors() map[string]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errors
}

// Seconds is the measurement second by second.
func (p *Progress) Seconds() []Second {
	p.mu.Lock()
	defer p.mu.Unlock()
	seconds := make([]Second, len(p.seconds))
	for i, h := range p.seconds {
		seconds[i] = Second{At: float64(i), Events: h.TotalCount(),
			P50MS: float64(h.ValueAtQuantile(50)) / 1000, P99MS: float64(h.ValueAtQuantile(99)) / 1000}
	}
	return seconds
}

func (p *Progress) record(due, now time.Time, answer *gosight.Status) {
	p.acked.Add(int64(answer.Accepted))
	p.rejected.Add(int64(answer.Rejected))
	micros := min(max(now.Sub(due).Microseconds(), lowest), highest)
	second := int(now.Sub(p.begun) / time.Second)
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.seconds) <= second {
		p.seconds = append(p.seconds, hdrhistogram.New(lowest, highest, 2))
	}
	// Within range by construction, so recording cannot fail.
	_ = p.total.RecordValues(micros, int64(answer.Accepted))
	_ = p.seconds[second].RecordValues(micros, int64(answer.Accepted))
}

func (p *Progress) fail(events int, err error) {
	p.unknown.Add(int64(events))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.errors[err.Error()]++
}

// Run carries out a plan. It returns when every batch is answered, or given up, or ctx is done.
func Run(ctx context.Context, plan Plan, progress *Progress) error {
	if plan.Rate <= 0 || plan.Batch <= 0 || plan.Workers <= 0 || plan.Duration <= 0 {
		return fmt.Errorf("plan has rate %v, batch %d, %d workers, %v: all must be above 0",
			plan.Rate, plan.Batch, plan.Workers, plan.Duration)
	}
	due := make(chan time.Time, 1<<16)
	progress.begun = time.Now()
	giveUp := progress.begun.Add(plan.Duration + plan.Patience)
	var workers sync.WaitGroup
	for worker := range plan.Workers {
		workers.Go(func() {
			source, sender := plan.Source(worker), plan.Sender(worker)
			for at := range due {
				if time.Now().After(giveUp) || ctx.Err() != nil {
					progress.late.Add(1)
					continue
				}
				batch := source.Next(at.UnixMilli())
				answer, err := sender.SendBatch(ctx, batch)
				if err != nil {
					progress.fail(len(batch.Events), err)
					continue
				}
				progress.record(at, time.Now(), answer)
			}
		})
	}
	pace(ctx, plan, progress.begun, due)
	close(due)
	workers.Wait()
	return ctx.Err()
}

// pace says when each batch falls due. It sleeps in the kernel, since the runtime's timers are a millisecond late on
// an idle machine, which would be charged to the system.
func pace(ctx context.Context, plan Plan, begun time.Time, due chan<- time.Time) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	interval := float64(plan.Batch) / plan.Rate * float64(time.Second)
	for n := 0; ctx.Err() == nil; n++ {
		offset := time.Duration(float64(n) * interval)
		if offset >= plan.Duration {
			return
		}
		at := begun.Add(offset)
		if wait := time.Until(at); wait > 0 {
			rest := unix.NsecToTimespec(wait.Nanoseconds())
			for unix.Nanosleep(&rest, &rest) == unix.EINTR {
				continue
			}
		}
		due <- at
	}
}
