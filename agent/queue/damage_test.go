package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"golang.org/x/sys/unix"
)

// TestFailedCommitSealsTheSegment lets bbolt itself fail: its file is open for reading only, so that the first
// write fails with EBADF.
func TestFailedCommitSealsTheSegment(t *testing.T) {
	broken := atomic.Bool{}
	q := openTest(t, testConfig(t), func(q *Queue) {
		q.openFile = func(name string, flag int, perm os.FileMode) (*os.File, error) {
			file, err := os.OpenFile(name, flag, perm)
			if err != nil || !broken.Load() {
				return file, err
			}
			// Initialised as usual, and then the descriptor is replaced.
			readOnly, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			defer readOnly.Close()
			return file, unix.Dup2(int(readOnly.Fd()), int(file.Fd()))
		}
	})
	put(t, q, events, "before")
	q.lanes[0].commitMu.Lock()
	q.lanes[0].seal(q.lanes[0].active)
	q.lanes[0].commitMu.Unlock()

	broken.Store(true)
	if err := q.Put(events, "", []byte("lost")).Wait(t.Context()); err == nil {
		t.Fatal("acknowledged although the disk failed")
	}
	broken.Store(false)
	put(t, q, events, "after")
	equal(t, "stored", drain(t, q)[events], []string{"before", "after"})
}

// A failed fsync leaves the values on disk, where a restart would find them: they must stay void.
func TestFailedFsyncIsNotDelivered(t *testing.T) {
	cfg := testConfig(t)
	fail := atomic.Bool{}
	q := openTest(t, cfg, func(q *Queue) {
		q.fail = func(point string) error {
			if point == "fsync" && fail.Load() {
				return errors.New("injected: input/output error")
			}
			return nil
		}
	})
	put(t, q, events, "before")
	fail.Store(true)
	if err := q.Put(events, "", []byte("void")).Wait(t.Context()); !errors.Is(err, ErrSealed) {
		t.Fatalf("put: %v", err)
	}
	fail.Store(false)
	put(t, q, events, "after")
	if n := testutil.ToFloat64(q.m.sealed.WithLabelValues("events")); n != 1 {
		t.Errorf("%v sealed segments", n)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, cfg)
	equal(t, "after a restart", drain(t, q)[events], []string{"before", "after"})
}

// backlog makes a queue of n values of about size bytes in one segment, closes it, and returns the values and the
// path of the segment.
func backlog(t *testing.T, cfg Config, n, size int) (values []string, path string) {
	t.Helper()
	q := openTest(t, cfg)
	for i := range n {
		value := fmt.Sprintf("%06d-%s", i, strings.Repeat(string(rune('a'+i%26)), size))
		values = append(values, value)
		put(t, q, events, value)
	}
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	paths, err := filepath.Glob(filepath.Join(cfg.Dir, "events", "*"+segmentSuffix))
	if err != nil || len(paths) != 1 {
		t.Fatalf("segments %v, %v", paths, err)
	}
	return values, paths[0]
}

func corrupt(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamage(t *testing.T) {
	const n = 40
	page := os.Getpagesize()
	for name, test := range map[string]struct {
		change func([]byte) []byte
		lost   int // at most
	}{
		"first root torn":  {func(b []byte) []byte { clear(b[20:page]); return b }, 0},
		"second root torn": {func(b []byte) []byte { clear(b[page+20 : 2*page]); return b }, 0},
		"both roots torn":  {func(b []byte) []byte { clear(b[:2*page]); return b }, 0},
		"cut in half":      {func(b []byte) []byte { return b[:len(b)/2] }, n},
		"cut to a page":    {func(b []byte) []byte { return b[:page] }, n},
		"a value flipped": {func(b []byte) []byte {
			i := strings.Index(string(b), "000017-")
			b[i+100] ^= 1
			return b
		}, 1},
		"a head flipped": {func(b []byte) []byte {
			i := strings.LastIndex(string(b[:strings.Index(string(b), "000017-")]), groupMagic)
			b[i+9] ^= 1
			return b
		}, 1},
		"not a file of ours": {func(b []byte) []byte { return []byte("what is this?") }, n},
		"all zero":           {func(b []byte) []byte { clear(b); return b }, n},
	} {
		for _, size := range []int{10, 6000} {
			t.Run(fmt.Sprintf("%s/%d", name, size), func(t *testing.T) {
				cfg := testConfig(t)
				want, path := backlog(t, cfg, n, size)
				corrupt(t, path, test.change)
				q := openTest(t, cfg)
				put(t, q, events, "new")
				got := drain(t, q)[events]
				if last := got[len(got)-1]; last != "new" {
					t.Errorf("last is %.20q", last)
				}
				got = got[:len(got)-1]
				if len(got) < n-test.lost {
					t.Errorf("%d of %d values, at most %d may be lost", len(got), n, test.lost)
				}
				isSubsequence(t, got, want)
				if values, bytes := q.Depth(events); values != 0 || bytes != 0 {
					t.Errorf("depth of an empty queue: %d values, %d bytes", values, bytes)
				}
				if lost := lostCount(q); len(got) < n && lost == 0 {
					t.Errorf("%d values lost and none counted", n-len(got))
				}
				if err := q.Close(); err != nil {
					t.Fatal(err)
				}
				q = openTest(t, cfg)
				if values, _ := q.Depth(events); values != 0 {
					t.Errorf("%d values after reopening", values)
				}
			})
		}
	}
}

func lostCount(q *Queue) float64 {
	return testutil.ToFloat64(q.m.lost.WithLabelValues("events", "checksum")) +
		testutil.ToFloat64(q.m.lost.WithLabelValues("events", "unreadable")) +
		testutil.ToFloat64(q.m.groups.WithLabelValues("events")) +
		testutil.ToFloat64(q.m.damaged.WithLabelValues("events"))
}

func isSubsequence(t *testing.T, got, want []string) {
	t.Helper()
	i := 0
	for _, value := range got {
		for i < len(want) && want[i] != value {
			i++
		}
		if i == len(want) {
			t.Fatalf("%.40q is out of order, twice there or was never put", value)
		}
		i++
	}
}

// TestRandomFlips flips bytes anywhere: the queue always starts, what it hands out was put, in order, each once,
// and one flip costs one group at most.
func TestRandomFlips(t *testing.T) {
	cfg := testConfig(t)
	const n = 60
	want, path := backlog(t, cfg, n, 500)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	rounds := 100
	if testing.Short() {
		rounds = 30
	}
	for round := range rounds {
		bad := slices.Clone(good)
		at := random.IntN(len(bad))
		bad[at] ^= byte(1 + random.IntN(255))
		cfg.Dir = filepath.Join(t.TempDir(), "queue")
		if err := os.MkdirAll(filepath.Join(cfg.Dir, "events"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(cfg.Dir, "events", filepath.Base(path)), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		q := openTest(t, cfg)
		got := drain(t, q)[events]
		if len(got) < n-1 {
			t.Errorf("round %d: flip at %d cost %d values", round, at, n-len(got))
		}
		isSubsequence(t, got, want)
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Damage can also come while the queue runs.
func TestDamageWhileRunning(t *testing.T) {
	cfg := testConfig(t)
	q := openTest(t, cfg)
	var want []string
	for i := range 20 {
		want = append(want, fmt.Sprintf("%02d-%s", i, strings.Repeat("v", 5000)))
		put(t, q, events, want[i])
	}
	first := read(t, q, 1)
	path := q.lanes[0].active.path
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// Overwrite everything before the first value but bbolt's roots, which it holds in mind.
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	page := os.Getpagesize()
	for at := 2 * page; at < len(data); at += page {
		if !strings.Contains(string(data[at:at+page]), "vvvv") {
			if _, err := file.WriteAt(make([]byte, page), int64(at)); err != nil {
				t.Fatal(err)
			}
		}
	}
	got := append([]string{string(first.Values[0])}, drain(t, q)[events]...)
	equal(t, "salvaged", got, want)
	put(t, q, events, "goes on")
	equal(t, "later", drain(t, q)[events], []string{"goes on"})
	if err := q.Done(first); err != nil {
		t.Fatal(err)
	}
	spent, err := filepath.Glob(filepath.Join(q.damagedDir(), "*"+spentSuffix))
	if err != nil || len(spent) != 1 {
		t.Errorf("kept for people: %v, %v", spent, err)
	}
}

// TestFullDisk is a real one: a small tmpfs, where that is allowed.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("no small file system to fill: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, 0) })
	cfg := testConfig(t)
	cfg.Dir = filepath.Join(dir, "queue")
	cfg.MinFreeBytes = 0
	q := openTest(t, cfg)
	value := strings.Repeat("v", 100<<10)
	var acked []string
	failed := 0
	for i := range 100 {
		v := fmt.Sprintf("%03d%s", i, value)
		if err := q.Put(events, "", []byte(v)).Wait(t.Context()); err == nil {
			acked = append(acked, v)
			continue
		}
		if failed++; failed == 3 {
			break
		}
	}
	if failed != 3 || len(acked) < 10 {
		t.Fatalf("%d acknowledged, %d failed", len(acked), failed)
	}
	chunk := read(t, q, 1<<20)
	var got []string
	for ok := true; ok; chunk, ok = tryRead(q, 1<<20) {
		for _, v := range chunk.Values {
			got = append(got, string(v))
		}
		if err := q.Done(chunk); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "after the disk was full", got, acked)
	deadline := time.Now().Add(10 * time.Second)
	for {
		err := q.Put(events, "", []byte("room again")).Wait(t.Context())
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("still full after delivery: %v", err)
		}
	}
	equal(t, "then", drain(t, q)[events], []string{"room again"})
}

// Having no file descriptors left says nothing about the files: nothing may be given up for it.
func TestOutOfDescriptors(t *testing.T) {
	cfg := testConfig(t)
	want, _ := backlog(t, cfg, 5, 5000)
	q := openTest(t, cfg)
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	_, _, err := q.lanes[0].read(1 << 20)
	if restore := unix.Setrlimit(unix.RLIMIT_NOFILE, &limit); restore != nil {
		t.Fatal(restore)
	}
	if !errors.Is(err, unix.EMFILE) {
		t.Fatalf("read without descriptors: %v", err)
	}
	equal(t, "afterwards", drain(t, q)[events], want)
}

func TestRemovedWhileRunning(t *testing.T) {
	q := openTest(t, testConfig(t))
	for i := range 5 {
		put(t, q, events, fmt.Sprint(i))
	}
	held := read(t, q, 1)
	l := q.lanes[0]
	l.commitMu.Lock()
	path := l.active.path
	l.seal(l.active)
	l.commitMu.Unlock()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	put(t, q, events, "new")
	equal(t, "left", drain(t, q)[events], []string{"new"})
	if n := testutil.ToFloat64(q.m.groups.WithLabelValues("events")); n != 4 {
		t.Errorf("%v lost groups counted, want 4", n)
	}
	if err := q.Done(held); err != nil {
		t.Fatal(err)
	}
	if values, bytes := q.Depth(events); values != 0 || bytes != 0 {
		t.Errorf("depth %d values, %d bytes", values, bytes)
	}
}
