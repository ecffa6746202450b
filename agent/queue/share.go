package queue

import (
	"encoding/binary"
	"iter"
	"slices"
	"sync"
)

// maxOwners bounds what a group's key says of projects: the largest are named. What is not named is nobody's, and that
// is small.
const maxOwners = 16

// owner is a project and the bytes of its values in a group.
type owner struct {
	project string
	bytes   int
}

// owners are those of a group that gathers: few, since a group is small.
type owners []owner

func (o *owners) add(project string, bytes int) {
	if project == "" {
		return
	}
	for i := range *o {
		if (*o)[i].project == project {
			(*o)[i].bytes += bytes
			return
		}
	}
	*o = append(*o, owner{project, bytes})
}

// encode is what a group's key says of them: for each the bytes, the length of the name, the name.
func (o owners) encode() string {
	if len(o) > maxOwners {
		o = slices.Clone(o)
		slices.SortFunc(o, func(a, b owner) int { return b.bytes - a.bytes })
		o = o[:maxOwners]
	}
	var text []byte
	for _, one := range o {
		text = binary.AppendUvarint(text, uint64(one.bytes))
		text = binary.AppendUvarint(text, uint64(len(one.project)))
		text = append(text, one.project...)
	}
	return string(text)
}

// ownersOf reads what encode wrote. Bytes that a disk has damaged end it early: what they cost is fairness, not values.
func ownersOf(text string) iter.Seq2[string, int64] {
	return func(yield func(project string, bytes int64) bool) {
		for text != "" {
			bytes, n := uvarint(text)
			length, m := uvarint(text[n:])
			text = text[n+m:]
			if n == 0 || m == 0 || length > uint64(len(text)) || bytes > maxGroupBytes ||
				!yield(text[:length], int64(bytes)) {
				return
			}
			text = text[length:]
		}
	}
}

// maxGroupBytes is more than any group holds: a key cannot make a project's part overflow.
const maxGroupBytes = 1 << 40

// uvarint is binary.Uvarint of a string; n is 0 where there is none.
func uvarint(text string) (value uint64, n int) {
	for shift := 0; n < len(text) && shift < 63; shift += 7 {
		b := text[n]
		n++
		value |= uint64(b&0x7f) << shift
		if b < 0x80 {
			return value, n
		}
	}
	return 0, 0
}

// holdings are the undelivered bytes of each project, over all lanes. A project without any has no entry, and projects
// come from the registry's keys, so it is small.
type holdings struct {
	mu sync.Mutex
	of map[string]int64
}

func (h *holdings) add(project string, bytes int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if left := h.of[project] + bytes; left > 0 {
		h.of[project] = left
	} else {
		delete(h.of, project)
	}
}

func (h *holdings) get(project string) int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.of[project]
}

// unfair says whether a project that holds this much may not have size more where room is left. A project may hold
// share/(1-share) times the room that is left: alone it comes to share of the whole, and however many fill the queue
// together, room is left for one that comes later. A project that holds nothing is never refused for others' sake.
func (c Config) unfair(held, size, room int64) bool {
	return held > 0 && float64(held+size)*(1-c.ProjectShare) > float64(room)*c.ProjectShare
}

// hold counts a group that is to be delivered. mu is held.
func (l *lane) hold(segment *segment, key groupKey) {
	segment.left.add(key, 1)
	l.depth.add(key, 1)
	for project, bytes := range ownersOf(key.owners) {
		if segment.held == nil {
			segment.held = map[string]int64{}
		}
		segment.held[project] += bytes
		l.queue.held.add(project, bytes)
	}
}

// letGo counts a group as no longer to be delivered. A salvaged segment does not know whose its groups are, so a group
// that was lent before may bring more than is known. mu is held.
func (l *lane) letGo(segment *segment, key groupKey) {
	segment.left.add(key, -1)
	l.depth.add(key, -1)
	for project, bytes := range ownersOf(key.owners) {
		if known := min(bytes, segment.held[project]); known > 0 {
			segment.held[project] -= known
			l.queue.held.add(project, -known)
		}
	}
}

// forget takes all that a segment has to deliver out of the count. mu is held.
func (l *lane) forget(segment *segment) {
	l.depth = l.depth.minus(segment.left)
	for project, bytes := range segment.held {
		l.queue.held.add(project, -bytes)
	}
	segment.left, segment.held = tally{}, nil
}
