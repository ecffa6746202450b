package queue

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// openLane finds the segments of earlier runs. They are only read from: what is put now goes to a new one, so a
// torn end of an old file is never written after.
func (q *Queue) openLane(id gosight.Lane, mark watermark) (*lane, error) {
	l := &lane{
		queue: q, id: id, name: laneName(id), dir: q.laneDir(id), log: q.log, m: q.m.lane(laneName(id)),
		wake: make(chan struct{}, 1), inFlight: map[uint64]reference{}, waiting: map[string]int64{},
		delivered: mark.Delivered, nextSeq: max(mark.Next, 1),
	}
	if err := l.find(l.dir, ""); err != nil {
		return nil, err
	}
	if err := l.find(q.damagedDir(), l.name+"-"); err != nil {
		return nil, err
	}
	slices.SortFunc(l.segments, func(a, b *segment) int { return cmp.Compare(a.first, b.first) })
	for _, segment := range slices.Clone(l.segments) {
		if err := l.recover(segment); err != nil {
			return nil, fmt.Errorf("recover %s: %w", l.name, err)
		}
	}
	if len(l.segments) > 0 {
		l.nextRead = l.segments[0].first
	}
	return l, nil
}

// find lists the segments in dir whose names begin with prefix.
func (l *lane) find(dir, prefix string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list queue segments: %w", err)
	}
	for _, entry := range entries {
		name, ours := strings.CutPrefix(entry.Name(), prefix)
		first, ok := parseSegmentName(name)
		if !ours || !ok {
			continue
		}
		path := filepath.Join(dir, entry.Name())
		info, err := entry.Info()
		if err != nil {
			return fmt.Errorf("list queue segments: %w", err)
		}
		if info.Size() == 0 {
			// Killed while it was created: nothing can have been acknowledged from it.
			if err := os.Remove(path); err != nil {
				l.log.Warn("queue: remove empty segment", "segment", path, "error", err)
			}
			continue
		}
		l.queue.used.Add(info.Size())
		l.segments = append(l.segments, &segment{
			path: path, first: first, last: first - 1, size: info.Size(), sealed: true,
		})
	}
	return nil
}

// recover counts what the segment still has to deliver, and quarantines it if it is damaged.
func (l *lane) recover(segment *segment) error {
	last := segment.first - 1
	size, err := segment.inspect(func(key groupKey) {
		last = max(last, key.seq)
		if !l.delivered.has(key.seq) {
			l.hold(segment, key)
		}
		if l.readAt == 0 {
			l.readAt = key.at
		}
	})
	if filepath.Dir(segment.path) == l.queue.damagedDir() && err == nil {
		err = errDamaged // salvaged by an earlier run: stay with what its bytes hold
	}
	segment.last = last
	if err != nil {
		if !errors.Is(err, errDamaged) {
			return err
		}
		segment.endUnknown = true
		l.readMu.Lock()
		defer l.readMu.Unlock()
		if err := l.quarantine(segment, err); err != nil {
			return err
		}
		l.nextSeq = max(l.nextSeq, segment.last+1, segment.first+1)
		return nil
	}
	l.queue.used.Add(size - segment.size)
	segment.size = size
	l.nextSeq = max(l.nextSeq, last+1)
	if err := segment.close(); err != nil {
		l.log.Warn("queue: close segment", "segment", segment.path, "error", err)
	}
	if l.retire(segment) {
		l.drop(segment)
	}
	return nil
}
