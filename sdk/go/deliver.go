package gosight

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// reasonFull marks events that a busy agent did not store, beside others of the batch that it did.
const reasonFull = "queue_full"

// deliver sends batch until the agent has all of it, or refuses it for good, or ctx is done. before is the failure
// of an earlier attempt that somebody else made, whose delay is to be kept; nil for none.
func (c *Client) deliver(ctx context.Context, batch *EventBatch, before error) (*Status, error) {
	ctx = c.outgoing(ctx)
	answer, err := (*Status)(nil), before
	for attempt := 0; ; attempt++ {
		if attempt > 0 || before != nil {
			if err := c.pause(ctx, attempt, answer, err); err != nil {
				return nil, err
			}
		}
		answer, err = c.attempt(ctx, batch)
		switch {
		case err == nil && answer.Reasons[reasonFull] == 0:
			return answer, nil
		case err != nil && !retryable(err):
			return nil, fmt.Errorf("gosight: send %d events: %w", len(batch.Events), err)
		}
	}
}

func (c *Client) attempt(ctx context.Context, batch *EventBatch) (*Status, error) {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	batch.SentAt = time.Now().UnixMilli()
	return c.agent.SendBatch(ctx, batch)
}

// pause waits before the next attempt: as long as the agent asked for and up to a quarter more, so that clients it
// refused together do not come back together; else longer each time.
func (c *Client) pause(ctx context.Context, attempt int, answer *Status, err error) error {
	delay := askedDelay(answer, err)
	if delay > 0 {
		delay += rand.N(delay/4 + 1)
	} else {
		backoff := min(c.cfg.RetryMin<<min(attempt, 20), c.cfg.RetryMax)
		delay = backoff/2 + rand.N(backoff/2+1)
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		if err == nil {
			err = fmt.Errorf("agent has no room for %d events", answer.GetReasons()[reasonFull])
		}
		return fmt.Errorf("gosight: %w while waiting to send again after: %w", context.Cause(ctx), err)
	}
}

// askedDelay is the agent's own wish: in the status of a batch that it took in part, or in the error's RetryInfo.
func askedDelay(answer *Status, err error) time.Duration {
	if err == nil {
		return answer.GetRetryDelay().AsDuration()
	}
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.RetryInfo); ok {
			return info.GetRetryDelay().AsDuration()
		}
	}
	return 0
}

// retryable tells "later" from "never". RESOURCE_EXHAUSTED without a delay is gRPC's own: a message over the limit.
func retryable(err error) bool {
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Aborted, codes.Canceled:
		return true
	case codes.ResourceExhausted:
		return askedDelay(nil, err) > 0
	}
	return false
}
