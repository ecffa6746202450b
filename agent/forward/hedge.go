package forward

import (
	"context"
	"fmt"
	"time"

	"connectrpc.com/connect"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// attempt is a frame on its way to one aggregator, and what came of it.
type attempt struct {
	to     *aggregator
	answer *gosight.ForwardResponse
	err    error
	took   time.Duration
}

// settled says that nobody else has to be asked: the frame was acknowledged, or will never be taken.
func (a attempt) settled() bool { return a.err == nil || a.refused() }

// refused says that the aggregator works, and that the same frame will never be taken.
func (a attempt) refused() bool {
	code := connect.CodeOf(a.err)
	return a.err != nil && connect.IsWireError(a.err) && retryAfter(a.err) == 0 &&
		(code == connect.CodeInvalidArgument || code == connect.CodeResourceExhausted)
}

// attempt sends the frame to an aggregator and, when HedgeAfter has passed without an answer, to another one as well:
// one that hangs costs that much and not its whole timeout. What both take is a repeat, which counts once. The
// attempts come back in the order in which they ended; when one of two is settled, the other is given up.
func (f *Forwarder) attempt(ctx context.Context, to *aggregator, frame []byte, batches int) []attempt {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan attempt, 2)
	begin := func(to *aggregator) {
		began := time.Now()
		answer, err := f.call(ctx, to, frame)
		if err == nil && int(answer.Batches) != batches {
			err = fmt.Errorf("%d batches acknowledged of %d", answer.Batches, batches)
		}
		ended <- attempt{to: to, answer: answer, err: err, took: time.Since(began)}
	}
	go begin(to)
	var late <-chan time.Time
	if f.cfg.HedgeAfter > 0 {
		timer := time.NewTimer(f.cfg.HedgeAfter)
		defer timer.Stop()
		late = timer.C
	}
	var all []attempt
	for running := 1; running > 0; {
		select {
		case one := <-ended:
			// Also the one that is given up is waited for: the frame's memory is still its own.
			all = append(all, one)
			running--
			if one.settled() {
				cancel()
			}
		case <-late:
			if other := f.pool.instead(to); other != nil {
				f.m.hedges.WithLabelValues(to.address).Inc()
				running++
				go begin(other)
			}
		}
	}
	return all
}

// call is one request.
func (f *Forwarder) call(ctx context.Context, to *aggregator, frame []byte) (*gosight.ForwardResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, f.cfg.Timeout)
	defer cancel()
	req := connect.NewRequest(&gosight.ForwardRequest{AgentId: f.agentID, Frame: frame})
	f.authorize(req.Header())
	answer, err := to.client.Forward(ctx, req)
	if err != nil {
		return nil, err
	}
	return answer.Msg, nil
}
