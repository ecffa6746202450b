package ingest

import (
	"context"
	"errors"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/gosight/gosight/agent/gate"
	"github.com/gosight/gosight/agent/queue"
)

// Where a request carries its project key.
const (
	keyMetadata = "x-gosight-key"
	keyHeader   = "X-Gosight-Key"
	keyQuery    = "key"
)

var errNotStored = errors.New("the agent could not store the events; send them again")

// refusal is what a client is told of a request that was refused as a whole: what to do is in the code, which is
// the same number in Connect, and in when to come again (0: not at all, or whenever).
type refusal struct {
	code       codes.Code
	err        error
	retryAfter time.Duration
}

// fullness is the metrics' reason: to a client it is the same whether the queue is full, or full of its own events.
func fullness(full *queue.FullError) string {
	if full.Reason == queue.ReasonShare {
		return "queue_share"
	}
	return reasonFull
}

// refuse says how a request that failed with err is answered, and counts it.
func (p *Pipeline) refuse(err error) refusal {
	var full *queue.FullError
	var early *gate.LimitError
	switch {
	case errors.As(err, &full):
		p.metrics.refused(fullness(full))
		return refusal{codes.ResourceExhausted, err, full.RetryAfter}
	case errors.As(err, &early):
		p.metrics.refused("limited_" + early.By)
		return refusal{codes.ResourceExhausted, err, early.RetryAfter}
	case errors.Is(err, gate.ErrOrigin):
		p.metrics.refused("origin")
		return refusal{codes.PermissionDenied, err, 0}
	case errors.Is(err, gate.ErrNoKey), errors.Is(err, gate.ErrUnknownKey):
		p.metrics.refused("unauthenticated")
		return refusal{codes.Unauthenticated, err, 0}
	case errors.Is(err, gate.ErrRevokedKey):
		p.metrics.refused("revoked")
		return refusal{codes.Unauthenticated, err, 0}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		p.metrics.refused("client_gone")
		return refusal{codes.Canceled, err, 0}
	}
	p.metrics.refused("storage_failed")
	p.log.Error("events not stored", "error", err)
	return refusal{codes.Unavailable, errNotStored, 0}
}
