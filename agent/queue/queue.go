// Package queue is the agent's durable disk queue: what Commit.Wait has acknowledged survives kill -9 and power
// loss, is delivered at least once, oldest first within a lane, and is never evicted. DESIGN.md says how and why.
package queue

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
)

const (
	// MaxValueBytes bounds one value: behind ingest nothing is larger than about 900 KiB.
	MaxValueBytes = 2 << 20

	spentSuffix  = ".spent"
	freeInterval = 100 * time.Millisecond
)

// Queue is safe for concurrent use.
type Queue struct {
	cfg   Config
	log   *slog.Logger
	m     metrics
	lanes []*lane // by priority

	lock              *os.File
	readable          chan struct{} // some lane may have something to read
	closing           chan struct{}
	closed            sync.Once
	committers, saver sync.WaitGroup

	held      holdings
	used      atomic.Int64 // bytes of all files
	free      atomic.Int64
	freeAsked atomic.Int64 // Unix ns

	// Real, except in tests that make the disk fail.
	openFile  openFunc
	freeSpace func(dir string) (int64, error)
	fail      func(point string) error
}

// Open starts the queue in cfg.Dir, with whatever an earlier run left there. It fails only where the directory
// cannot be used at all; damage is quarantined, counted and logged.
func Open(cfg Config, reg prometheus.Registerer, log *slog.Logger) (*Queue, error) {
	return open(cfg, reg, log, func(*Queue) {})
}

func open(cfg Config, reg prometheus.Registerer, log *slog.Logger, adjust func(*Queue)) (*Queue, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	q := &Queue{
		cfg: cfg, log: log, m: newMetrics(reg),
		readable: make(chan struct{}, 1), closing: make(chan struct{}), held: holdings{of: map[string]int64{}},
		openFile: os.OpenFile, freeSpace: freeSpace,
		fail: func(point string) error { return failpoint.Hit("queue/" + point) },
	}
	adjust(q)
	if err := q.takeDir(); err != nil {
		return nil, err
	}
	marks, err := loadWatermarks(cfg.Dir)
	if err != nil {
		log.Error("queue: delivery positions are lost, everything is delivered again", "error", err)
		marks = watermarks{}
	}
	for _, l := range []struct {
		id   gosight.Lane
		mark watermark
	}{{gosight.Lane_LANE_EVENTS, marks.Events}, {gosight.Lane_LANE_REPLAY, marks.Replay}} {
		lane, err := q.openLane(l.id, l.mark)
		if err != nil {
			q.lock.Close()
			return nil, err
		}
		q.lanes = append(q.lanes, lane)
	}
	q.countSpent()
	q.refreshFree(time.Now())
	q.gauges(reg)
	for _, l := range q.lanes {
		q.committers.Go(l.run)
	}
	q.saver.Go(q.save)
	signal(q.readable)
	return q, nil
}

// takeDir makes the directories and locks them against other processes.
func (q *Queue) takeDir() error {
	for _, dir := range []string{q.cfg.Dir, q.laneDir(gosight.Lane_LANE_EVENTS), q.laneDir(gosight.Lane_LANE_REPLAY),
		q.damagedDir()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create queue directory: %w (set --queue-dir, or --data-dir, to a directory that this "+
				"user may write to)", err)
		}
	}
	if err := syncDir(q.cfg.Dir); err != nil {
		return fmt.Errorf("sync queue directory: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(q.cfg.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return fmt.Errorf("lock queue directory: %w (it must be writable by this user)", err)
	}
	for deadline := time.Now().Add(q.cfg.LockTimeout); ; time.Sleep(20 * time.Millisecond) {
		err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			q.lock = lock
			return nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(deadline) {
			lock.Close()
			return fmt.Errorf("lock queue directory %s: %w (another process has it: stop the other agent, or give "+
				"this one a data directory of its own)", q.cfg.Dir, err)
		}
	}
}

func (q *Queue) laneDir(lane gosight.Lane) string { return filepath.Join(q.cfg.Dir, laneName(lane)) }
func (q *Queue) damagedDir() string               { return filepath.Join(q.cfg.Dir, "damaged") }

// Put adds a project's values to the lane's current group commit, in order and all or none; Commit.Wait tells the
// outcome. The caller must not change the values until then. Without a project they are nobody's, and have no share.
func (q *Queue) Put(lane gosight.Lane, project string, values ...[]byte) *Commit {
	l := q.lane(lane)
	if l == nil {
		return refused(fmt.Errorf("put into lane %v: no such lane", lane))
	}
	size := 0
	for _, value := range values {
		size += len(value)
		if len(value) > MaxValueBytes {
			q.m.refused.WithLabelValues(l.name, "too_large").Add(float64(len(values)))
			return refused(fmt.Errorf("value of %d bytes, limit %d: %w", len(value), MaxValueBytes, ErrTooLarge))
		}
	}
	if size > q.cfg.PendingBytes {
		q.m.refused.WithLabelValues(l.name, "too_large").Add(float64(len(values)))
		return refused(fmt.Errorf("values of %d bytes, limit %d: %w", size, q.cfg.PendingBytes, ErrTooLarge))
	}
	if reason := q.full(l, project, size); reason != "" {
		q.m.refused.WithLabelValues(l.name, string(reason)).Add(float64(len(values)))
		return refused(&FullError{Lane: lane, Reason: reason, RetryAfter: q.cfg.RetryAfter})
	}
	return l.put(project, values)
}

// full says why size more bytes cannot be taken now, or "". Replay meets both disk limits earlier than events.
func (q *Queue) full(l *lane, project string, size int) Reason {
	l.mu.Lock()
	pending, waiting := l.pendingBytes, l.waiting[project]
	l.mu.Unlock()
	limit, floor := q.cfg.MaxBytes, q.cfg.MinFreeBytes
	if l.id == gosight.Lane_LANE_REPLAY {
		limit = int64(float64(limit) * q.cfg.ReplayShare)
		floor *= 2
	}
	memory := int64(q.cfg.PendingBytes - pending)
	disk, free := limit-q.used.Load()-int64(pending), q.free.Load()-floor-int64(pending)
	switch need := int64(size); {
	case need > memory:
		return ReasonBusy
	case need > disk:
		return ReasonSize
	case need > free:
		return ReasonFreeSpace
	case project == "":
		return ""
	case q.cfg.unfair(waiting, need, memory), q.cfg.unfair(q.held.get(project)+waiting, need, min(disk, free)):
		return ReasonShare
	}
	return ""
}

func (q *Queue) lane(id gosight.Lane) *lane {
	for _, l := range q.lanes {
		if l.id == id {
			return l
		}
	}
	return nil
}

// Read returns the oldest values that nobody has, about maxBytes of one lane (at least one group of values),
// events before replay. It waits until there is something. It never deletes: give the Chunk to Done or Release.
func (q *Queue) Read(ctx context.Context, maxBytes int) (Chunk, error) {
	for {
		if q.isClosing() {
			return Chunk{}, ErrClosed
		}
		var again <-chan time.Time
		for _, l := range q.lanes {
			chunk, ok, err := l.read(maxBytes)
			if ok {
				signal(q.readable) // for the next reader: there may be more
				return chunk, nil
			}
			if err != nil {
				q.log.Error("queue: trying again", "error", err)
				again = time.After(failurePause)
			}
		}
		select {
		case <-q.readable:
		case <-again:
		case <-q.closing:
		case <-ctx.Done():
			return Chunk{}, ctx.Err()
		}
	}
}

func (q *Queue) isClosing() bool {
	select {
	case <-q.closing:
		return true
	default:
		return false
	}
}

// TryRead is Read of one lane, without waiting: false where there is nothing that nobody has. A lane that cannot be read
// now is for Read to try again.
func (q *Queue) TryRead(lane gosight.Lane, maxBytes int) (Chunk, bool) {
	l := q.lane(lane)
	if l == nil {
		return Chunk{}, false
	}
	chunk, ok, err := l.read(maxBytes)
	if err != nil {
		q.log.Error("queue: left to the next reader", "error", err)
		signal(q.readable)
	}
	return chunk, ok
}

// Done says that the chunk's values are delivered. Chunks may be done in any order; files are removed when all in
// them is done.
func (q *Queue) Done(chunk Chunk) error {
	l := q.lane(chunk.Lane)
	if l == nil {
		return ErrNotInFlight
	}
	return l.done(chunk)
}

// Release gives a chunk back: it is the next to be read again.
func (q *Queue) Release(chunk Chunk) error {
	l := q.lane(chunk.Lane)
	if l == nil {
		return ErrNotInFlight
	}
	err := l.release(chunk)
	signal(q.readable)
	return err
}

// Dir is where the queue lives.
func (q *Queue) Dir() string { return q.cfg.Dir }

// Depth returns how many values and bytes of a lane are not delivered.
func (q *Queue) Depth(lane gosight.Lane) (values, bytes int64) {
	l := q.lane(lane)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.depth.values, l.depth.bytes
}

// Close commits what was put, saves the delivery positions and releases the directory. What is in flight is
// delivered again by the next run.
func (q *Queue) Close() error {
	var errs []error
	q.closed.Do(func() {
		close(q.closing)
		for _, l := range q.lanes {
			l.mu.Lock()
			l.closed = true
			l.mu.Unlock()
			signal(l.wake)
		}
		q.committers.Wait()
		q.saver.Wait()
		for _, l := range q.lanes {
			l.readMu.Lock()
			for _, segment := range l.segments {
				errs = append(errs, segment.close())
			}
			l.readMu.Unlock()
		}
		errs = append(errs, q.lock.Close())
	})
	return errors.Join(errs...)
}

// save writes delivery positions now and then, and a last time when the queue closes.
func (q *Queue) save() {
	ticker := time.NewTicker(q.cfg.SaveInterval)
	defer ticker.Stop()
	for closing := false; !closing; {
		select {
		case now := <-ticker.C:
			q.refreshFree(now)
		case <-q.closing:
			q.committers.Wait()
			closing = true
		}
		if err := q.saveWatermarks(); err != nil {
			q.m.saves.Inc()
			q.log.Warn("queue: save delivery positions", "error", err)
		}
	}
}

func (q *Queue) saveWatermarks() error {
	var marks [2]watermark
	dirty := false
	for i, l := range q.lanes {
		l.mu.Lock()
		dirty = dirty || l.dirty
		l.dirty = false
		marks[i] = watermark{Next: l.nextSeq, Delivered: append(spans(nil), l.delivered...)}
		l.mu.Unlock()
	}
	if !dirty {
		return nil
	}
	err := saveWatermarks(q.cfg.Dir, watermarks{Events: marks[0], Replay: marks[1]})
	if err != nil {
		for _, l := range q.lanes {
			l.mu.Lock()
			l.dirty = true
			l.mu.Unlock()
		}
	}
	return err
}

// refreshFree asks the file system for its free space, at most every freeInterval.
func (q *Queue) refreshFree(now time.Time) {
	last := q.freeAsked.Load()
	if now.UnixNano()-last < int64(freeInterval) || !q.freeAsked.CompareAndSwap(last, now.UnixNano()) {
		return
	}
	free, err := q.freeSpace(q.cfg.Dir)
	if err != nil {
		q.log.Warn("queue: ask for free space", "error", err)
		return
	}
	q.free.Store(free)
}

func freeSpace(dir string) (int64, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return int64(stat.Bavail) * int64(stat.Bsize), nil
}

// countSpent adds the files that are kept for people to the queue's size: they take room like the others.
func (q *Queue) countSpent() {
	entries, err := os.ReadDir(q.damagedDir())
	if err != nil {
		q.log.Warn("queue: list damaged segments", "error", err)
	}
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && strings.HasSuffix(entry.Name(), spentSuffix) {
			q.used.Add(info.Size())
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			q.log.Warn("queue: look at damaged segment", "segment", entry.Name(), "error", err)
		}
	}
}
