package queue

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
)

// spans is a set of sequence numbers as sorted, disjoint, half-open ranges: delivery is nearly in order, so a few
// ranges say it all.
type spans [][2]uint64

// add puts [from, to) in the set.
func (s *spans) add(from, to uint64) {
	if from >= to {
		return
	}
	old := *s
	first := sort.Search(len(old), func(i int) bool { return old[i][1] >= from })
	last := first
	for last < len(old) && old[last][0] <= to {
		from, to = min(from, old[last][0]), max(to, old[last][1])
		last++
	}
	*s = slices.Replace(old, first, last, [2]uint64{from, to})
}

func (s spans) has(n uint64) bool {
	i := sort.Search(len(s), func(i int) bool { return s[i][1] > n })
	return i < len(s) && s[i][0] <= n
}

// watermarks is what the queue remembers about delivery across restarts. The file is replaced as a whole and is
// not fsynced: an old or a missing one means that some groups are delivered again, which receivers recognise.
// What it must never do is name a group that was not delivered. Hence the checksum, and hence Next: it is saved
// with Delivered and is above all of it, and a queue that starts from this file numbers its groups from there.
type watermarks struct {
	Events watermark `json:"events"`
	Replay watermark `json:"replay"`
}

type watermark struct {
	Next      uint64 `json:"next"`
	Delivered spans  `json:"delivered"`
}

const watermarkFile = "delivered"

func encodeWatermarks(w watermarks) ([]byte, error) {
	text, err := json.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("encode watermarks: %w", err)
	}
	return fmt.Appendf(nil, "%08x\n%s\n", crc32.Checksum(text, castagnoli), text), nil
}

func decodeWatermarks(data []byte) (watermarks, error) {
	var w watermarks
	sum, text, _ := bytes.Cut(data, []byte("\n"))
	text = bytes.TrimSuffix(text, []byte("\n"))
	if want := fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli)); string(sum) != want {
		return w, fmt.Errorf("watermarks: checksum differs: %w", errDamaged)
	}
	if err := json.Unmarshal(text, &w); err != nil {
		return w, fmt.Errorf("watermarks: %w: %w", errDamaged, err)
	}
	for _, mark := range []watermark{w.Events, w.Replay} {
		end := uint64(0)
		for i, span := range mark.Delivered {
			if span[0] >= span[1] || (i > 0 && span[0] <= end) || span[1] > mark.Next {
				return watermarks{}, fmt.Errorf("watermarks: span %v, next %d: %w", span, mark.Next, errDamaged)
			}
			end = span[1]
		}
	}
	return w, nil
}

// loadWatermarks returns empty ones, and no error, where the file is missing.
func loadWatermarks(dir string) (watermarks, error) {
	data, err := os.ReadFile(filepath.Join(dir, watermarkFile))
	if errors.Is(err, fs.ErrNotExist) {
		return watermarks{}, nil
	}
	if err != nil {
		return watermarks{}, fmt.Errorf("read watermarks: %w", err)
	}
	return decodeWatermarks(data)
}

func saveWatermarks(dir string, w watermarks) error {
	data, err := encodeWatermarks(w)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, watermarkFile)
	if err := os.WriteFile(path+".new", data, 0o600); err != nil {
		return fmt.Errorf("write watermarks: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("replace watermarks: %w", err)
	}
	return nil
}
