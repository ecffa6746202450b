package queue

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
	"unsafe"

	bolt "go.etcd.io/bbolt"

	"github.com/gosight/gosight/internal/failpoint"
)

const segmentSuffix = ".seg"

var (
	groupsBucket = []byte("groups")
	// Each group is a bucket of its own with one value in it: bbolt rewrites a whole leaf when it changes, and a
	// leaf of this kind is written once, where a leaf of big values would be written again up to four times.
	valueKey = []byte("v")
)

// segment is one bbolt file. A lane's committer appends to its newest one; all others are only read, and opened
// read-only. Values are read with pread at the place that the index names, not through bbolt's memory map: a
// failing disk then is an error and not a SIGBUS, and the process's resident size does not grow with the file.
//
// mu orders use and closing of the file. The fields below it belong to the lane and are guarded by lane.mu.
type segment struct {
	path  string
	first uint64

	mu   sync.RWMutex
	db   *bolt.DB
	file *os.File
	// raw is set once the index of a damaged segment is no longer trusted: what was found in the file's bytes.
	raw []rawGroup

	last    uint64 // newest committed group; first-1 while there is none
	size    int64
	sealed  bool
	damaged bool
	// endUnknown: the index broke before it said what last is.
	endUnknown bool
	left       tally
	held       map[string]int64 // of left, by project
}

// tally counts what a segment or a lane still has to deliver.
type tally struct {
	groups, values, bytes int64
}

func (t *tally) add(key groupKey, sign int64) {
	t.groups += sign
	t.values += sign * int64(key.values)
	t.bytes += sign * int64(key.bytes)
}

// storedGroup is a group as read back: the values that are whole, and the number of those that are not.
type storedGroup struct {
	groupKey
	whole [][]byte
	bad   int
}

func segmentName(first uint64) string { return fmt.Sprintf("%016x%s", first, segmentSuffix) }

func parseSegmentName(name string) (first uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 16 {
		return 0, false
	}
	first, err := strconv.ParseUint(digits, 16, 64)
	return first, err == nil
}

// createSegment makes the file and its directory entry durable before anything is acknowledged from it.
func createSegment(dir string, first uint64, size int64, openFile openFunc) (*segment, error) {
	path := filepath.Join(dir, segmentName(first))
	db, err := bolt.Open(path, 0o600, &bolt.Options{
		Timeout:        time.Second,
		NoFreelistSync: true,
		FreelistType:   bolt.FreelistMapType,
		NoStatistics:   true,
		OpenFile:       openFile,
		// Large enough that the file is never mapped anew, which would make commits wait for readers.
		InitialMmapSize: int(2 * size),
	})
	if err != nil {
		os.Remove(path)
		return nil, fmt.Errorf("create segment: %w", err)
	}
	file, err := os.Open(path)
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		file.Close()
		db.Close()
		os.Remove(path)
		return nil, fmt.Errorf("create segment: %w", err)
	}
	return &segment{path: path, first: first, last: first - 1, db: db, file: file}, nil
}

// append commits groups in one transaction and returns the file's size. After an error the segment must take
// nothing more.
func (s *segment) append(keys []groupKey, groups [][]byte) (size int64, err error) {
	err = guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error {
			index, err := tx.CreateBucketIfNotExists(groupsBucket)
			if err != nil {
				return err
			}
			index.FillPercent = 1 // keys only grow
			for i, key := range keys {
				group, err := index.CreateBucket(key.encode())
				if err != nil {
					return err
				}
				if err := group.Put(valueKey, groups[i]); err != nil {
					return err
				}
			}
			// What inspect compares the index's end with.
			return index.SetSequence(keys[len(keys)-1].seq)
		})
	})
	if err != nil {
		return 0, err
	}
	err = s.db.View(func(tx *bolt.Tx) error { size = tx.Size(); return nil })
	return size, err
}

// acquire returns with the segment open and mu read-locked. The committer closes a segment when it seals it, so
// it may have to be opened again.
func (s *segment) acquire() error {
	for {
		s.mu.RLock()
		if s.file != nil {
			return nil
		}
		s.mu.RUnlock()
		if err := s.open(); err != nil {
			return err
		}
	}
}

func (s *segment) open() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return nil
	}
	file, err := os.Open(s.path)
	if err != nil {
		return fmt.Errorf("open segment: %w", err)
	}
	if s.raw == nil {
		s.db, err = openIndex(s.path)
	}
	if err != nil {
		file.Close()
		return err
	}
	s.file = file
	return nil
}

func openIndex(path string) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			ReadOnly: true, NoStatistics: true, Timeout: time.Second, FreelistType: bolt.FreelistMapType,
		})
		return err
	})
	if err == nil {
		return db, nil
	}
	if outOfResources(err) {
		return nil, fmt.Errorf("open segment: %w", err)
	}
	return nil, fmt.Errorf("open segment: %w: %w", errDamaged, err)
}

// close releases the file; reading opens it again.
func (s *segment) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closeLocked()
}

func (s *segment) closeLocked() error {
	var errs []error
	if s.db != nil {
		errs = append(errs, guard(s.db.Close))
	}
	if s.file != nil {
		errs = append(errs, s.file.Close())
	}
	s.db, s.file = nil, nil
	return errors.Join(errs...)
}

// inspect walks the index of a segment from an earlier run, without reading values, calls visit for each group, and
// returns the size of what was written: bbolt makes files longer than that, with holes. Groups of a segment are numbered without gaps from its name on, and the index's sequence is its last
// group: where that does not hold, or where one of bbolt's two roots is torn (bbolt would silently go back to
// the older one), the error is errDamaged.
func (s *segment) inspect(visit func(groupKey)) (size int64, err error) {
	if err := checkRoots(s.path); err != nil {
		return 0, err
	}
	if err := s.acquire(); err != nil {
		return 0, err
	}
	defer s.mu.RUnlock()
	next := s.first
	err = guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			size = tx.Size()
			index := tx.Bucket(groupsBucket)
			if index == nil {
				return nil // created, and nothing committed
			}
			cursor := index.Cursor()
			for k, _ := cursor.First(); k != nil; k, _ = cursor.Next() {
				key, err := decodeKey(k)
				if err != nil {
					return err
				}
				if key.seq != next {
					return fmt.Errorf("group %d where %d should be: %w", key.seq, next, errDamaged)
				}
				next++
				visit(key)
			}
			if index.Sequence() != next-1 {
				return fmt.Errorf("index ends at %d, not %d: %w", next-1, index.Sequence(), errDamaged)
			}
			return nil
		})
	})
	return size, err
}

// scan reads groups from number from to number upTo that skip does not name, until they hold maxBytes (at least
// one). covered is the last number it looked at.
func (s *segment) scan(from, upTo uint64, maxBytes int, skip func(uint64) bool) (found []storedGroup,
	covered uint64, err error,
) {
	if err := s.acquire(); err != nil {
		return nil, 0, err
	}
	defer s.mu.RUnlock()
	take := func(key groupKey, size int, at int64, inline []byte) (full bool, err error) {
		if skip(key.seq) {
			covered = key.seq
			return false, nil
		}
		if len(found) > 0 && key.bytes > maxBytes {
			return true, nil
		}
		group, err := s.readGroup(key, size, at, inline)
		if err != nil {
			return false, err
		}
		found = append(found, group)
		covered = key.seq
		maxBytes -= key.bytes
		return maxBytes <= 0, nil
	}
	if s.raw != nil {
		for _, raw := range s.raw {
			if raw.seq < from || raw.seq > upTo {
				continue
			}
			if full, err := take(raw.groupKey, raw.size, raw.offset, nil); full || err != nil {
				return found, covered, err
			}
		}
		return found, upTo, nil
	}
	full := false
	err = guard(func() error {
		return s.db.View(func(tx *bolt.Tx) error {
			index := tx.Bucket(groupsBucket)
			if index == nil {
				return nil
			}
			cursor := index.Cursor()
			for k, _ := cursor.Seek(binary.BigEndian.AppendUint64(nil, from)); k != nil; k, _ = cursor.Next() {
				key, err := decodeKey(k)
				if err != nil {
					return err
				}
				if key.seq > upTo {
					break
				}
				at, size, inline, err := s.locate(tx, index, k)
				if err != nil {
					return err
				}
				if full, err = take(key, size, at, inline); full || err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err == nil && !full {
		covered = upTo
	}
	return found, covered, err
}

// locate returns where in the file the group with this key is. bbolt keeps a small bucket inside its parent and
// may hand out a copy: that is returned as inline.
func (s *segment) locate(tx *bolt.Tx, index *bolt.Bucket, key []byte) (at int64, size int, inline []byte, err error) {
	group := index.Bucket(key)
	if group == nil {
		return 0, 0, nil, fmt.Errorf("group without a bucket: %w", errDamaged)
	}
	value := group.Get(valueKey)
	if len(value) == 0 {
		return 0, 0, nil, fmt.Errorf("group without a value: %w", errDamaged)
	}
	if group.Root() == 0 {
		return 0, len(value), value, nil
	}
	at = int64(uintptr(unsafe.Pointer(unsafe.SliceData(value))) - s.db.Info().Data)
	if at < 0 || at+int64(len(value)) > tx.Size() {
		return 0, 0, nil, fmt.Errorf("group outside the file: %w", errDamaged)
	}
	return at, len(value), nil, nil
}

func (s *segment) readGroup(key groupKey, size int, at int64, inline []byte) (storedGroup, error) {
	if want := groupSize(key.values, key.bytes); size != want {
		return storedGroup{}, fmt.Errorf("group %d has %d bytes, not %d: %w", key.seq, size, want, errDamaged)
	}
	data := make([]byte, size)
	switch {
	case inline != nil:
		copy(data, inline)
	case s.raw != nil:
		readAround(s.file, data, at)
	default:
		_, err := s.file.ReadAt(data, at)
		if err = cmp.Or(err, failpoint.Hit("queue/read")); err != nil {
			return storedGroup{}, fmt.Errorf("read group %d: %w: %w", key.seq, errDamaged, err)
		}
	}
	head, whole, bad, err := decodeGroup(data)
	if s.raw != nil && (err != nil || head.seq != key.seq) {
		return storedGroup{groupKey: key, bad: key.values}, nil // got worse since it was found
	}
	if err != nil {
		return storedGroup{}, fmt.Errorf("group %d: %w: %w", key.seq, errDamaged, err)
	}
	if head.seq != key.seq {
		return storedGroup{}, fmt.Errorf("group %d where %d should be: %w", head.seq, key.seq, errDamaged)
	}
	return storedGroup{groupKey: key, whole: whole, bad: bad}, nil
}

type openFunc func(name string, flag int, perm os.FileMode) (*os.File, error)

// syncDir makes the creation of files in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
