package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/gosight/gosight/proto/gen/gosight"
)

const (
	events = gosight.Lane_LANE_EVENTS
	replay = gosight.Lane_LANE_REPLAY
)

var (
	background = context.Background()
	discard    = slog.New(slog.DiscardHandler)
)

func testConfig(t testing.TB) Config {
	cfg := Default()
	cfg.Dir = filepath.Join(t.TempDir(), "queue")
	cfg.MinFreeBytes = 1 << 20
	return cfg
}

func testLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil))
}

func openTest(t testing.TB, cfg Config, adjust ...func(*Queue)) *Queue {
	t.Helper()
	q, err := open(cfg, prometheus.NewRegistry(), testLog(t), func(q *Queue) {
		for _, a := range adjust {
			a(q)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { q.Close() })
	return q
}

func put(t testing.TB, q *Queue, lane gosight.Lane, values ...string) {
	t.Helper()
	raw := make([][]byte, len(values))
	for i, value := range values {
		raw[i] = []byte(value)
	}
	if err := q.Put(lane, "", raw...).Wait(t.Context()); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func read(t testing.TB, q *Queue, maxBytes int) Chunk {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	chunk, err := q.Read(ctx, maxBytes)
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return chunk
}

// drain reads and finishes until nothing is left, and returns the values of each lane in the order read.
func drain(t testing.TB, q *Queue) map[gosight.Lane][]string {
	t.Helper()
	got := map[gosight.Lane][]string{}
	for {
		chunk, ok := tryRead(q, 1<<20)
		if !ok {
			return got
		}
		for _, value := range chunk.Values {
			got[chunk.Lane] = append(got[chunk.Lane], string(value))
		}
		if err := q.Done(chunk); err != nil {
			t.Fatal(err)
		}
	}
}

// tryRead reads what is there now.
func tryRead(q *Queue, maxBytes int) (Chunk, bool) {
	for _, l := range q.lanes {
		if chunk, ok, _ := l.read(maxBytes); ok {
			return chunk, true
		}
	}
	return Chunk{}, false
}

func equal(t testing.TB, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\x00") != strings.Join(want, "\x00") {
		t.Fatalf("%s: got %d values %.300q, want %d %.300q", what, len(got), got, len(want), want)
	}
}

func TestReadsInOrderEventsFirst(t *testing.T) {
	q := openTest(t, testConfig(t))
	put(t, q, replay, "r1")
	put(t, q, events, "e1", "e2")
	put(t, q, events, "e3")
	if chunk := read(t, q, 1<<20); chunk.Lane != events || len(chunk.Values) != 3 || chunk.Bytes != 6 {
		t.Fatalf("first chunk: %+v", chunk)
	}
	if chunk := read(t, q, 1<<20); chunk.Lane != replay || string(chunk.Values[0]) != "r1" {
		t.Fatalf("second chunk: %+v", chunk)
	}
	if values, bytes := q.Depth(events); values != 3 || bytes != 6 {
		t.Fatalf("reading changed the depth: %d values, %d bytes", values, bytes)
	}
}

func TestReleasedIsReadNext(t *testing.T) {
	q := openTest(t, testConfig(t))
	for i := range 6 {
		put(t, q, events, fmt.Sprint(i))
	}
	a, b, c := read(t, q, 1), read(t, q, 1), read(t, q, 1)
	for _, chunk := range []Chunk{c, a} {
		if err := q.Release(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if err := q.Release(a); !errors.Is(err, ErrNotInFlight) {
		t.Fatalf("second release: %v", err)
	}
	if err := q.Done(b); err != nil {
		t.Fatal(err)
	}
	if err := q.Done(b); !errors.Is(err, ErrNotInFlight) {
		t.Fatalf("second done: %v", err)
	}
	equal(t, "after release", drain(t, q)[events], []string{"0", "2", "3", "4", "5"})
}

func TestReadWaitsForACommit(t *testing.T) {
	q := openTest(t, testConfig(t))
	got := make(chan Chunk)
	go func() {
		chunk, _ := q.Read(t.Context(), 1)
		got <- chunk
	}()
	put(t, q, replay, "later")
	if chunk := <-got; string(chunk.Values[0]) != "later" {
		t.Fatalf("read %q", chunk.Values)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := q.Read(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Fatalf("read of an empty queue: %v", err)
	}
}

func TestSurvivesReopening(t *testing.T) {
	cfg := testConfig(t)
	q := openTest(t, cfg)
	put(t, q, events, "done")
	if err := q.Done(read(t, q, 1)); err != nil {
		t.Fatal(err)
	}
	put(t, q, events, "in flight")
	read(t, q, 1)
	put(t, q, events, "unread")
	put(t, q, replay, "replay")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	if err := q.Put(events, "", []byte("late")).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Fatalf("put after close: %v", err)
	}
	if _, err := q.Read(t.Context(), 1); !errors.Is(err, ErrClosed) {
		t.Fatalf("read after close: %v", err)
	}

	q = openTest(t, cfg)
	if values, _ := q.Depth(events); values != 2 {
		t.Fatalf("depth after reopening: %d", values)
	}
	got := drain(t, q)
	equal(t, "events", got[events], []string{"in flight", "unread"})
	equal(t, "replay", got[replay], []string{"replay"})
}
