package queue

import (
	"bytes"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/gosight/gosight/proto/gen/gosight"
)

// fillAs puts values of a project until the lane refuses, and returns how many bytes it took and why no more.
func fillAs(t *testing.T, q *Queue, lane gosight.Lane, project string) (taken int64, reason Reason) {
	t.Helper()
	value := bytes.Repeat([]byte("x"), 32<<10)
	for range 1000 {
		err := q.Put(lane, project, value).Wait(t.Context())
		var full *FullError
		if errors.As(err, &full) {
			return taken, full.Reason
		}
		if err != nil {
			t.Fatal(err)
		}
		taken += int64(len(value))
	}
	t.Fatal("never full")
	return 0, ""
}

func shareConfig(t *testing.T) Config {
	cfg := testConfig(t)
	cfg.SegmentBytes, cfg.MaxBytes = 256<<10, 8<<20
	return cfg
}

// Nobody takes anything away: a project that filled its share before is refused, and others find room in both lanes.
// What it holds is known after a restart too, and given back as it is delivered.
func TestALoudProjectLeavesRoom(t *testing.T) {
	cfg := shareConfig(t)
	q := openTest(t, cfg)
	loud, reason := fillAs(t, q, events, "loud")
	if share := float64(loud) / float64(cfg.MaxBytes); reason != ReasonShare || share < 0.6 || share > 0.71 {
		t.Errorf("alone it took %.2f of the room and then met %q", share, reason)
	}
	if n := testutil.ToFloat64(q.m.refused.WithLabelValues("events", "share")); n != 1 {
		t.Errorf("%v refusals counted", n)
	}
	check := func(when string) {
		t.Helper()
		if got := q.held.get("loud"); got != loud {
			t.Errorf("%s it holds %d bytes, put were %d", when, got, loud)
		}
		for _, lane := range []gosight.Lane{events, replay} {
			if _, reason := fillAs(t, q, lane, "loud"); reason != ReasonShare {
				t.Errorf("%s, %s: the loud one meets %q", when, laneName(lane), reason)
			}
			if err := q.Put(lane, "quiet", make([]byte, 16<<10)).Wait(t.Context()); err != nil {
				t.Errorf("%s, %s: the quiet one: %v", when, laneName(lane), err)
			}
		}
	}
	check("full")
	if err := q.Close(); err != nil {
		t.Fatal(err)
	}
	q = openTest(t, cfg)
	check("after a restart")
	drain(t, q)
	if len(q.held.of) != 0 {
		t.Errorf("all is delivered, and held are %v", q.held.of)
	}
	if again, _ := fillAs(t, q, events, "loud"); again < loud/2 {
		t.Errorf("after all was delivered it may put %d bytes, %d before", again, loud)
	}
}

// However many loud ones there are, they come to like shares, and one that comes last finds room.
func TestLoudProjectsShareAlike(t *testing.T) {
	q := openTest(t, shareConfig(t))
	names := []string{"a", "b", "c", "d"}
	value, taken := make([]byte, 16<<10), map[string]int{}
	for progress := true; progress; {
		progress = false
		for _, project := range names {
			if q.Put(events, project, value).Wait(t.Context()) == nil {
				taken[project]++
				progress = true
			}
		}
	}
	for _, project := range names {
		if taken[project] < taken["a"]-1 || taken[project] > taken["a"]+1 {
			t.Errorf("unlike shares: %v", taken)
		}
	}
	if err := q.Put(events, "late", make([]byte, 256<<10)).Wait(t.Context()); err != nil {
		t.Errorf("the one that comes last: %v", err)
	}
}

// A disk that is slow holds values in memory: that room is shared in the same way.
func TestALoudProjectLeavesMemory(t *testing.T) {
	q, entered, held := openOnSlowDisk(t)
	value := make([]byte, 1<<10)
	commits := []*Commit{q.Put(events, "loud", value)}
	<-entered
	for {
		commit := q.Put(events, "loud", value)
		var full *FullError
		if errors.As(commit.err, &full) {
			if full.Reason != ReasonShare || len(commits) < 40 || len(commits) > 46 {
				t.Errorf("%d values of the loud one wait, then %v", len(commits), full)
			}
			break
		}
		commits = append(commits, commit)
	}
	commits = append(commits, q.Put(events, "quiet", value))
	close(held)
	for _, commit := range commits {
		if err := commit.Wait(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if waiting := q.lane(events).waiting; len(waiting) != 0 {
		t.Errorf("nothing waits, and counted are %v", waiting)
	}
}

func TestProjectShareOfOneSetsNoBound(t *testing.T) {
	cfg := shareConfig(t)
	cfg.ProjectShare = 1
	if taken, reason := fillAs(t, openTest(t, cfg), events, "alone"); reason != ReasonSize || taken < cfg.MaxBytes*3/4 {
		t.Errorf("it took %d of %d bytes and then met %q", taken, cfg.MaxBytes, reason)
	}
}

func TestOwners(t *testing.T) {
	var all owners
	want := map[string]int64{}
	for i := range 20 {
		project := strings.Repeat("p", i+1)
		all.add(project, 10*(i+1))
		all.add(project, 5)
		all.add("", 1000)
		if i >= 4 { // the largest
			want[project] = int64(10*(i+1) + 5)
		}
	}
	text := all.encode()
	if got := maps.Collect(ownersOf(text)); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for cut := range len(text) {
		for project := range ownersOf(text[:cut]) {
			if want[project] == 0 {
				t.Errorf("cut at %d there is a project %q", cut, project)
			}
		}
	}
	for range ownersOf(strings.Repeat("\xff", 12)) {
		t.Error("no number, and yet an owner")
	}
}

func FuzzOwners(f *testing.F) {
	f.Add(owners{{"shop", 300}, {"site", 7}}.encode())
	f.Fuzz(func(t *testing.T, text string) {
		total := 0
		for project, bytes := range ownersOf(text) {
			if bytes < 0 || bytes > maxGroupBytes {
				t.Fatalf("%d bytes", bytes)
			}
			total += len(project)
		}
		if total > len(text) {
			t.Fatalf("names of %d bytes in %d", total, len(text))
		}
	})
}
