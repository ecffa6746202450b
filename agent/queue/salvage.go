package queue

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// rawGroup is a group found in the bytes of a damaged segment.
type rawGroup struct {
	groupKey
	offset int64
	size   int
	bad    int
}

const (
	salvageWindow = 1 << 20
	salvagePage   = 4 << 10
)

// findGroups looks through a file's bytes for groups numbered from first on, whatever state its index is in, and
// returns them in order. A file may hold stale copies of a group; the copy with the fewest broken values wins.
// Parts of the file that cannot be read are passed over.
func findGroups(file io.ReaderAt, size int64, first uint64) []rawGroup {
	best := map[uint64]rawGroup{}
	window := make([]byte, salvageWindow)
	for at := int64(0); at < size; {
		n := readAround(file, window[:min(salvageWindow, size-at)], at)
		i := bytes.Index(window[:n], []byte(groupMagic))
		if i < 0 {
			// The magic may straddle two windows.
			at += int64(max(n-len(groupMagic)+1, 1))
			continue
		}
		at += int64(i)
		group, ok := probeGroup(file, size, at)
		if !ok || group.seq < first {
			at++
			continue
		}
		if known, found := best[group.seq]; !found || group.bad < known.bad {
			best[group.seq] = group
		}
		if group.bad > 0 {
			at++ // its lengths may be stale: something whole may begin inside
		} else {
			at += int64(group.size)
		}
	}
	groups := make([]rawGroup, 0, len(best))
	for _, group := range best {
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b rawGroup) int {
		if a.seq < b.seq {
			return -1
		}
		return 1
	})
	return groups
}

// probeGroup reads and verifies the group that may begin at offset at.
func probeGroup(file io.ReaderAt, fileSize, at int64) (rawGroup, bool) {
	var fixed [fixedHead]byte
	if _, err := file.ReadAt(fixed[:], at); err != nil {
		return rawGroup{}, false
	}
	headSize, ok := headLength(fixed[:])
	if !ok || int64(headSize) > fileSize-at {
		return rawGroup{}, false
	}
	data := make([]byte, headSize)
	if _, err := file.ReadAt(data, at); err != nil {
		return rawGroup{}, false
	}
	head, err := decodeHead(data)
	if err != nil {
		return rawGroup{}, false
	}
	size := min(int64(head.size), fileSize-at)
	data = make([]byte, size)
	readAround(file, data, at)
	_, _, bad, err := decodeGroup(data)
	if err != nil {
		return rawGroup{}, false
	}
	return rawGroup{
		groupKey: groupKey{seq: head.seq, at: head.at, values: head.count, bytes: head.size - headSize},
		offset:   at, size: head.size, bad: bad,
	}, true
}

// readAround fills buf from offset at, page by page with zeros for what cannot be read, and returns how much of
// buf lies within the file.
func readAround(file io.ReaderAt, buf []byte, at int64) int {
	n, err := file.ReadAt(buf, at)
	if err == nil || errors.Is(err, io.EOF) {
		return n
	}
	for from := 0; from < len(buf); from += salvagePage {
		page := buf[from:min(from+salvagePage, len(buf))]
		if _, err := file.ReadAt(page, at+int64(from)); err != nil {
			clear(page)
		}
	}
	return len(buf)
}

// quarantine moves the segment's file to damagedDir and from now on serves what is found in its bytes. It needs
// no free space, so it also works on a full disk. After an error it must be tried again.
func (s *segment) quarantine(damagedDir, lane string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	closeErr := s.closeLocked()
	if filepath.Dir(s.path) != damagedDir {
		target := filepath.Join(damagedDir, lane+"-"+filepath.Base(s.path))
		if err := os.Rename(s.path, target); err == nil {
			s.path = target
		} else if !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.EROFS) {
			return fmt.Errorf("move damaged segment: %w", errors.Join(err, closeErr))
		}
	}
	file, err := os.Open(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		s.raw = []rawGroup{} // somebody removed it
		return nil
	}
	if err != nil {
		return fmt.Errorf("open damaged segment: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return fmt.Errorf("open damaged segment: %w", err)
	}
	s.raw = findGroups(file, info.Size(), s.first)
	s.file = file
	return nil
}
