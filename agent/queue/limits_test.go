package queue

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// fill puts values until the lane refuses, and returns why.
func fill(t *testing.T, q *Queue, lane gosight.Lane) *FullError {
	t.Helper()
	value := bytes.Repeat([]byte("x"), 32<<10)
	for range 1000 {
		err := q.Put(lane, "", value).Wait(t.Context())
		var full *FullError
		if errors.As(err, &full) {
			if full.Lane != lane || full.RetryAfter <= 0 {
				t.Errorf("refusal: %+v", full)
			}
			return full
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("never full")
	return nil
}

func TestReplayIsRefusedFirst(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentBytes, cfg.MaxBytes, cfg.ReplayShare = 256<<10, 2<<20, 0.5
	q := openTest(t, cfg)
	if full := fill(t, q, replay); full.Reason != ReasonSize {
		t.Errorf("replay: %v", full)
	}
	put(t, q, events, "still taken")
	if full := fill(t, q, events); full.Reason != ReasonSize {
		t.Errorf("events: %v", full)
	}
	if used := q.used.Load(); used > cfg.MaxBytes+(64<<10) {
		t.Errorf("%d bytes used, limit %d", used, cfg.MaxBytes)
	}
	if n := testutil.ToFloat64(q.m.refused.WithLabelValues("replay", "size")); n != 1 {
		t.Errorf("%v refusals counted", n)
	}
	drain(t, q)
	put(t, q, replay, "room again")
}

func TestFreeSpaceFloor(t *testing.T) {
	var free atomic.Int64
	cfg := testConfig(t)
	cfg.MinFreeBytes, cfg.SaveInterval = 100<<20, time.Hour
	q := openTest(t, cfg, func(q *Queue) {
		q.freeSpace = func(string) (int64, error) { return free.Load(), nil }
	})
	look := func(bytes int64) {
		free.Store(bytes)
		q.freeAsked.Store(0)
		q.refreshFree(time.Now())
	}
	for _, step := range []struct {
		free           int64
		events, replay bool
	}{{300 << 20, true, true}, {150 << 20, true, false}, {99 << 20, false, false}, {300 << 20, true, true}} {
		look(step.free)
		for lane, want := range map[gosight.Lane]bool{events: step.events, replay: step.replay} {
			err := q.Put(lane, "", []byte("v")).Wait(t.Context())
			var full *FullError
			if (err == nil) != want || err != nil && (!errors.As(err, &full) || full.Reason != ReasonFreeSpace) {
				t.Errorf("%d MiB free, %s: %v", step.free>>20, laneName(lane), err)
			}
		}
	}
}

// openOnSlowDisk opens a queue of small bounds whose disk says when it is asked to commit, and waits until held is closed.
func openOnSlowDisk(t *testing.T) (q *Queue, entered, held chan struct{}) {
	t.Helper()
	held, entered = make(chan struct{}), make(chan struct{}, 1)
	cfg := testConfig(t)
	cfg.GroupBytes, cfg.PendingBytes = 4<<10, 64<<10
	q = openTest(t, cfg, func(q *Queue) {
		q.fail = func(string) error {
			select {
			case entered <- struct{}{}:
			default:
			}
			<-held
			return nil
		}
	})
	return q, entered, held
}

func TestSlowDiskBoundsMemory(t *testing.T) {
	q, entered, held := openOnSlowDisk(t)
	value := make([]byte, 1<<10)
	first := q.Put(events, "", value)
	<-entered
	var waiting []*Commit
	for {
		commit := q.Put(events, "", value)
		var full *FullError
		select {
		case <-commit.done:
			if !errors.As(commit.err, &full) || full.Reason != ReasonBusy {
				t.Fatal(commit.err)
			}
		default:
			waiting = append(waiting, commit)
			continue
		}
		break
	}
	if n := len(waiting); n != 63 {
		t.Errorf("%d values wait, want 63", n)
	}
	close(held)
	for _, commit := range append(waiting, first) {
		if err := commit.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if values, _ := q.Depth(events); values != 64 {
		t.Errorf("depth %d", values)
	}
}

func TestValuesOfOnePutShareAFate(t *testing.T) {
	fail := atomic.Bool{}
	cfg := testConfig(t)
	cfg.GroupBytes = 1 << 10
	q := openTest(t, cfg, func(q *Queue) {
		q.fail = func(string) error {
			if fail.Load() {
				return errors.New("injected")
			}
			return nil
		}
	})
	big := strings.Repeat("v", 700)
	put(t, q, events, big, big, big, big, big) // three groups
	fail.Store(true)
	if err := q.Put(events, "", []byte(big), []byte(big), []byte(big)).Wait(t.Context()); !errors.Is(err, ErrSealed) {
		t.Fatal(err)
	}
	fail.Store(false)
	put(t, q, events, "after")
	equal(t, "stored", drain(t, q)[events], []string{big, big, big, big, big, "after"})
}

func TestTooLarge(t *testing.T) {
	cfg := testConfig(t)
	q := openTest(t, cfg)
	for name, values := range map[string][][]byte{
		"value": {make([]byte, MaxValueBytes+1)},
		"put":   {make([]byte, MaxValueBytes), make([]byte, cfg.PendingBytes-MaxValueBytes+1)},
	} {
		if err := q.Put(events, "", values...).Wait(t.Context()); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := q.Put(gosight.Lane_LANE_UNSPECIFIED, "", []byte("v")).Wait(t.Context()); err == nil {
		t.Error("no lane: taken")
	}
}

func TestDirectoryInUse(t *testing.T) {
	cfg := testConfig(t)
	cfg.LockTimeout = 50 * time.Millisecond
	openTest(t, cfg)
	_, err := Open(cfg, prometheus.NewRegistry(), testLog(t))
	if err == nil || !strings.Contains(err.Error(), "another process") {
		t.Fatalf("second open: %v", err)
	}
}

func TestUnusableDirectory(t *testing.T) {
	cfg := testConfig(t)
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Dir = filepath.Join(file, "queue")
	_, err := Open(cfg, prometheus.NewRegistry(), testLog(t))
	if err == nil || !strings.Contains(err.Error(), "--queue-dir") {
		t.Fatalf("open below a file: %v", err)
	}
}

func TestDeliveredSegmentsAreRemoved(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentBytes, cfg.MaxBytes = 64<<10, 64<<20
	q := openTest(t, cfg)
	value := strings.Repeat("v", 20<<10)
	for range 30 {
		put(t, q, events, value)
	}
	chunks := []Chunk{}
	for range 30 {
		chunks = append(chunks, read(t, q, 1))
	}
	files := func() int {
		entries, err := os.ReadDir(q.laneDir(events))
		if err != nil {
			t.Fatal(err)
		}
		return len(entries)
	}
	if n := files(); n < 10 {
		t.Fatalf("%d segments before anything is delivered", n)
	}
	// The oldest stays: nothing else depends on it.
	for _, chunk := range chunks[1:] {
		if err := q.Done(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if n := files(); n > 2 {
		t.Errorf("%d segments left for one undelivered value", n)
	}
	if err := q.Done(chunks[0]); err != nil {
		t.Fatal(err)
	}
	if n := files(); n > 1 {
		t.Errorf("%d segments left of nothing", n)
	}
	if n := len(q.lanes[0].delivered); n != 1 {
		t.Errorf("delivered positions: %v", q.lanes[0].delivered)
	}
}
