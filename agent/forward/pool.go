package forward

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/gosight/gosight/proto/gen/gosight/gosightconnect"
)

// aggregator is one that frames can go to. All but the first three fields are guarded by pool.mu.
type aggregator struct {
	address string
	link    *link
	client  gosightconnect.RelayClient

	target   target // what was last said of it
	inFlight int
	backoff  *backoff.ExponentialBackOff
	notUntil time.Time // it failed: not used before
	drained  time.Time // it is shutting down: until then used only where there is no other
	gone     bool      // no longer configured
}

// target is an aggregator as configuration or the fleet names it.
type target struct {
	address  string
	load     int // percent
	draining bool
}

// pool chooses among aggregators: those that work and stay, and of those the one with the fewest frames in flight for
// what it has free.
type pool struct {
	connect func(address string) *aggregator

	mu      sync.Mutex
	members []*aggregator
	changed chan struct{} // closed, and replaced, when members changes
}

func newPool(connect func(address string) *aggregator) *pool {
	return &pool{connect: connect, changed: make(chan struct{})}
}

// set makes targets the members; those that stay keep their connections and their state.
func (p *pool) set(targets []target) {
	p.mu.Lock()
	defer p.mu.Unlock()
	members := make([]*aggregator, 0, len(targets))
	for _, t := range targets {
		same := func(a *aggregator) bool { return a.address == t.address }
		i := slices.IndexFunc(members, same)
		if i < 0 {
			i = len(members)
			if known := slices.IndexFunc(p.members, same); known >= 0 {
				members = append(members, p.members[known])
			} else {
				members = append(members, p.connect(t.address))
			}
		}
		members[i].target = t // of one that is configured too, the fleet knows more
	}
	for _, old := range p.members {
		if !slices.Contains(members, old) {
			old.gone = true
			if old.inFlight == 0 {
				old.link.close()
			}
		}
	}
	p.members = members
	close(p.changed)
	p.changed = make(chan struct{})
}

// acquire returns an aggregator for one frame, waiting until there is one to try. Give it back with release.
func (p *pool) acquire(ctx context.Context) (*aggregator, error) {
	for {
		p.mu.Lock()
		best, wait := choose(p.members, time.Now())
		if best != nil {
			best.inFlight++
			p.mu.Unlock()
			return best, nil
		}
		changed := p.changed
		p.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
			timer.Stop()
			return nil, fmt.Errorf("wait for an aggregator: %w", ctx.Err())
		}
		timer.Stop()
	}
}

// instead returns another aggregator than one that is slow, or nil where there is none that works and stays. Give it
// back with release.
func (p *pool) instead(of *aggregator) *aggregator {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	others := slices.DeleteFunc(slices.Clone(p.members), func(a *aggregator) bool { return a == of || a.leaving(now) })
	best, _ := choose(others, now)
	if best != nil {
		best.inFlight++
	}
	return best
}

// choose returns the best member at this time, or how long until one may be tried.
func choose(members []*aggregator, now time.Time) (best *aggregator, wait time.Duration) {
	wait = time.Minute
	ties := 0
	for _, a := range members {
		if until := a.notUntil.Sub(now); until > 0 {
			wait = min(wait, until)
			continue
		}
		switch {
		case best == nil || a.before(best, now):
			best, ties = a, 1
		case !best.before(a, now):
			// As good: chance decides, so that agents which start together do not all take the first.
			if ties++; rand.IntN(ties) == 0 {
				best = a
			}
		}
	}
	return best, wait
}

func (a *aggregator) before(b *aggregator, now time.Time) bool {
	if mine, other := a.leaving(now), b.leaving(now); mine != other {
		return other
	}
	return a.cost() < b.cost()
}

func (a *aggregator) leaving(now time.Time) bool { return a.target.draining || a.drained.After(now) }

// cost of one frame more: of two with as many of ours in flight, the one with twice as much free is half as dear.
func (a *aggregator) cost() float64 { return float64(a.inFlight+1) / float64(110-a.target.load) }

// outcome is what became of a frame, for the choice of where the next one goes.
type outcome struct {
	failed     bool
	silent     bool          // it was no frame, and tells nothing of how frames fare
	retryAfter time.Duration // what it asked for
	draining   time.Duration // how long to avoid it
}

// release gives a back. It returns the pause before a is tried again, if this outcome brought a new one.
func (p *pool) release(a *aggregator, o outcome) (pause time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	a.inFlight--
	switch {
	case o.silent:
	case o.failed && now.Before(a.notUntil):
		// Frames that were in flight together fail together: that is one failure.
	case o.failed:
		pause = max(a.backoff.NextBackOff(), o.retryAfter)
		a.notUntil = now.Add(pause)
	default:
		a.backoff.Reset()
		a.notUntil = time.Time{}
	}
	if o.draining > 0 {
		a.drained = now.Add(o.draining)
	}
	if a.gone && a.inFlight == 0 {
		a.link.close()
	}
	return pause
}
