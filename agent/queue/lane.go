package queue

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/gosight/gosight/internal/failpoint"
	"github.com/gosight/gosight/proto/gen/gosight"
)

// After a failed commit the disk gets this long before the next try.
const failurePause = 100 * time.Millisecond

// Commit is the group commit that a Put joined.
type Commit struct {
	done chan struct{}
	err  error
}

func newCommit() *Commit { return &Commit{done: make(chan struct{})} }

func refused(err error) *Commit {
	c := newCommit()
	c.finish(err)
	return c
}

func (c *Commit) finish(err error) {
	c.err = err
	close(c.done)
}

// Wait returns nil once the values are fsynced. Any other answer means: not stored, put them again. Where ctx ends
// first, the values may still be stored.
func (c *Commit) Wait(ctx context.Context) error {
	select {
	case <-c.done:
		return c.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pending is a group that still gathers values, or waits for the disk.
type pending struct {
	*Commit
	values [][]byte
	bytes  int
	owners owners
	// joined: must be committed in the same transaction as the group before it, for one Put filled both.
	joined bool
}

// reference is a group that a reader has.
type reference struct {
	segment *segment
	key     groupKey
}

// lane is one priority class: its own segments, its own committer, its own read position.
//
// readMu and commitMu serialise readers and commits, and are taken before mu, readMu first.
type lane struct {
	queue *Queue
	id    gosight.Lane
	name  string
	dir   string
	log   *slog.Logger
	m     laneMetrics

	wake chan struct{} // the committer has something to look at

	commitMu sync.Mutex
	active   *segment // guarded by commitMu
	buf      []byte   // guarded by commitMu

	readMu sync.Mutex

	mu           sync.Mutex
	gathering    *pending
	full         []*pending
	pendingBytes int
	waiting      map[string]int64 // of pendingBytes, by project
	closed       bool

	segments  []*segment // oldest first
	nextSeq   uint64     // of the next group to commit
	nextRead  uint64     // groups below are delivered, in flight or released
	readAt    int64      // when the last group that was read was committed, Unix ms
	inFlight  map[uint64]reference
	released  []reference // given back, oldest first
	delivered spans
	dirty     bool // delivered or nextSeq differ from what is saved
	depth     tally
}

// put adds a project's values to the gathering group.
func (l *lane) put(project string, values [][]byte) *Commit {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return refused(ErrClosed)
	}
	changed := false
	for i, value := range values {
		group := l.gathering
		if group == nil {
			group = &pending{Commit: newCommit(), joined: i > 0}
			l.gathering = group
			changed = true
		}
		group.values = append(group.values, value)
		group.bytes += len(value)
		group.owners.add(project, len(value))
		l.pendingBytes += len(value)
		if project != "" {
			l.waiting[project] += int64(len(value))
		}
		if group.bytes >= l.queue.cfg.GroupBytes || len(group.values) == maxGroupValues {
			l.full = append(l.full, group)
			l.gathering = nil
			changed = true
		}
		if i == len(values)-1 {
			if changed {
				signal(l.wake)
			}
			return group.Commit
		}
	}
	return refused(nil)
}

// run commits groups until the lane is closed and empty: a full one at once, one that is not full when
// GroupDelay has passed since the commit before it began. So a lonely Put does not wait, and under load small
// groups make at most one commit in GroupDelay.
func (l *lane) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	earliest := time.Time{}
	for {
		groups, wait, closed := l.take(time.Until(earliest))
		switch {
		case groups != nil:
			earliest = time.Now().Add(l.queue.cfg.GroupDelay)
			if err := l.commit(groups); err != nil {
				timer.Reset(failurePause)
				select {
				case <-timer.C:
				case <-l.queue.closing:
				}
			}
		case closed:
			return
		case wait > 0:
			timer.Reset(wait)
			select {
			case <-l.wake:
			case <-timer.C:
			}
		default:
			<-l.wake
		}
	}
}

// take returns the groups of the next transaction, or how long to wait for one; 0 means until woken.
func (l *lane) take(wait time.Duration) (groups []*pending, _ time.Duration, closed bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case len(l.full) > 0:
		n := 1
		for n < len(l.full) && l.full[n].joined {
			n++
		}
		groups = slices.Clone(l.full[:n])
		l.full = slices.Delete(l.full, 0, n)
		if len(l.full) == 0 && l.gathering != nil && l.gathering.joined {
			groups = append(groups, l.gathering)
			l.gathering = nil
		}
	case l.gathering != nil && (wait <= 0 || l.closed):
		groups = []*pending{l.gathering}
		l.gathering = nil
	case l.gathering != nil:
		return nil, wait, l.closed
	}
	return groups, 0, l.closed
}

func (l *lane) commit(groups []*pending) error {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	began := time.Now()
	bytes, values := 0, 0
	for _, group := range groups {
		bytes += group.bytes
		values += len(group.values)
	}
	// What it would be like to acknowledge before the fsync: ops/chaos must notice.
	early := failpoint.On("queue/ack-early")
	if early {
		tell(groups, nil)
	}
	err := l.write(groups, began)
	l.mu.Lock()
	l.pendingBytes -= bytes
	for _, group := range groups {
		for _, one := range group.owners {
			if l.waiting[one.project] -= int64(one.bytes); l.waiting[one.project] == 0 {
				delete(l.waiting, one.project)
			}
		}
	}
	l.mu.Unlock()
	if err != nil {
		l.m.failed.Add(float64(values))
		l.log.Error("queue: commit failed", "lane", l.name, "values", values, "error", err)
	} else {
		l.m.commit.Observe(time.Since(began).Seconds())
		l.m.bytes.Add(float64(bytes))
		l.m.values.Add(float64(values))
		signal(l.queue.readable)
	}
	if !early {
		_ = failpoint.Hit("queue/ack")
		tell(groups, err)
	}
	l.queue.refreshFree(began)
	return err
}

// tell gives the outcome to all who wait for these groups.
func tell(groups []*pending, err error) {
	for _, group := range groups {
		group.finish(err)
	}
}

// write makes groups durable. commitMu is held.
func (l *lane) write(groups []*pending, now time.Time) error {
	l.mu.Lock()
	first := l.nextSeq
	l.mu.Unlock()
	if l.active == nil {
		segment, err := createSegment(l.dir, first, l.queue.cfg.SegmentBytes, l.queue.openFile)
		if err != nil {
			return err
		}
		l.active = segment
		l.mu.Lock()
		l.segments = append(l.segments, segment)
		l.mu.Unlock()
	}

	size := 0
	for _, group := range groups {
		size += groupSize(len(group.values), group.bytes)
	}
	if cap(l.buf) < size {
		l.buf = make([]byte, 0, size)
	}
	buf, keys, encoded := l.buf[:0], make([]groupKey, len(groups)), make([][]byte, len(groups))
	for i, group := range groups {
		start := len(buf)
		keys[i] = groupKey{
			seq: first + uint64(i), at: now.UnixMilli(), bytes: group.bytes, values: len(group.values),
			owners: group.owners.encode(),
		}
		buf = appendGroup(buf, keys[i].seq, keys[i].at, group.values)
		encoded[i] = buf[start:]
	}
	if cap(l.buf) > 4*l.queue.cfg.GroupBytes {
		l.buf = nil // one very large Put must not keep its memory for ever
	}

	segment, end := l.active, first+uint64(len(groups))
	err := l.queue.fail("write")
	if err == nil {
		size, appendErr := segment.append(keys, encoded)
		err = errors.Join(appendErr, l.queue.fail("fsync"))
		if err == nil {
			l.committed(segment, keys, size)
			if size >= l.queue.cfg.SegmentBytes {
				l.seal(segment)
			}
			return nil
		}
	}
	// What a failed fsync leaves on disk is unknown, and trying again on the same file can report success for
	// pages that the kernel has dropped. The groups are void: never delivered from here, even if they are there.
	l.mu.Lock()
	l.nextSeq = end
	l.delivered.add(first, end)
	l.dirty = true
	l.mu.Unlock()
	l.m.sealed.Inc()
	l.seal(segment)
	return fmt.Errorf("%w: %w", ErrSealed, err)
}

func (l *lane) committed(segment *segment, keys []groupKey, size int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, key := range keys {
		l.hold(segment, key)
	}
	if l.nextRead == keys[0].seq {
		l.readAt = keys[0].at // nothing else is unread
	}
	segment.last = keys[len(keys)-1].seq
	l.nextSeq = segment.last + 1
	l.queue.used.Add(size - segment.size)
	segment.size = size
}

// seal ends writing to the active segment. commitMu is held.
func (l *lane) seal(segment *segment) {
	l.active = nil
	if err := segment.close(); err != nil {
		l.log.Warn("queue: close segment", "segment", segment.path, "error", err)
	}
	l.mu.Lock()
	segment.sealed = true
	gone := l.retire(segment)
	l.mu.Unlock()
	if gone {
		l.drop(segment)
	}
}

// retire takes the segment out of the list if all of it is delivered; then the caller must drop it. mu is held.
func (l *lane) retire(segment *segment) bool {
	if !segment.sealed || segment.left.groups > 0 {
		return false
	}
	i := slices.Index(l.segments, segment)
	if i < 0 {
		return false
	}
	l.segments = slices.Delete(l.segments, i, i+1)
	l.forget(segment)
	floor := l.nextSeq
	if len(l.segments) > 0 {
		floor = l.segments[0].first
	}
	l.delivered.add(0, floor)
	l.dirty = true
	return true
}

// drop removes the file of a segment that is delivered; a damaged one is kept for people to look at.
func (l *lane) drop(segment *segment) {
	if err := segment.close(); err != nil {
		l.log.Warn("queue: close segment", "segment", segment.path, "error", err)
	}
	var err error
	if segment.damaged {
		target := filepath.Join(l.queue.damagedDir(), filepath.Base(segment.path)+spentSuffix)
		if filepath.Dir(segment.path) != l.queue.damagedDir() {
			target = filepath.Join(l.queue.damagedDir(), l.name+"-"+filepath.Base(segment.path)+spentSuffix)
		}
		err = os.Rename(segment.path, target)
	} else if err = os.Remove(segment.path); err == nil {
		l.queue.used.Add(-segment.size)
	}
	if err != nil {
		l.log.Error("queue: remove delivered segment", "segment", segment.path, "error", err)
	}
}

func (l *lane) isDelivered(seq uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delivered.has(seq)
}

// oldest returns when the oldest undelivered group was committed, Unix milliseconds; 0 if there is none.
func (l *lane) oldest() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.depth.groups == 0 {
		return 0
	}
	oldest := l.readAt
	for _, ref := range l.inFlight {
		oldest = min(oldest, ref.key.at)
	}
	for _, ref := range l.released {
		oldest = min(oldest, ref.key.at)
	}
	return oldest
}

func bySeq(a, b reference) int { return cmp.Compare(a.key.seq, b.key.seq) }

// signal wakes one receiver of a channel of capacity one, now or when it next looks.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
