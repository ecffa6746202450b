package queue

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// model is the queue as its users may imagine it: lists in memory.
type model struct {
	t   *rapid.T
	tmp string // a directory for the directories of all runs
	cfg Config
	q   *Queue

	fail  atomic.Pointer[string] // the failpoint that fails
	runs  int
	n     int
	lanes map[gosight.Lane]*modelLane
	held  []Chunk
}

type modelLane struct {
	put  []string        // everything ever put, in order
	must map[string]bool // acknowledged and not done: must come
	may  map[string]bool // may come, or not: done before a crash, or not acknowledged
	next int             // values of put below were read in this run, or need not come
}

func newModel(t *rapid.T, tmp string) *model {
	cfg := Default()
	cfg.MinFreeBytes = 0
	cfg.SegmentBytes, cfg.MaxBytes, cfg.GroupBytes = 64<<10, 1<<30, 4<<10
	cfg.GroupDelay, cfg.SaveInterval = 0, time.Hour
	m := &model{t: t, tmp: tmp, cfg: cfg, lanes: map[gosight.Lane]*modelLane{}}
	for _, lane := range []gosight.Lane{events, replay} {
		m.lanes[lane] = &modelLane{must: map[string]bool{}, may: map[string]bool{}}
	}
	m.open(m.newDir())
	return m
}

func (m *model) newDir() string {
	m.runs++
	return filepath.Join(m.tmp, fmt.Sprint(m.runs))
}

func (m *model) open(dir string) {
	m.cfg.Dir = dir
	var err error
	m.q, err = open(m.cfg, prometheus.NewRegistry(), discard, func(q *Queue) {
		q.fail = func(point string) error {
			if failing := m.fail.Load(); failing != nil && *failing == point {
				return errors.New("injected")
			}
			return nil
		}
	})
	if err != nil {
		m.t.Fatalf("open: %v", err)
	}
	m.held = nil
	for _, lane := range m.lanes {
		lane.next = 0
	}
}

func (m *model) drawValues(t *rapid.T) (values []string, raw [][]byte) {
	for range rapid.IntRange(1, 4).Draw(t, "values") {
		size := rapid.SampledFrom([]int{0, 10, 500, 3000, 9000}).Draw(t, "size")
		value := fmt.Sprintf("%06d-%s", m.n, strings.Repeat("x", size))
		m.n++
		values, raw = append(values, value), append(raw, []byte(value))
	}
	return values, raw
}

// projectOf makes some values nobody's and the others one of two projects'.
func projectOf(first string) string { return []string{"", "shop", "site"}[int(first[5])%3] }

func drawLane(t *rapid.T) gosight.Lane {
	return rapid.SampledFrom([]gosight.Lane{events, replay}).Draw(t, "lane")
}

func (m *model) Put(t *rapid.T) {
	id := drawLane(t)
	lane := m.lanes[id]
	values, raw := m.drawValues(t)
	if err := m.q.Put(id, projectOf(values[0]), raw...).Wait(background); err != nil {
		t.Fatalf("put: %v", err)
	}
	lane.put = append(lane.put, values...)
	for _, value := range values {
		lane.must[value] = true
	}
}

// FailedPut fails before anything is written, or after all of it is.
func (m *model) FailedPut(t *rapid.T) {
	id := drawLane(t)
	point := rapid.SampledFrom([]string{"write", "fsync"}).Draw(t, "failpoint")
	m.fail.Store(&point)
	defer m.fail.Store(nil)
	values, raw := m.drawValues(t)
	if err := m.q.Put(id, projectOf(values[0]), raw...).Wait(background); !errors.Is(err, ErrSealed) {
		t.Fatalf("put with a failing disk: %v", err)
	}
	m.lanes[id].put = append(m.lanes[id].put, values...)
	for _, value := range values {
		m.lanes[id].may[value] = true
	}
}

func (m *model) Read(t *rapid.T) {
	chunk, ok := tryRead(m.q, rapid.SampledFrom([]int{1, 2000, 20000, 1 << 20}).Draw(t, "bytes"))
	if !ok {
		for id, lane := range m.lanes {
			if missing := lane.outstanding(m.held, id); len(missing) > 0 {
				t.Fatalf("%s: nothing to read, missing %.200q", laneName(id), missing)
			}
		}
		return
	}
	if chunk.Lane == replay {
		if missing := m.lanes[events].outstanding(m.held, events); len(missing) > 0 {
			t.Fatalf("replay was read before %.200q", missing)
		}
	}
	lane := m.lanes[chunk.Lane]
	for _, bytes := range chunk.Values {
		value := string(bytes)
		if !lane.must[value] && !lane.may[value] {
			t.Fatalf("%.20q was read and is done, or was never put", value)
		}
		at := slices.Index(lane.put, value)
		// What must come and was not yet read cannot be passed over.
		for _, before := range lane.put[min(lane.next, at):at] {
			if lane.must[before] && !isHeld(m.held, before) {
				t.Fatalf("%.20q was read before %.20q", value, before)
			}
		}
		lane.next = max(lane.next, at+1)
	}
	m.held = append(m.held, chunk)
}

// outstanding is what must come and is in nobody's hands.
func (l *modelLane) outstanding(held []Chunk, id gosight.Lane) (values []string) {
	for _, value := range l.put {
		if l.must[value] && !isHeld(held, value) {
			values = append(values, value)
		}
	}
	return values
}

func isHeld(held []Chunk, value string) bool {
	return slices.ContainsFunc(held, func(c Chunk) bool {
		return slices.ContainsFunc(c.Values, func(v []byte) bool { return string(v) == value })
	})
}

func (m *model) takeHeld(t *rapid.T) Chunk {
	if len(m.held) == 0 {
		t.Skip("nothing held")
	}
	i := rapid.IntRange(0, len(m.held)-1).Draw(t, "held")
	chunk := m.held[i]
	m.held = slices.Delete(m.held, i, i+1)
	return chunk
}

func (m *model) Done(t *rapid.T) {
	chunk := m.takeHeld(t)
	if err := m.q.Done(chunk); err != nil {
		t.Fatalf("done: %v", err)
	}
	lane := m.lanes[chunk.Lane]
	for _, value := range chunk.Values {
		delete(lane.must, string(value))
		delete(lane.may, string(value))
		if !slices.Contains(lane.put, string(value)) {
			t.Fatalf("%.20q was never put", value)
		}
	}
}

func (m *model) Release(t *rapid.T) {
	chunk := m.takeHeld(t)
	if err := m.q.Release(chunk); err != nil {
		t.Fatalf("release: %v", err)
	}
	lane := m.lanes[chunk.Lane]
	lane.next = min(lane.next, slices.Index(lane.put, string(chunk.Values[0])))
}

// Crash goes on with a copy of the files as they are now, as after kill -9; what was done may come again.
func (m *model) Crash(t *rapid.T) {
	if rapid.Bool().Draw(t, "positions saved") {
		if err := m.q.saveWatermarks(); err != nil {
			t.Fatal(err)
		}
	}
	dir := m.newDir()
	copyTree(t, m.cfg.Dir, dir)
	if err := m.q.Close(); err != nil {
		t.Fatal(err)
	}
	for _, lane := range m.lanes {
		for _, value := range lane.put {
			if !lane.must[value] {
				lane.may[value] = true
			}
		}
	}
	m.open(dir)
}

// Reopen is a clean stop and start: nothing that is done, and nothing that failed, comes again.
func (m *model) Reopen(t *rapid.T) {
	if err := m.q.Close(); err != nil {
		t.Fatal(err)
	}
	m.open(m.cfg.Dir)
}

func (m *model) Check(t *rapid.T) {
	for id, lane := range m.lanes {
		depth, _ := m.q.Depth(id)
		if low, high := int64(len(lane.must)), int64(len(lane.must)+len(lane.may)); depth < low || depth > high {
			t.Fatalf("%s: depth %d, not within %d and %d", laneName(id), depth, low, high)
		}
	}
	m.checkHoldings(t)
}

// checkHoldings compares what the queue believes that projects hold with the keys of its undelivered groups.
func (m *model) checkHoldings(t *rapid.T) {
	want := map[string]int64{}
	for _, l := range m.q.lanes {
		for _, segment := range l.segments {
			if _, err := segment.inspect(func(key groupKey) {
				if !l.delivered.has(key.seq) {
					for project, bytes := range ownersOf(key.owners) {
						want[project] += bytes
					}
				}
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !maps.Equal(m.q.held.of, want) {
		t.Fatalf("held are %v, undelivered %v", m.q.held.of, want)
	}
}

func copyTree(t *rapid.T, from, to string) {
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		local, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			return os.MkdirAll(filepath.Join(to, local), 0o700)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, local), data, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAgainstModel(t *testing.T) {
	// A check is some hundred fsyncs; -rapid.checks asks for more of them.
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("15"); err != nil {
			t.Fatal(err)
		}
	}
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		m := newModel(rt, filepath.Join(t.TempDir(), fmt.Sprint(run)))
		defer func() { m.q.Close() }()
		actions := rapid.StateMachineActions(m)
		actions["Put again"] = m.Put // as often as all else together
		actions["Read again"] = m.Read
		rt.Repeat(actions)
		// In the end all of it can be had.
		for len(m.held) > 0 {
			if err := m.q.Release(m.held[0]); err != nil {
				rt.Fatal(err)
			}
			m.held = m.held[1:]
		}
		for _, lane := range m.lanes {
			lane.next = 0
		}
		for {
			before := len(m.held)
			m.Read(rt)
			if len(m.held) == before {
				return
			}
		}
	})
}

// TestCopiedWhileWriting opens copies that were taken in the middle of commits: pages of different ages, which is
// worse than any crash. What was acknowledged before the copy began must be in it.
func TestCopiedWhileWriting(t *testing.T) {
	cfg := testConfig(t)
	cfg.SegmentBytes, cfg.MaxBytes, cfg.GroupDelay = 256<<10, 64<<20, 0
	q := openTest(t, cfg)
	var mu sync.Mutex
	acked := map[string]bool{}
	stop := make(chan struct{})
	var writers sync.WaitGroup
	for w := range 4 {
		writers.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				value := fmt.Sprintf("%d-%06d-%s", w, i, strings.Repeat("x", i%3000))
				if err := q.Put(events, "", []byte(value)).Wait(background); err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				acked[value] = true
				mu.Unlock()
			}
		})
	}
	rounds := 15
	if testing.Short() {
		rounds = 4
	}
	for range rounds {
		time.Sleep(5 * time.Millisecond) // more work for the writers, nothing is waited for
		mu.Lock()
		must := make([]string, 0, len(acked))
		for value := range acked {
			must = append(must, value)
		}
		mu.Unlock()
		copied := cfg
		copied.Dir = filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied.Dir, os.DirFS(cfg.Dir)); err != nil {
			t.Fatal(err)
		}
		found := map[string]bool{}
		c := openTest(t, copied)
		for _, value := range drain(t, c)[events] {
			if found[value] {
				t.Errorf("%.20q twice", value)
			}
			found[value] = true
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		for _, value := range must {
			if !found[value] {
				t.Fatalf("%.20q was acknowledged before the copy and is not in it (%d of %d)", value, len(found), len(must))
			}
		}
	}
	close(stop)
	writers.Wait()
}
