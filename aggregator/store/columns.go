package store

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/ClickHouse/ch-go/proto"
)

// The columns below hold what ClickHouse's Native format wants from the first append on, and know that neighbours
// are alike: the rows of one batch share project, browser, metadata and more. ch-go's own columns keep every string
// beside its position, and look each repeated word up when the block is encoded; on the reference event that was most
// of what a row cost here (the figures are in process/DESIGN.md).

// text is a String column: each string's length, then its bytes.
type text struct {
	encoded []byte
	rows    int
}

var _ proto.ColInput = (*text)(nil)

func (c *text) Append(v string) {
	c.encoded = append(binary.AppendUvarint(c.encoded, uint64(len(v))), v...)
	c.rows++
}

func (c *text) Type() proto.ColumnType       { return proto.ColumnTypeString }
func (c *text) Rows() int                    { return c.rows }
func (c *text) Reset()                       { c.encoded, c.rows = c.encoded[:0], 0 }
func (c *text) EncodeColumn(b *proto.Buffer) { b.PutRaw(c.encoded) }
func (c *text) WriteColumn(w *proto.Writer)  { w.ChainWrite(c.encoded) }

// words is a LowCardinality(String) column: a dictionary, and each row's place in it. Strings must stay unchanged
// until Reset, since the first of each kind is a key of a map.
type words struct {
	dictionary text
	places     map[string]uint32
	rows       []uint32
	last       string
}

var (
	_ proto.ColInput     = (*words)(nil)
	_ proto.StateEncoder = (*words)(nil)
)

func (c *words) Append(v string) {
	if n := len(c.rows); n > 0 && v == c.last {
		c.rows = append(c.rows, c.rows[n-1])
		return
	}
	place, ok := c.places[v]
	if !ok {
		if c.places == nil {
			c.places = make(map[string]uint32)
		}
		place = uint32(len(c.places))
		c.places[v] = place
		c.dictionary.Append(v)
	}
	c.rows = append(c.rows, place)
	c.last = v
}

func (c *words) Type() proto.ColumnType {
	return proto.ColumnTypeLowCardinality.Sub(proto.ColumnTypeString)
}
func (c *words) Rows() int { return len(c.rows) }

func (c *words) Reset() {
	c.dictionary.Reset()
	clear(c.places)
	c.rows, c.last = c.rows[:0], ""
}

// Of the format: the version of a dictionary's encoding, and the flags of one that comes whole with its block.
const (
	dictionaryVersion = 1
	dictionaryWhole   = 1<<9 | 1<<10
)

// EncodeState implements proto.StateEncoder.
func (c *words) EncodeState(b *proto.Buffer) { b.PutInt64(dictionaryVersion) }

// EncodeColumn implements proto.ColInput. Places are as narrow as the dictionary lets them be.
func (c *words) EncodeColumn(b *proto.Buffer) {
	width := proto.KeyUInt32
	switch n := c.dictionary.rows; {
	case n <= math.MaxUint8+1:
		width = proto.KeyUInt8
	case n <= math.MaxUint16+1:
		width = proto.KeyUInt16
	}
	b.PutInt64(dictionaryWhole | int64(width))
	b.PutInt64(int64(c.dictionary.rows))
	c.dictionary.EncodeColumn(b)
	b.PutInt64(int64(len(c.rows)))
	for _, place := range c.rows {
		switch width {
		case proto.KeyUInt8:
			b.Buf = append(b.Buf, uint8(place))
		case proto.KeyUInt16:
			b.Buf = binary.LittleEndian.AppendUint16(b.Buf, uint16(place))
		default:
			b.Buf = binary.LittleEndian.AppendUint32(b.Buf, place)
		}
	}
}

// WriteColumn implements proto.ColInput.
func (c *words) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }

// pairs is a Map(LowCardinality(String), String) column. A row that is like the one before is a copy of its bytes.
// Strings must stay unchanged until Reset.
type pairs struct {
	ends   proto.ColUInt64
	keys   words
	values text
	last   []Pair
	from   int // where the last row's values begin
}

var (
	_ proto.ColInput     = (*pairs)(nil)
	_ proto.StateEncoder = (*pairs)(nil)
)

func (c *pairs) Append(row []Pair) {
	from := len(c.values.encoded)
	if slices.Equal(row, c.last) {
		c.values.encoded = append(c.values.encoded, c.values.encoded[c.from:]...)
		c.values.rows += len(row)
		c.keys.rows = append(c.keys.rows, c.keys.rows[len(c.keys.rows)-len(row):]...)
	} else {
		for _, pair := range row {
			c.keys.Append(pair.Key)
			c.values.Append(pair.Value)
		}
		c.last = append(c.last[:0], row...)
	}
	c.from = from
	c.ends = append(c.ends, uint64(c.values.rows))
}

func (c *pairs) Type() proto.ColumnType {
	return proto.ColumnTypeMap.Sub(c.keys.Type(), c.values.Type())
}
func (c *pairs) Rows() int { return len(c.ends) }

func (c *pairs) Reset() {
	c.ends.Reset()
	c.keys.Reset()
	c.values.Reset()
	clear(c.last) // lets go of the records' memory
	c.last, c.from = c.last[:0], 0
}

// EncodeState implements proto.StateEncoder.
func (c *pairs) EncodeState(b *proto.Buffer) { c.keys.EncodeState(b) }

// EncodeColumn implements proto.ColInput.
func (c *pairs) EncodeColumn(b *proto.Buffer) {
	c.ends.EncodeColumn(b)
	if c.values.rows > 0 {
		c.keys.EncodeColumn(b)
		c.values.EncodeColumn(b)
	}
}

// WriteColumn implements proto.ColInput.
func (c *pairs) WriteColumn(w *proto.Writer) { w.ChainBuffer(c.EncodeColumn) }
