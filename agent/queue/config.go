package queue

import (
	"errors"
	"fmt"
	"time"

	"github.com/gosight/gosight/internal/config"
)

// Config bounds the queue. Every limit refuses new work; none drops old work.
type Config struct {
	Dir string `help:"Directory of the queue; by default it is below the data directory."`
	// Files are counted, not values; a burst in flight may exceed it by PendingBytes.
	MaxBytes int64 `help:"Bound on the queue's files, in bytes." default:"8589934592"`
	// The queue is not alone on its disk: leave room for logs and for its own bookkeeping.
	MinFreeBytes int64 `help:"Free space that is left on the file system, in bytes." default:"536870912"`
	// Replay is the bulk and the less precious: it stops first, so that events still find room.
	ReplayShare float64 `help:"Share of max-bytes at which replay is refused." default:"0.8"`
	// One loud site must not leave the others without room; see DESIGN.md.
	ProjectShare float64 `help:"Share of the room that one project may fill while it fills the queue alone; 1 sets no bound." default:"0.7"`
	// Deleting is by file: a smaller segment frees space earlier, a larger one is created less often.
	SegmentBytes int64 `help:"Size at which a segment file is full." default:"67108864"`
	// An fsync costs about the same for 1 KiB and for 256 KiB.
	GroupBytes int           `help:"Bytes at which a group commit starts at once." default:"262144"`
	GroupDelay time.Duration `help:"Shortest time between commits of groups that are not full." default:"2ms"`
	// Memory, when the disk is slow: twice this, for there are two lanes.
	PendingBytes int           `help:"Bytes that may wait for the disk, in each lane." default:"25165824"`
	RetryAfter   time.Duration `help:"Delay that a refused client is asked for." default:"5s"`
	LockTimeout  time.Duration `help:"How long to wait for another process to leave the directory." default:"2s"`
	SaveInterval time.Duration `help:"How often delivery positions are saved." default:"1s"`
}

// Default returns the defaults of the tags above.
func Default() Config { return config.Default[Config]() }

// Validate says what is wrong with c.
func (c Config) Validate() error {
	switch {
	case c.Dir == "":
		return errors.New("queue: dir is empty")
	case c.SegmentBytes < 64<<10 || c.SegmentBytes > 1<<30:
		return fmt.Errorf("queue: segment-bytes %d is not within 64 KiB and 1 GiB", c.SegmentBytes)
	case c.MaxBytes < 4*c.SegmentBytes:
		return fmt.Errorf("queue: max-bytes %d is less than four segments of %d", c.MaxBytes, c.SegmentBytes)
	case c.ReplayShare <= 0 || c.ReplayShare > 1:
		return fmt.Errorf("queue: replay-share %g is not within 0 and 1", c.ReplayShare)
	case c.ProjectShare <= 0 || c.ProjectShare > 1:
		return fmt.Errorf("queue: project-share %g is not within 0 and 1", c.ProjectShare)
	case c.GroupBytes <= 0 || c.PendingBytes < c.GroupBytes:
		return fmt.Errorf("queue: pending-bytes %d is less than group-bytes %d", c.PendingBytes, c.GroupBytes)
	case c.SaveInterval <= 0 || c.RetryAfter <= 0:
		return errors.New("queue: save-interval and retry-after must be above zero")
	}
	return nil
}
