package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// Chunk is a run of values of one lane, oldest first, that a reader has until it calls Done or Release. The
// values are the reader's own.
type Chunk struct {
	Lane   gosight.Lane
	Values [][]byte
	// Bytes is the size of the values together.
	Bytes int

	groups []uint64
}

// read returns a chunk of about maxBytes, and ok = false if there is nothing to read. An error says nothing about
// the files (no descriptors are left, for instance): reading may be tried again.
func (l *lane) read(maxBytes int) (chunk Chunk, ok bool, err error) {
	l.readMu.Lock()
	defer l.readMu.Unlock()
	for {
		segment, from, upTo := l.unread()
		if segment == nil || l.queue.isClosing() {
			return Chunk{}, false, nil
		}
		found, covered, err := segment.scan(from, upTo, maxBytes, l.isDelivered)
		if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
			err = l.quarantine(segment, err)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return Chunk{}, false, fmt.Errorf("read %s: %w", l.name, err)
		}
		if chunk, ok := l.lend(segment, found, from, covered); ok {
			return chunk, true, nil
		}
	}
}

// unread returns the next groups to read: what was given back first.
func (l *lane) unread() (in *segment, from, upTo uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.released) > 0 {
		first := l.released[0]
		upTo = first.key.seq
		for _, ref := range l.released[1:] {
			if ref.segment != first.segment || ref.key.seq != upTo+1 {
				break
			}
			upTo++
		}
		return first.segment, first.key.seq, upTo
	}
	for _, segment := range l.segments {
		if segment.last >= l.nextRead && segment.last >= segment.first {
			return segment, max(l.nextRead, segment.first), segment.last
		}
	}
	return nil, 0, 0
}

// lend records that groups from..covered were read, and hands out what was found of them.
func (l *lane) lend(segment *segment, found []storedGroup, from, covered uint64) (chunk Chunk, ok bool) {
	l.mu.Lock()
	l.released = slices.DeleteFunc(l.released, func(r reference) bool {
		return r.key.seq >= from && r.key.seq <= covered
	})
	readOn := covered >= l.nextRead
	l.nextRead = max(l.nextRead, covered+1)
	exhausted := readOn && segment.sealed && covered >= segment.last

	chunk.Lane = l.id
	bad, gone := 0, false
	for _, group := range found {
		ref := reference{segment, group.groupKey}
		if readOn {
			l.readAt = group.at
		}
		if group.bad > 0 {
			bad += group.bad
			segment.damaged = true
		}
		if len(group.whole) == 0 {
			gone = l.finish(ref) || gone
			continue
		}
		l.inFlight[group.seq] = ref
		chunk.groups = append(chunk.groups, group.seq)
		chunk.Bytes += group.bytes
		chunk.Values = append(chunk.Values, group.whole...)
	}
	l.mu.Unlock()

	if bad > 0 {
		l.m.lostChecksum.Add(float64(bad))
		l.log.Error("queue: values lost, their checksum differs", "lane", l.name, "segment", segment.path,
			"values", bad)
	}
	switch {
	case gone:
		l.drop(segment)
	case exhausted:
		if err := segment.close(); err != nil {
			l.log.Warn("queue: close segment", "segment", segment.path, "error", err)
		}
	}
	return chunk, len(chunk.groups) > 0
}

// finish counts a group as delivered and returns true if its segment must be dropped. mu is held.
func (l *lane) finish(ref reference) bool {
	l.delivered.add(ref.key.seq, ref.key.seq+1)
	l.dirty = true
	l.letGo(ref.segment, ref.key)
	return l.retire(ref.segment)
}

func (l *lane) done(chunk Chunk) error {
	var gone []*segment
	l.mu.Lock()
	if !l.lent(chunk) {
		l.mu.Unlock()
		return ErrNotInFlight
	}
	for _, seq := range chunk.groups {
		ref := l.inFlight[seq]
		delete(l.inFlight, seq)
		if l.finish(ref) {
			gone = append(gone, ref.segment)
		}
	}
	l.mu.Unlock()
	l.m.delivered.Add(float64(len(chunk.Values)))
	for _, segment := range gone {
		l.drop(segment)
	}
	return nil
}

func (l *lane) release(chunk Chunk) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lent(chunk) {
		return ErrNotInFlight
	}
	for _, seq := range chunk.groups {
		l.released = append(l.released, l.inFlight[seq])
		delete(l.inFlight, seq)
	}
	slices.SortFunc(l.released, bySeq)
	return nil
}

func (l *lane) lent(chunk Chunk) bool {
	for _, seq := range chunk.groups {
		if _, ok := l.inFlight[seq]; !ok {
			return false
		}
	}
	return true
}

// quarantine takes a segment whose index cannot be trusted out of use and serves what its bytes still hold.
// readMu is held.
func (l *lane) quarantine(segment *segment, cause error) error {
	l.commitMu.Lock()
	defer l.commitMu.Unlock()
	if l.active == segment {
		l.m.sealed.Inc()
		l.active = nil
	}
	if err := segment.quarantine(l.queue.damagedDir(), l.name); err != nil {
		return err
	}
	l.m.damaged.Inc()

	l.mu.Lock()
	segment.sealed, segment.damaged = true, true
	before := segment.left
	missing, gone := l.recount(segment)
	if len(segment.raw) == 0 {
		l.nextRead = max(l.nextRead, segment.last+1) // there may not even be a file
	}
	l.mu.Unlock()
	l.m.lostGroups.Add(float64(missing))
	l.m.lostUnreadable.Add(float64(max(before.values-segment.left.values, 0)))
	l.m.salvaged.Add(float64(segment.left.values))
	l.log.Error("queue: segment is damaged; serving what is whole", "lane", l.name, "segment", segment.path,
		"salvaged_values", segment.left.values, "lost_groups", missing,
		"lost_values_known", max(before.values-segment.left.values, 0), "cause", cause)
	if gone {
		l.drop(segment)
	}
	return nil
}

// recount makes the segment's tally agree with what was found in its bytes: found and not delivered, or in a
// reader's hands. missing is how many undelivered groups are neither; with gone the segment must be dropped. mu is
// held.
func (l *lane) recount(segment *segment) (missing int, gone bool) {
	l.forget(segment)
	found := map[uint64]bool{}
	if n := len(segment.raw); segment.endUnknown && n > 0 {
		segment.last = max(segment.last, segment.raw[n-1].seq)
	}
	segment.endUnknown = false
	segment.raw = slices.DeleteFunc(segment.raw, func(g rawGroup) bool { return g.seq > segment.last })
	for _, group := range segment.raw {
		found[group.seq] = true
		if !l.delivered.has(group.seq) {
			l.hold(segment, group.groupKey)
		}
	}
	l.released = slices.DeleteFunc(l.released, func(r reference) bool {
		return r.segment == segment && !found[r.key.seq]
	})
	for seq, ref := range l.inFlight {
		if ref.segment == segment && !found[seq] {
			l.hold(segment, ref.key)
		}
	}
	for seq := segment.first; seq <= segment.last; seq++ {
		_, held := l.inFlight[seq]
		if !found[seq] && !held && !l.delivered.has(seq) {
			missing++
		}
	}
	return missing, l.retire(segment)
}

func (t tally) minus(u tally) tally {
	return tally{t.groups - u.groups, t.values - u.values, t.bytes - u.bytes}
}
