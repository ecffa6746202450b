package bus

import (
	"testing"
	"time"
)

func TestRewindIsBounded(t *testing.T) {
	at := &position{next: -1, committed: -1}
	for second := range int64(1000) {
		for i := range int64(5) {
			at.pass(second*5+i, second*1000+i*200, second*1000+i*200)
		}
		at.note(second*1000+999, 45*time.Second)
	}
	if n := len(at.trail); n > 70 {
		t.Errorf("the trail holds %d waypoints", n)
	}
	said := at.note(999_999, 45*time.Second)
	if at.trail[0].time > 999_800-60_000 || at.trail[0].time < 999_800-62_000 || said.RereadFrom != at.trail[0].offset {
		t.Errorf("would re-read from time %d, want 45 s and the 15 s of rules that wait before 999800", at.trail[0].time)
	}
	if said.Settled < 984*5 || said.Settled > 985*5 {
		t.Errorf("settled before offset %d, want what was handled 15 s ago", said.Settled)
	}
}

// A backlog of minutes that was handled within a second: all of it may have more to say, and so has whatever a
// successor finds that dies early too.
func TestWhatWasHandledJustNowIsNotSettled(t *testing.T) {
	at := &position{next: -1, committed: -1, settled: 100}
	for second := range int64(600) {
		at.pass(40+second, second*1000, 1_000_000)
	}
	if said := at.note(1_001_000, 90*time.Second); said.Settled != 100 || said.RereadFrom != 40 {
		t.Errorf("a second later: %+v", said)
	}
	if said := at.note(1_016_000, 90*time.Second); said.Settled != 639 || said.RereadFrom != 639-90 {
		t.Errorf("16 seconds later: %+v", said)
	}
}
