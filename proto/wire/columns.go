package wire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// What the low three bits of a value's varint say about the rest of it.
const (
	columnInt    = 0 // zigzag difference to the integer before it in its column
	columnSeen   = 1 // number of a text that stood in this column, by first appearance
	columnArray  = 2 // length; the items stand in the column's own column of items
	columnObject = 3 // number of a shape, by first appearance; the values stand in the shape's columns
	columnOther  = 4 // one of the following
)

const (
	otherNull    = 0
	otherFalse   = 1
	otherTrue    = 2
	otherText    = 3 // new in this column, next in the text
	otherLiteral = 4 // JSON, next in the text
)

const (
	// maxColumns bounds the table of columns: a page has some 60.
	maxColumns = 1 << 16
	// maxColumnDepth is of objects and arrays in each other, two for each element: deeper than browsers parse.
	maxColumnDepth = 4096
	// eventBytes is what an event costs beside its payload, near enough: one byte can ask for one.
	eventBytes = 256
	// maxSerial keeps event ids to what an SDK counts to.
	maxSerial = 1 << 52
)

// ErrColumns is wrapped by what ReadColumns says of bytes that are no columns.
var ErrColumns = errors.New("malformed columns")

// ErrColumnsRoom is returned where room said that there is none.
var ErrColumnsRoom = errors.New("no room for columns")

// ReadColumns makes of EventBatch.columns the events that it stands for, payloads as JSON.stringify wrote them.
// pageID is the batch's metadata page_id: an event's id is pageID, a dot, and its serial in base 36.
//
// room is asked for the bytes of each event as it grows; where it says no, ReadColumns gives up with ErrColumnsRoom. A few bytes may stand for a great many: it is the caller who knows how many are too many.
//
// The bytes are: a varint count of columns, a varint length of each, the columns, and the text. The text is strings
// that each end with NUL, in the order in which they are needed. A column holds varints: the low three bits are a
// kind, the rest is its value, see the constants. Column 0 has the shapes: each is an integer, its number of keys,
// and the keys are texts. Column 1 has the events: objects with type, serial, timestamp, payload and, where it is not
// the batch's, url. Further columns are numbered as they are first needed: a new shape takes one for each key, a
// column's first array with items takes one for all the column's items.
func ReadColumns(data []byte, pageID string, room func(bytes int) bool) ([]*gosight.Event, error) {
	r, err := openColumns(data)
	if err != nil {
		return nil, err
	}
	r.room = room
	rows := r.columns[1]
	var events []*gosight.Event
	for len(rows.bytes) > 0 {
		event, err := r.row(rows, pageID)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", len(events), err)
		}
		events = append(events, event)
	}
	return events, nil
}

type column struct {
	bytes []byte
	last  int64
	seen  []string
	items *column
}

type shape struct {
	keys    []string
	columns []*column
}

type columnReader struct {
	columns []*column
	taken   int // of columns
	shapes  []shape
	text    []byte
	scratch []byte
	room    func(int) bool
	asked   int // of room, for the payload at hand
}

func openColumns(data []byte) (*columnReader, error) {
	count, data, err := readUvarint(data)
	if err != nil || count < 2 || count > maxColumns || count > uint64(len(data)) {
		return nil, fmt.Errorf("%w: %d columns in %d bytes", ErrColumns, count, len(data))
	}
	lengths := make([]uint64, count)
	for i := range lengths {
		if lengths[i], data, err = readUvarint(data); err != nil {
			return nil, err
		}
	}
	r := &columnReader{columns: make([]*column, count), taken: 2}
	all := make([]column, count)
	for i, length := range lengths {
		if length > uint64(len(data)) {
			return nil, fmt.Errorf("%w: column %d is cut short", ErrColumns, i)
		}
		all[i].bytes, data = data[:length:length], data[length:]
		r.columns[i] = &all[i]
	}
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%w: text is not UTF-8", ErrColumns)
	}
	r.text = data
	return r, nil
}

func readUvarint(data []byte) (uint64, []byte, error) {
	value, n := binary.Uvarint(data)
	if n <= 0 {
		return 0, nil, fmt.Errorf("%w: varint is cut short", ErrColumns)
	}
	return value, data[n:], nil
}

func (r *columnReader) next(c *column) (kind int, value uint64, err error) {
	value, c.bytes, err = readUvarint(c.bytes)
	return int(value & 7), value >> 3, err
}

func (r *columnReader) nextText() (string, error) {
	for i, b := range r.text {
		if b == 0 {
			text := string(r.text[:i])
			r.text = r.text[i+1:]
			return text, nil
		}
	}
	return "", fmt.Errorf("%w: text is cut short", ErrColumns)
}

func (r *columnReader) take(n int) ([]*column, error) {
	if n > len(r.columns)-r.taken {
		return nil, fmt.Errorf("%w: more columns used than given", ErrColumns)
	}
	r.taken += n
	return r.columns[r.taken-n : r.taken], nil
}

func (c *column) integer(step uint64) int64 {
	c.last += int64(step>>1) ^ -int64(step&1)
	return c.last
}

func (r *columnReader) shape(number uint64) (*shape, error) {
	if number < uint64(len(r.shapes)) {
		return &r.shapes[number], nil
	}
	shapes := r.columns[0]
	kind, step, err := r.next(shapes)
	if err != nil {
		return nil, err
	}
	keys := shapes.integer(step)
	if kind != columnInt || number > uint64(len(r.shapes)) || keys < 0 || keys > maxColumns {
		return nil, fmt.Errorf("%w: shape %d", ErrColumns, number)
	}
	columns, err := r.take(int(keys))
	if err != nil {
		return nil, err
	}
	s := shape{columns: columns, keys: make([]string, keys)}
	for i := range s.keys {
		if s.keys[i], err = r.nextText(); err != nil {
			return nil, err
		}
	}
	r.shapes = append(r.shapes, s)
	return &r.shapes[number], nil
}

// row reads one event.
func (r *columnReader) row(rows *column, pageID string) (*gosight.Event, error) {
	kind, value, err := r.next(rows)
	if err != nil {
		return nil, err
	}
	if kind != columnObject {
		return nil, fmt.Errorf("%w: no object", ErrColumns)
	}
	s, err := r.shape(value)
	if err != nil {
		return nil, err
	}
	if !r.room(eventBytes) {
		return nil, ErrColumnsRoom
	}
	keys, columns := s.keys, s.columns
	event := new(gosight.Event)
	for i, key := range keys {
		switch key {
		case "type":
			event.EventType, err = r.rowText(columns[i])
		case "serial":
			var serial int64
			serial, err = r.rowInt(columns[i])
			if serial < 0 || serial > maxSerial || pageID == "" {
				return nil, fmt.Errorf("%w: no serial, or no page_id in the batch's metadata", ErrColumns)
			}
			event.EventId = pageID + "." + strconv.FormatInt(serial, 36)
		case "timestamp":
			event.Timestamp, err = r.rowInt(columns[i])
		case "url":
			var url string
			url, err = r.rowText(columns[i])
			event.Metadata = map[string]string{"url": url}
		default:
			r.asked = 0
			if r.scratch, err = r.value(r.scratch[:0], columns[i], 0); err == nil {
				err = r.ask(len(r.scratch))
			}
			if key == "payload" {
				event.Payload = string(r.scratch)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return event, nil
}

func (r *columnReader) rowInt(c *column) (int64, error) {
	kind, value, err := r.next(c)
	if err == nil && kind != columnInt {
		err = fmt.Errorf("%w: no integer", ErrColumns)
	}
	return c.integer(value), err
}

func (r *columnReader) rowText(c *column) (string, error) {
	kind, value, err := r.next(c)
	if err != nil {
		return "", err
	}
	return r.textOf(c, kind, value)
}

func (r *columnReader) textOf(c *column, kind int, value uint64) (string, error) {
	switch {
	case kind == columnSeen && value < uint64(len(c.seen)):
		return c.seen[value], nil
	case kind == columnOther && value == otherText:
		text, err := r.nextText()
		c.seen = append(c.seen, text)
		return text, err
	}
	return "", fmt.Errorf("%w: no text", ErrColumns)
}

// ask is called with the length of a payload as it grows.
func (r *columnReader) ask(length int) error {
	if more := length - r.asked; more > 0 {
		if !r.room(more) {
			return ErrColumnsRoom
		}
		r.asked = length
	}
	return nil
}

// roomStep is how far a payload grows before room is asked for.
const roomStep = 64 << 10

// value appends the next value of c as JSON.
func (r *columnReader) value(dst []byte, c *column, depth int) ([]byte, error) {
	if len(dst)-r.asked > roomStep {
		if err := r.ask(len(dst)); err != nil {
			return dst, err
		}
	}
	kind, value, err := r.next(c)
	if err != nil {
		return dst, err
	}
	switch kind {
	case columnInt:
		return strconv.AppendInt(dst, c.integer(value), 10), nil
	case columnArray:
		return r.array(dst, c, value, depth+1)
	case columnObject:
		return r.object(dst, value, depth+1)
	case columnSeen:
		// Below.
	case columnOther:
		switch value {
		case otherNull:
			return append(dst, "null"...), nil
		case otherFalse:
			return append(dst, "false"...), nil
		case otherTrue:
			return append(dst, "true"...), nil
		case otherLiteral:
			literal, err := r.nextText()
			if err == nil && !json.Valid([]byte(literal)) {
				err = fmt.Errorf("%w: literal is not JSON", ErrColumns)
			}
			return append(dst, literal...), err
		}
	}
	text, err := r.textOf(c, kind, value)
	return appendText(dst, text), err
}

func (r *columnReader) array(dst []byte, c *column, length uint64, depth int) ([]byte, error) {
	if depth > maxColumnDepth {
		return dst, fmt.Errorf("%w: deeper than %d", ErrColumns, maxColumnDepth)
	}
	dst = append(dst, '[')
	for i := range length {
		if c.items == nil {
			items, err := r.take(1)
			if err != nil {
				return dst, err
			}
			c.items = items[0]
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		var err error
		if dst, err = r.value(dst, c.items, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, ']'), nil
}

func (r *columnReader) object(dst []byte, number uint64, depth int) ([]byte, error) {
	if depth > maxColumnDepth {
		return dst, fmt.Errorf("%w: deeper than %d", ErrColumns, maxColumnDepth)
	}
	s, err := r.shape(number)
	if err != nil {
		return dst, err
	}
	// Values may bring new shapes, and move what s points to.
	keys, columns := s.keys, s.columns
	dst = append(dst, '{')
	for i, c := range columns {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendText(dst, keys[i]), ':')
		if dst, err = r.value(dst, c, depth); err != nil {
			return dst, err
		}
	}
	return append(dst, '}'), nil
}

const hexDigits = "0123456789abcdef"

// appendText writes a JSON string as JSON.stringify does.
func appendText(dst []byte, text string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(text) {
		b := text[i]
		if b >= ' ' && b != '"' && b != '\\' {
			continue
		}
		dst = append(dst, text[from:i]...)
		from = i + 1
		switch b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\b':
			dst = append(dst, `\b`...)
		case '\t':
			dst = append(dst, `\t`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\r':
			dst = append(dst, `\r`...)
		default:
			dst = append(dst, `\u00`...)
			dst = append(dst, hexDigits[b>>4], hexDigits[b&15])
		}
	}
	return append(append(dst, text[from:]...), '"')
}
