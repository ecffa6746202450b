package gosight

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"sync"
	"time"
)

// Stats counts buffered events.
type Stats struct {
	// Acked events are on an agent's disk.
	Acked uint64
	// Rejected events were refused by the agent, each for a reason of its own (Status.reasons).
	Rejected map[string]uint64
	// Failed events were in batches that were refused as a whole, or were not yet sent when Close's context ended.
	Failed uint64
	// Full counts the events that found no room in the buffer.
	Full uint64
	// Buffered events wait, or are under way.
	Buffered int
}

// buffer gathers events into batches and sends them, a few at a time. All of its fields are behind mu.
type buffer struct {
	client *Client
	cfg    Config
	shared map[string]string

	mu      sync.Mutex
	closed  bool
	waiting []*Event // not yet in a batch
	bytes   int      // of waiting and of those under way
	count   Stats
	// drained is closed and renewed each time the buffer becomes empty.
	drained chan struct{}

	wake   chan struct{} // holds a token while waiting may have become a full batch
	urgent chan struct{} // holds a token while somebody flushes
	slots  chan struct{} // a token for each batch under way
	stop   context.CancelFunc
	done   chan struct{}
}

func newBuffer(cfg Config, c *Client) *buffer {
	ctx, stop := context.WithCancel(context.Background())
	shared := map[string]string{"sdk": "go", "sdk_version": Version}
	maps.Copy(shared, cfg.Metadata)
	b := &buffer{
		client: c, cfg: cfg, shared: shared, stop: stop, drained: make(chan struct{}),
		wake: make(chan struct{}, 1), urgent: make(chan struct{}, 1),
		slots: make(chan struct{}, cfg.InFlight), done: make(chan struct{}),
	}
	go b.run(ctx)
	return b
}

// Enqueue buffers an event, which must not be changed any more. It never waits: it fails with [ErrFull] where there
// is no room, and with [ErrClosed] after Close. Session and user come from ctx where the event has none.
func (c *Client) Enqueue(ctx context.Context, ev *Event) error {
	if ev.SessionId == "" {
		ev.SessionId = Session(ctx)
	}
	if ev.UserId == "" {
		ev.UserId = User(ctx)
	}
	if ev.SessionId == "" || ev.EventType == "" {
		return fmt.Errorf("gosight: event needs a session (see WithSession) and a type, has %q and %q", ev.SessionId, ev.EventType)
	}
	c.complete([]*Event{ev})
	return c.buffer.add(ev)
}

// Track buffers an event of the program's own; props is its JSON object, or nil.
func (c *Client) Track(ctx context.Context, name string, props any) error {
	return c.enqueueJSON(ctx, "custom", struct {
		Name  string `json:"name"`
		Props any    `json:"props,omitempty"`
	}{name, props})
}

// Identify buffers who the session's user is; traits is a JSON object, or nil.
func (c *Client) Identify(ctx context.Context, userID string, traits any) error {
	return c.enqueueJSON(WithUser(ctx, userID), "identify", struct {
		Traits any `json:"traits,omitempty"`
	}{traits})
}

func (c *Client) enqueueJSON(ctx context.Context, eventType string, payload any) error {
	text, err := json.Marshal(payload)
	if err != nil {
		return fmt.Errorf("gosight: encode payload of %s: %w", eventType, err)
	}
	return c.Enqueue(ctx, &Event{EventType: eventType, Payload: string(text)})
}

// weight is about what an event costs in memory.
func weight(ev *Event) int {
	const fixed = 256
	return fixed + len(ev.Payload) + 64*len(ev.Metadata)
}

func (b *buffer) add(ev *Event) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.closed:
		return ErrClosed
	case b.count.Buffered >= b.cfg.BufferEvents || b.bytes+weight(ev) > b.cfg.BufferBytes:
		b.count.Full++
		return ErrFull
	}
	b.waiting = append(b.waiting, ev)
	b.bytes += weight(ev)
	b.count.Buffered++
	if len(b.waiting) == 1 || len(b.waiting) >= b.cfg.BatchEvents {
		signal(b.wake)
	}
	return nil
}

func signal(token chan struct{}) {
	select {
	case token <- struct{}{}:
	default:
	}
}

// run makes batches until ctx is cancelled: a full one at once, any after BatchDelay.
func (b *buffer) run(ctx context.Context) {
	defer close(b.done)
	var sending sync.WaitGroup
	defer sending.Wait()
	for {
		select {
		case <-ctx.Done():
			return
		case <-b.wake:
		}
		if !b.full() {
			timer := time.NewTimer(b.cfg.BatchDelay)
			b.gather(ctx, timer.C)
			timer.Stop()
		}
		for first := true; first || b.full(); first = false {
			select {
			case b.slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			batch, bytes := b.take()
			sending.Go(func() {
				b.send(ctx, batch, bytes)
				<-b.slots
			})
		}
		if b.any() {
			signal(b.wake)
		}
	}
}

// gather returns when a batch is full, its time is up, or somebody flushes.
func (b *buffer) gather(ctx context.Context, late <-chan time.Time) {
	for !b.full() {
		select {
		case <-b.wake:
		case <-b.urgent:
			return
		case <-late:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (b *buffer) full() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) >= b.cfg.BatchEvents
}

func (b *buffer) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.waiting) > 0
}

// take cuts a batch off what waits. Its events' weight stays counted until the agent has answered.
func (b *buffer) take() (*EventBatch, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, bytes := 0, 0
	for n < min(len(b.waiting), b.cfg.BatchEvents) && (n == 0 || bytes+weight(b.waiting[n]) <= b.cfg.BatchBytes) {
		bytes += weight(b.waiting[n])
		n++
	}
	batch := &EventBatch{Metadata: b.shared, Events: b.waiting[:n:n]}
	if b.waiting = b.waiting[n:]; len(b.waiting) == 0 {
		b.waiting = nil
	}
	return batch, bytes
}

func (b *buffer) send(ctx context.Context, batch *EventBatch, bytes int) {
	events := len(batch.Events)
	if events == 0 {
		return
	}
	answer, err := b.client.deliver(ctx, batch, nil)
	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		b.count.Failed += uint64(events)
		b.client.log.Error("gosight: events given up", "events", events, "error", err)
	} else {
		b.count.Acked += answer.Accepted
		for reason, n := range answer.Reasons {
			if b.count.Rejected == nil {
				b.count.Rejected = make(map[string]uint64)
			}
			b.count.Rejected[reason] += n
		}
	}
	b.bytes -= bytes
	if b.count.Buffered -= events; b.count.Buffered == 0 {
		close(b.drained)
		b.drained = make(chan struct{})
	}
}

func (b *buffer) flush(ctx context.Context) error {
	b.mu.Lock()
	buffered, drained := b.count.Buffered, b.drained
	b.mu.Unlock()
	if buffered == 0 {
		return nil
	}
	signal(b.urgent)
	select {
	case <-drained:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("gosight: %w with %d events unsent", context.Cause(ctx), b.stats().Buffered)
	}
}

func (b *buffer) close(ctx context.Context) error {
	b.mu.Lock()
	if b.closed {
		b.mu.Unlock()
		return ErrClosed
	}
	b.closed = true
	b.mu.Unlock()
	err := b.flush(ctx)
	b.stop()
	<-b.done
	b.mu.Lock()
	defer b.mu.Unlock()
	b.count.Failed += uint64(len(b.waiting))
	b.count.Buffered -= len(b.waiting)
	b.waiting = nil
	return err
}

func (b *buffer) stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	count := b.count
	count.Rejected = maps.Clone(b.count.Rejected)
	return count
}
