package ingest

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/gosight/gosight/proto/gen/gosight"
	"github.com/gosight/gosight/proto/wire"
)

// Sizes that keep what leaves ingest below Kafka's usual limit of 1 MB a record, with room for ids and metadata.
const (
	maxPartBytes  = 512 << 10
	maxBatchBytes = 512 << 10
	// What an event takes in a batch beside its texts: tags, lengths, the time.
	eventOverhead = 24
	// Estimates miss what redaction, enriching and detection add. What is larger than this after all is halved.
	maxValueBytes = 900 << 10
)

// group gathers the accepted events of one session and lane that came together: a Batch in the making.
type group struct {
	batch *gosight.Batch
	bytes int
	// own is set while the metadata that the events bring is not yet shared in the batch.
	own bool
}

type groupKey struct {
	session, user string
	lane          gosight.Lane
}

// grouping sorts accepted events into groups, in the order in which they came.
type grouping struct {
	groups []*group
	open   map[groupKey]*group
	// Events mostly come in runs of one session: the last key of each lane spares the map.
	lastKey [3]groupKey
	last    [3]*group
}

// of returns the group that the next event of key belongs to, with room for size bytes.
func (g *grouping) of(key groupKey, size int, start func(groupKey) *group) *group {
	found := g.last[key.lane]
	if found == nil || g.lastKey[key.lane] != key {
		found = g.open[key]
	}
	if found == nil || found.bytes+size > maxBatchBytes {
		found = start(key)
		g.groups = append(g.groups, found)
		if g.open == nil {
			g.open = make(map[groupKey]*group)
		}
		g.open[key] = found
	}
	found.bytes += size
	g.lastKey[key.lane], g.last[key.lane] = key, found
	return found
}

// share moves the metadata entries that all events of a batch have in common from the events into the batch: a
// client of the published contract repeats them with every event.
func share(batch *gosight.Batch) {
	common := batch.Events[0].Metadata
	if len(common) == 0 {
		return
	}
	shared := make(map[string]string, len(common)+8)
	for key, value := range common {
		shared[key] = value
	}
	for _, ev := range batch.Events[1:] {
		for key, value := range shared {
			if ev.Metadata[key] != value {
				delete(shared, key)
			}
		}
	}
	for _, ev := range batch.Events {
		if len(shared) == len(ev.Metadata) {
			ev.Metadata = nil
			continue
		}
		for key := range shared {
			delete(ev.Metadata, key)
		}
	}
	batch.Metadata = shared
}

// sizeOf is about what the event takes in its batch.
func sizeOf(ev *gosight.Event) int {
	size := eventOverhead + len(ev.EventId) + len(ev.EventType) + len(ev.UserId) + len(ev.Payload)
	for key, value := range ev.Metadata {
		size += len(key) + len(value)
	}
	return size
}

// marshal encodes a batch once, as it stays from the queue to the processor; one whose only event is larger than
// a part is cut, and one that is still too large is halved.
func marshal(batch *gosight.Batch) ([][]byte, error) {
	if len(batch.Events) != 1 || len(batch.Events[0].Payload) <= maxPartBytes {
		value, err := batch.MarshalVT()
		if err != nil {
			return nil, fmt.Errorf("marshal batch: %w", err)
		}
		if len(value) > maxValueBytes {
			if first, second, ok := wire.Halve(batch); ok {
				return marshalBoth(first, second)
			}
		}
		return [][]byte{value}, nil
	}
	if first, second, ok := wire.Halve(batch); ok {
		return marshalBoth(first, second) // a part is one event and nothing else
	}
	ev := batch.Events[0]
	payload := ev.Payload
	defer func() { ev.Payload, batch.Part, batch.Parts = payload, 0, 0 }()

	pieces := cut(payload, maxPartBytes)
	values := make([][]byte, len(pieces))
	batch.Parts = uint32(len(pieces))
	for i, piece := range pieces {
		ev.Payload, batch.Part = piece, uint32(i)
		var err error
		if values[i], err = batch.MarshalVT(); err != nil {
			return nil, fmt.Errorf("marshal part %d: %w", i, err)
		}
	}
	return values, nil
}

func marshalBoth(first, second *gosight.Batch) ([][]byte, error) {
	values, err := marshal(first)
	if err != nil {
		return nil, err
	}
	rest, err := marshal(second)
	return append(values, rest...), err
}

// cut splits text into pieces of at most size bytes that end between characters.
func cut(text string, size int) []string {
	var pieces []string
	for len(text) > size {
		end := size
		for end > size-utf8.UTFMax && !utf8.RuneStart(text[end]) {
			end--
		}
		pieces = append(pieces, text[:end])
		text = text[end:]
	}
	return append(pieces, text)
}

// assignedID is the id of an event that came without one, made from its request's: unique, and alike enough to
// compress.
func assignedID(request string, n int) string {
	return request + "." + strconv.FormatInt(int64(n), 36)
}
