package ingest

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"connectrpc.com/connect"
)

// What people do on a page shrinks to a tenth or a thirtieth. A body that is larger than bombBytes and grows by
// more than bombRatio was made to cost us. Nothing grows by more than deflateRatio.
const (
	bombBytes    = 1 << 20
	bombRatio    = 100
	deflateRatio = 1032
)

// inflater is a gzip reader, which is costly to make, over what it reads.
type inflater struct {
	gzip.Reader
	packed bytes.Reader
	beyond [1]byte
}

var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// inflate decompresses a body into a buffer of the size that its last bytes tell, and refuses it where they lied.
func (b *body) inflate(packed []byte) ([]byte, error) {
	z := inflaters.Get().(*inflater)
	defer func() {
		z.packed.Reset(nil) // the pool keeps no request
		inflaters.Put(z)
	}()
	z.packed.Reset(packed)
	if err := z.Reset(&z.packed); err != nil {
		return nil, b.broken(err)
	}
	z.Multistream(false)
	size, came := int64(binary.LittleEndian.Uint32(packed[len(packed)-4:])), int64(len(packed))
	switch harmless := max(bombBytes, bombRatio*came); {
	case size > deflateRatio*came:
		return nil, b.broken(errSize)
	case size > harmless && harmless < b.limit:
		return nil, b.fail("bomb", connect.CodeInvalidArgument, fmt.Errorf("the body is %d times as large as it came", bombRatio))
	}
	data, err := b.grow(nil, size)
	if err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(z, data); err != nil {
		return nil, b.broken(err)
	}
	if n, err := z.Read(z.beyond[:]); n > 0 || z.packed.Len() > 0 {
		return nil, b.broken(errSize)
	} else if !errors.Is(err, io.EOF) {
		return nil, b.broken(err)
	}
	b.give(came)
	return data, nil
}

var errSize = errors.New("it is not one gzip member of the size that stands at its end")

func (b *body) broken(err error) error {
	if errors.Is(err, io.EOF) { // which Connect would take for the end of the request
		err = io.ErrUnexpectedEOF
	}
	return b.fail("body_broken", connect.CodeInvalidArgument, fmt.Errorf("decompress: %w", err))
}
