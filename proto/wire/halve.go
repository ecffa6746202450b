package wire

import "github.com/gosight/gosight/proto/gen/gosight"

// Halve divides a batch that is too large for where it goes into two that together say the same, to be sent in this
// order: signals are said after the events that gave them. ok is false where there is only one thing in it. The
// halves share the batch's memory.
func Halve(batch *gosight.Batch) (first, second *gosight.Batch, ok bool) {
	events, signals := batch.Events, batch.Signals
	if len(events)+len(signals) < 2 {
		return nil, nil, false
	}
	first, second = likeOf(batch), likeOf(batch)
	switch n := len(events); n {
	case 0:
		first.Signals, second.Signals = signals[:len(signals)/2], signals[len(signals)/2:]
	case 1:
		first.Events, second.Signals = events, signals
	default:
		first.Events, second.Events, second.Signals = events[:n/2], events[n/2:], signals
	}
	return first, second, true
}

// likeOf is a batch of the same session and origin with nothing in it.
func likeOf(batch *gosight.Batch) *gosight.Batch {
	return &gosight.Batch{
		Project: batch.Project, SessionId: batch.SessionId, Lane: batch.Lane, UserId: batch.UserId,
		Metadata: batch.Metadata, ReceivedAt: batch.ReceivedAt, AgentId: batch.AgentId, Region: batch.Region,
		Part: batch.Part, Parts: batch.Parts,
	}
}
