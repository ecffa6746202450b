// Package wire frames what an agent relays to an aggregator: many records in one checksummed lz4 block.
//
// A frame is
//
//	magic "GSF" | method (1 byte: 0 stored, 1 lz4) | raw length (uint32) | CRC-32C of raw (uint32) | block
//
// with little-endian numbers, and raw is a sequence of records, each a uvarint length and that many bytes.
// Frames come from the network, so decoding trusts nothing: sizes are checked before memory is taken.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"sync"

	"github.com/pierrec/lz4/v4"
)

const (
	magic        = "GSF"
	methodStored = 0
	methodLZ4    = 1
	headerSize   = len(magic) + 1 + 4 + 4

	// An lz4 block cannot grow by more than this factor, so a frame that claims more is refused unread.
	maxLZ4Ratio = 255
)

// What makes a frame undecodable. All are permanent: the same bytes will never decode.
var (
	ErrNotAFrame = errors.New("not a frame")
	ErrTooLarge  = errors.New("frame is larger than the limit")
	ErrCorrupt   = errors.New("frame is corrupt")
)

// Limits bounds what decoding one frame may cost.
type Limits struct {
	// MaxRaw is the largest decompressed size in bytes.
	MaxRaw int
	// MaxRecords is the largest number of records; each costs a slice header.
	MaxRecords int
}

// DefaultLimits leaves room for a frame of 1 MiB that one large record overfills.
func DefaultLimits() Limits { return Limits{MaxRaw: 4 << 20, MaxRecords: 1 << 16} }

var (
	castagnoli  = crc32.MakeTable(crc32.Castagnoli)
	compressors = sync.Pool{New: func() any { return new(lz4.Compressor) }}
	rawBuffers  = sync.Pool{New: func() any { return new([]byte) }}
)

// AppendFrame appends a frame of records to dst and returns the extended slice. It fails only where the records
// together exceed what the header can say (4 GiB).
func AppendFrame(dst []byte, records [][]byte) ([]byte, error) {
	buf := rawBuffers.Get().(*[]byte)
	defer rawBuffers.Put(buf)
	raw := (*buf)[:0]
	for _, record := range records {
		raw = binary.AppendUvarint(raw, uint64(len(record)))
		raw = append(raw, record...)
	}
	*buf = raw
	if uint64(len(raw)) > 1<<32-1 {
		return dst, fmt.Errorf("frame %d bytes: %w", len(raw), ErrTooLarge)
	}

	start := len(dst)
	dst = append(dst, magic...)
	dst = append(dst, methodLZ4)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(raw)))
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(raw, castagnoli))
	body := len(dst)
	dst = grow(dst, lz4.CompressBlockBound(len(raw)))

	compressor := compressors.Get().(*lz4.Compressor)
	defer compressors.Put(compressor)
	n, err := compressor.CompressBlock(raw, dst[body:])
	if err != nil || n == 0 || n >= len(raw) {
		dst[start+len(magic)] = methodStored
		return append(dst[:body], raw...), nil
	}
	return dst[:body+n], nil
}

func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	return append(b, make([]byte, n)...)
}

// DecodeFrame returns the records of a frame. They alias one fresh buffer, which nothing else refers to.
func DecodeFrame(frame []byte, limits Limits) ([][]byte, error) {
	raw, err := decompress(frame, limits)
	if err != nil {
		return nil, err
	}
	var records [][]byte
	for len(raw) > 0 {
		size, n := binary.Uvarint(raw)
		if n <= 0 || size > uint64(len(raw)-n) {
			return nil, fmt.Errorf("record %d overruns the frame: %w", len(records), ErrCorrupt)
		}
		if len(records) == limits.MaxRecords {
			return nil, fmt.Errorf("more than %d records: %w", limits.MaxRecords, ErrTooLarge)
		}
		end := n + int(size)
		records = append(records, raw[n:end:end])
		raw = raw[end:]
	}
	return records, nil
}

func decompress(frame []byte, limits Limits) ([]byte, error) {
	if len(frame) < headerSize || string(frame[:len(magic)]) != magic {
		return nil, ErrNotAFrame
	}
	method := frame[len(magic)]
	size := binary.LittleEndian.Uint32(frame[4:])
	sum := binary.LittleEndian.Uint32(frame[8:])
	block := frame[headerSize:]
	if uint64(size) > uint64(limits.MaxRaw) {
		return nil, fmt.Errorf("decompressed %d bytes, limit %d: %w", size, limits.MaxRaw, ErrTooLarge)
	}

	var raw []byte
	switch method {
	case methodStored:
		if len(block) != int(size) {
			return nil, fmt.Errorf("stored %d bytes, header says %d: %w", len(block), size, ErrCorrupt)
		}
		raw = append(make([]byte, 0, size), block...)
	case methodLZ4:
		if uint64(size) > maxLZ4Ratio*uint64(len(block)) {
			return nil, fmt.Errorf("%d bytes cannot hold %d: %w", len(block), size, ErrCorrupt)
		}
		raw = make([]byte, size)
		n, err := lz4.UncompressBlock(block, raw)
		if err != nil {
			return nil, fmt.Errorf("decompress: %v: %w", err, ErrCorrupt)
		}
		if n != int(size) {
			return nil, fmt.Errorf("decompressed %d bytes, header says %d: %w", n, size, ErrCorrupt)
		}
	default:
		return nil, fmt.Errorf("method %d: %w", method, ErrNotAFrame)
	}
	if crc32.Checksum(raw, castagnoli) != sum {
		return nil, fmt.Errorf("checksum differs: %w", ErrCorrupt)
	}
	return raw, nil
}
