package gosight

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"

	pb "github.com/gosight/gosight/proto/gen/gosight"
)

// streamDelay is the longest that an event of a stream stays unconfirmed for want of others.
const streamDelay = time.Second

// Stream sends events one by one, as the published contract's SendEvents does. The agent confirms a call when it
// ends, so a Stream is a row of calls: while one waits for its answer the next is being filled, and what a broken
// call carried goes again, with the same ids. One goroutine may send while others do; memory is bounded by
// Config.StreamWindow.
type Stream struct {
	client *Client
	ctx    context.Context
	cancel context.CancelCauseFunc

	// window has a token for each event that is not confirmed; events can therefore take that many without waiting.
	window chan struct{}
	events chan *Event
	ending sync.RWMutex // held for reading while an event is put into events, for writing to close it
	ended  bool
	done   chan struct{}

	mu    sync.Mutex
	total *Status
}

// Stream starts a stream, which ends without a confirmation when ctx is cancelled.
func (c *Client) Stream(ctx context.Context) *Stream {
	ctx, cancel := context.WithCancelCause(ctx)
	s := &Stream{
		client: c, ctx: ctx, cancel: cancel, done: make(chan struct{}), total: &Status{},
		window: make(chan struct{}, c.cfg.StreamWindow), events: make(chan *Event, c.cfg.StreamWindow),
	}
	go s.run()
	return s
}

// Send takes an event, which must not be changed any more. It waits while the window is full; it fails where ctx is
// done first, and with the stream's own failure once there is one.
func (s *Stream) Send(ctx context.Context, ev *Event) error {
	if ev.SessionId == "" {
		ev.SessionId = Session(ctx)
	}
	if ev.UserId == "" {
		ev.UserId = User(ctx)
	}
	s.client.complete([]*Event{ev})
	select {
	case s.window <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.ctx.Done():
	}
	if s.ctx.Err() != nil {
		return context.Cause(s.ctx)
	}
	s.ending.RLock()
	defer s.ending.RUnlock()
	if s.ended {
		<-s.window
		return ErrClosed
	}
	s.events <- ev
	return nil
}

// Close waits until the agent has confirmed all events and returns the sum of its answers. Where ctx is done first,
// or the agent refused the stream for good, the Status says what was confirmed until then.
func (s *Stream) Close(ctx context.Context) (*Status, error) {
	s.ending.Lock()
	if s.ended {
		s.ending.Unlock()
		return nil, ErrClosed
	}
	s.ended = true
	close(s.events)
	s.ending.Unlock()

	stop := context.AfterFunc(ctx, func() { s.cancel(context.Cause(ctx)) })
	<-s.done
	stop()
	err := context.Cause(s.ctx)
	s.cancel(ErrClosed)
	return s.total, err
}

// call is one SendEvents under way, and what it carried.
type call struct {
	rpc    grpc.ClientStreamingClient[pb.Event, pb.Status]
	err    error // why rpc could not be opened
	events []*Event
}

// run fills one call after the other.
func (s *Stream) run() {
	defer close(s.done)
	var confirming sync.WaitGroup
	defer confirming.Wait()

	// Half a window each: one half is filled while the other is being confirmed.
	size := max(1, s.client.cfg.StreamWindow/2)
	late := time.NewTimer(streamDelay)
	defer late.Stop()
	var current *call
	finish := func() {
		if finished := current; finished != nil {
			confirming.Go(func() { s.confirm(finished) })
		}
		current = nil
	}
	defer finish()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-late.C:
			finish()
		case ev, more := <-s.events:
			if !more {
				return
			}
			if current == nil {
				current = s.open(size)
				late.Reset(streamDelay)
			}
			current.events = append(current.events, ev)
			if current.err == nil {
				current.err = current.rpc.Send(ev)
			}
			if current.err != nil || len(current.events) == size {
				finish()
			}
		}
	}
}

func (s *Stream) open(size int) *call {
	rpc, err := s.client.agent.SendEvents(s.client.outgoing(s.ctx))
	return &call{rpc: rpc, err: err, events: make([]*Event, 0, size)}
}

// confirm waits for a call's answer. Where the call broke, nobody knows which of its events are stored, so all go
// again, as batches.
func (s *Stream) confirm(c *call) {
	var answer *Status
	err := c.err
	if c.rpc != nil {
		// Send says only EOF where the call broke: the reason is in the answer.
		answer, err = c.rpc.CloseAndRecv()
	}
	if err == nil {
		s.settle(answer, len(c.events))
		return
	}
	if !retryable(err) {
		s.cancel(err)
		return
	}
	for events := c.events; len(events) > 0; {
		n := min(len(events), s.client.cfg.BatchEvents)
		answer, failure := s.client.deliver(s.ctx, &EventBatch{Events: events[:n:n]}, err)
		if failure != nil {
			s.cancel(failure)
			return
		}
		s.settle(answer, n)
		events, err = events[n:], nil
	}
}

// settle counts an answer and makes room in the window.
func (s *Stream) settle(answer *Status, events int) {
	s.mu.Lock()
	s.total.Accepted += answer.Accepted
	s.total.Rejected += answer.Rejected
	for reason, n := range answer.Reasons {
		if s.total.Reasons == nil {
			s.total.Reasons = make(map[string]uint64)
		}
		s.total.Reasons[reason] += n
	}
	s.mu.Unlock()
	for range events {
		<-s.window
	}
}
