package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// A group is what one commit writes for the values that waited for it: one contiguous block,
//
//	magic "GSQ1" | count (uint32) | seq (uint64) | at (int64, Unix ms) |
//	count × (length (uint32), CRC-32C of the value (uint32)) | CRC-32C of all of the above (uint32) | values
//
// with little-endian numbers. The head has a checksum of its own, and each value one too, so a flipped byte costs
// one value, and a group can be recognised in the raw bytes of a file whose index is gone.
const (
	groupMagic = "GSQ1"
	fixedHead  = len(groupMagic) + 4 + 8 + 8
	sumSize    = 4
	entrySize  = 8

	// A file cannot make a reader take memory for more values than this; writers close a group well before.
	maxGroupValues = 1 << 20
)

var (
	errNotAGroup = errors.New("not a group")
	castagnoli   = crc32.MakeTable(crc32.Castagnoli)
)

// groupSize returns how many bytes appendGroup adds.
func groupSize(values, bytes int) int { return fixedHead + values*entrySize + sumSize + bytes }

func appendGroup(dst []byte, seq uint64, at int64, values [][]byte) []byte {
	start := len(dst)
	dst = append(dst, groupMagic...)
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(values)))
	dst = binary.LittleEndian.AppendUint64(dst, seq)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(at))
	for _, value := range values {
		dst = binary.LittleEndian.AppendUint32(dst, uint32(len(value)))
		dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(value, castagnoli))
	}
	dst = binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
	for _, value := range values {
		dst = append(dst, value...)
	}
	return dst
}

// headLength returns how long the head is that begins with these fixedHead bytes.
func headLength(fixed []byte) (int, bool) {
	count := binary.LittleEndian.Uint32(fixed[len(groupMagic):])
	if string(fixed[:len(groupMagic)]) != groupMagic || count > maxGroupValues {
		return 0, false
	}
	return fixedHead + int(count)*entrySize + sumSize, true
}

// groupHead is the part of a group that says what is in it.
type groupHead struct {
	seq   uint64
	at    int64
	count int
	// size is the whole group's length in bytes, head included.
	size int
	// entries are the lengths and checksums of the values.
	entries []byte
}

// decodeHead reads the head at the start of data, which may be longer than the group and may be cut within its
// values, never within its head.
func decodeHead(data []byte) (groupHead, error) {
	if len(data) < fixedHead {
		return groupHead{}, errNotAGroup
	}
	length, ok := headLength(data)
	if !ok || length > len(data) {
		return groupHead{}, errNotAGroup
	}
	end := length - sumSize
	head := groupHead{
		seq:   binary.LittleEndian.Uint64(data[8:]),
		at:    int64(binary.LittleEndian.Uint64(data[16:])),
		count: (end - fixedHead) / entrySize,
	}
	if crc32.Checksum(data[:end], castagnoli) != binary.LittleEndian.Uint32(data[end:]) {
		return groupHead{}, fmt.Errorf("head checksum differs: %w", errNotAGroup)
	}
	head.entries = data[fixedHead:end]
	head.size = length
	for i := range head.count {
		head.size += int(binary.LittleEndian.Uint32(head.entries[i*entrySize:]))
	}
	return head, nil
}

// decodeGroup returns the values of the group at the start of data that are whole, aliasing data, and how many
// are not.
func decodeGroup(data []byte) (head groupHead, values [][]byte, bad int, err error) {
	head, err = decodeHead(data)
	if err != nil {
		return head, nil, 0, err
	}
	values = make([][]byte, 0, head.count)
	rest := data[fixedHead+head.count*entrySize+sumSize:]
	for i := range head.count {
		size := int(binary.LittleEndian.Uint32(head.entries[i*entrySize:]))
		sum := binary.LittleEndian.Uint32(head.entries[i*entrySize+4:])
		if size > len(rest) {
			return head, values, head.count - len(values), nil
		}
		value := rest[:size:size]
		rest = rest[size:]
		if crc32.Checksum(value, castagnoli) != sum {
			bad++
			continue
		}
		values = append(values, value)
	}
	return head, values, bad, nil
}

// The key of a group in a segment's index also says what the group holds and whose it is, so that counting a queue's
// depth reads no values. Keys of before there were owners end at keySize.
const keySize = 8 + 8 + 4 + 4

type groupKey struct {
	seq uint64
	// at is when the group was committed, Unix milliseconds.
	at int64
	// bytes is the size of the values, without the head.
	bytes  int
	values int
	owners string // see owners.encode
}

func (k groupKey) encode() []byte {
	key := make([]byte, 0, keySize+len(k.owners))
	key = binary.BigEndian.AppendUint64(key, k.seq)
	key = binary.BigEndian.AppendUint64(key, uint64(k.at))
	key = binary.BigEndian.AppendUint32(key, uint32(k.bytes))
	key = binary.BigEndian.AppendUint32(key, uint32(k.values))
	return append(key, k.owners...)
}

func decodeKey(key []byte) (groupKey, error) {
	if len(key) < keySize {
		return groupKey{}, fmt.Errorf("key of %d bytes: %w", len(key), errDamaged)
	}
	return groupKey{
		seq:    binary.BigEndian.Uint64(key),
		at:     int64(binary.BigEndian.Uint64(key[8:])),
		bytes:  int(binary.BigEndian.Uint32(key[16:])),
		values: int(binary.BigEndian.Uint32(key[20:])),
		owners: string(key[keySize:]),
	}, nil
}
