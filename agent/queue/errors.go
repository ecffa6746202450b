package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/gosight/gosight/proto/gen/gosight"
)

var (
	// ErrClosed means that the queue was closed before the values could be committed.
	ErrClosed = errors.New("queue is closed")
	// ErrSealed means that a write or fsync failed: the values may or may not be on disk, and must be taken as
	// not stored. Its segment takes nothing more; putting the same values again goes to a new one.
	ErrSealed = errors.New("commit failed and its segment is sealed")
	// ErrTooLarge means that these values can never be put.
	ErrTooLarge = errors.New("larger than the queue takes")
	// ErrNotInFlight means that a Chunk was done or released twice, or is from another queue.
	ErrNotInFlight = errors.New("chunk is not in flight")

	errDamaged = errors.New("damaged")
)

// Reason says what is full.
type Reason string

// Why the queue refuses work that it could take later.
const (
	// ReasonSize is the bound on the queue's files.
	ReasonSize Reason = "size"
	// ReasonFreeSpace is the floor of free space on the queue's file system.
	ReasonFreeSpace Reason = "free_space"
	// ReasonBusy is the bound on memory for values that wait for the disk.
	ReasonBusy Reason = "busy"
	// ReasonShare is the project's share of the room: others still find some.
	ReasonShare Reason = "share"
)

// FullError refuses values for now: nothing of them is stored.
type FullError struct {
	Lane       gosight.Lane
	Reason     Reason
	RetryAfter time.Duration
}

func (e *FullError) Error() string {
	if e.Reason == ReasonShare {
		return fmt.Sprintf("this project has its share of the queue for %s, try again in %s", laneName(e.Lane), e.RetryAfter)
	}
	return fmt.Sprintf("queue is full (%s) for %s, try again in %s", e.Reason, laneName(e.Lane), e.RetryAfter)
}

func laneName(lane gosight.Lane) string {
	switch lane {
	case gosight.Lane_LANE_EVENTS:
		return "events"
	case gosight.Lane_LANE_REPLAY:
		return "replay"
	}
	return "unspecified"
}
