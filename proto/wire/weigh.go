package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// ErrHeavy means that a message is larger, decoded, than the codec's limit.
var ErrHeavy = errors.New("message is too large when decoded: send it in smaller pieces")

// What decoding takes beside the bytes themselves. Two bytes of a hostile message are an event of 256: a limit on
// bytes alone is none on memory.
const (
	structWeight  = 256 // an event or signal, and its share of the list that grows
	mapWeight     = 384 // an event's metadata
	entryWeight   = 160 // one entry of it
	unknownWeight = 6   // for each byte of fields that we do not know, which are gathered one by one

	// worstWeight is the most of each byte: four are an event with an entry.
	worstWeight = (structWeight + mapWeight + entryWeight) / 4
)

// The last fields that are known: a test holds them against the contract.
const (
	lastOfEvent      = 7
	lastOfEventBatch = 6
	lastOfBatch      = 12
)

// weigh is at least what decoding data into v allocates; it looks at tags and lengths only, and stops at limit.
func weigh(data []byte, v any, limit int) int {
	if len(data) <= limit/worstWeight {
		return len(data) * worstWeight
	}
	event := func(weight int, ev []byte) int {
		known, entries := weight+structWeight, 0
		rest := each(ev, func(number protowire.Number, size int, _ []byte) bool {
			switch {
			case number == 6:
				entries++
			case number > lastOfEvent:
				known += unknownWeight * size
			}
			return true
		})
		known += worstWeight * rest
		if entries > 0 {
			known += mapWeight + entryWeight*entries
		}
		return known
	}
	// By message: where events, signals and metadata stand, and the last field that is known.
	var events, signals, metadata, last protowire.Number
	switch v.(type) {
	case *gosight.Event:
		return event(len(data), data)
	case *gosight.EventBatch:
		metadata, events, last = 3, 4, lastOfEventBatch
	case *gosight.Batch:
		metadata, events, signals, last = 5, 6, 7, lastOfBatch
	default:
		return len(data)
	}
	weight := len(data) + mapWeight
	rest := each(data, func(number protowire.Number, size int, value []byte) bool {
		switch {
		case number == events:
			weight = event(weight, value)
		case number == signals:
			weight += structWeight + unknownWeight*size
		case number == metadata:
			weight += entryWeight
		case number > last:
			weight += unknownWeight * size
		}
		return weight <= limit
	})
	return weight + worstWeight*rest
}

// each visits the fields of a message, until visit says that it is enough, or what is no field. value is what a
// field of variable length holds. rest is how many bytes were not visited: the decoder passes over some that are no
// fields, as groups that end as others, and goes on behind them.
func each(data []byte, visit func(number protowire.Number, size int, value []byte) bool) (rest int) {
	// What is cut off, the decoder refuses where it stands.
	unread := func(n int) int {
		if errors.Is(protowire.ParseError(n), io.ErrUnexpectedEOF) {
			return 0
		}
		return len(data)
	}
	for len(data) > 0 {
		// Most fields are texts of less than 128 bytes: a byte of number and type, and one of length.
		if len(data) > 1 && data[0] < 0x80 && data[0]&7 == byte(protowire.BytesType) && data[1] < 0x80 && data[0] > 7 {
			size := 2 + int(data[1])
			if size > len(data) {
				return 0
			}
			if !visit(protowire.Number(data[0]>>3), size, data[2:size]) {
				return 0
			}
			data = data[size:]
			continue
		}
		number, kind, n := protowire.ConsumeTag(data)
		if n < 0 {
			return unread(n)
		}
		size := protowire.ConsumeFieldValue(number, kind, data[n:])
		if size < 0 {
			return unread(size)
		}
		var value []byte
		if kind == protowire.BytesType {
			value, _ = protowire.ConsumeBytes(data[n:])
		}
		if !visit(number, n+size, value) {
			return 0
		}
		data = data[n+size:]
	}
	return 0
}

// weighJSON is at least what decoding a message from JSON allocates: every brace may begin an event, every colon
// stand in an entry of metadata.
func weighJSON(data []byte) int {
	const perByte, object, entry = 4, 1024, 512
	return perByte*len(data) + object*bytes.Count(data, []byte("{")) + entry*bytes.Count(data, []byte(":"))
}

func tooHeavy(weight, limit int) error {
	return fmt.Errorf("%w (%d bytes of %d)", ErrHeavy, weight, limit)
}
