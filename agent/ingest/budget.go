package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Budget is the memory for what clients sent and the disk does not have yet, over all entrances. A request that
// finds none is refused, and told to come again; a stream is not read any further until there is some.
type Budget struct{ *semaphore.Weighted }

// NewBudget makes the one that all servers of an agent share. Any one message fits: its weight when decoded is within
// the limit of a message, and ours is less.
func NewBudget(cfg Server) *Budget {
	return &Budget{semaphore.NewWeighted(max(cfg.MaxPendingBytes, 2*int64(cfg.MaxMessageBytes)))}
}

// A client that finds no memory for its request comes again after this.
const busyDelay = time.Second

var errBusy = errors.New("too many bytes in flight: send the batch again")

// structures is about what an event holds beside its texts.
const structures = 256

// memory is about what a decoded event holds: its texts, and the structures that they hang on.
func memory(ev *gosight.Event) int64 { return int64(structures + sizeOf(ev)) }

func memoryOf(events []*gosight.Event) (total int64) {
	for _, ev := range events {
		total += memory(ev)
	}
	return total
}

// hold is what a stream has of the budget: added by whoever reads it, given back as the disk has the events, and at
// its end whatever is left, while the reader may still be about to add.
type hold struct {
	budget *Budget
	mu     sync.Mutex
	bytes  int64
	ended  bool
}

// add waits until there is room.
func (h *hold) add(ctx context.Context, n int64) error {
	if err := h.budget.Acquire(ctx, n); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended {
		h.budget.Release(n)
		return context.Canceled
	}
	h.bytes += n
	return nil
}

func (h *hold) give(n int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.bytes -= n
	h.budget.Release(n)
}

func (h *hold) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	h.budget.Release(h.bytes)
}
