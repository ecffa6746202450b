package chaos

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// report is what a run came to.
type report struct {
	sent, acked, refused, unknown, stored int
	// What must not be.
	missing, doubled, refusedStored, neverSent int
	// Ranges of events that are missing.
	missingBlocks int
	// What else is not as it should be: numbers that the product shows.
	wrong []string
}

func (r *report) add(format string, args ...any) {
	if len(r.wrong) < 20 {
		r.wrong = append(r.wrong, fmt.Sprintf(format, args...))
	}
}

// holds says whether the promise was kept; allowedBlocks of loss are named by counters.
func (r *report) holds(allowedBlocks int) bool {
	return r.missingBlocks <= allowedBlocks && r.doubled == 0 && r.refusedStored == 0 && r.neverSent == 0 && len(r.wrong) == 0
}

func (r *report) String() string {
	text := fmt.Sprintf("sent %d, acked %d, refused %d, outcome unknown %d, stored %d; "+
		"acked and missing %d, stored twice %d, refused yet stored %d, stored and never sent %d",
		r.sent, r.acked, r.refused, r.unknown, r.stored, r.missing, r.doubled, r.refusedStored, r.neverSent)
	if len(r.wrong) > 0 {
		text += "\n  " + strings.Join(r.wrong, "\n  ")
	}
	return text
}

// journals reads what the workers wrote: by run, what every event came to.
func journals(dir string) (map[string][]string, error) {
	runs := map[string][]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		file, err := os.Open(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		defer file.Close()
		var outcomes []string
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			var what string
			var first, last int
			if _, err := fmt.Sscan(lines.Text(), &what, &first, &last); err != nil {
				return nil, fmt.Errorf("%s: %q: %w", entry.Name(), lines.Text(), err)
			}
			for len(outcomes) <= last {
				outcomes = append(outcomes, "")
			}
			for seq := first; seq <= last; seq++ {
				outcomes[seq] = what
				if what == sent {
					outcomes[seq] = unknown // until the next line says better
				}
			}
		}
		if err := lines.Err(); err != nil {
			return nil, err
		}
		runs[entry.Name()] = outcomes
	}
	return runs, nil
}

// tally is what a session has.
type tally struct{ events, clicks, replay int }

// check holds what is stored against what was acked.
func (h *house) check(d *driver) *report {
	h.t.Helper()
	r := &report{}
	runs, err := journals(d.dir)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, w := range d.workers {
		for _, wrong := range w.wrong {
			r.add("answer: %s", wrong)
		}
	}
	rows := map[string][]uint8{} // by run
	for run, outcomes := range runs {
		rows[run] = make([]uint8, len(outcomes))
	}
	ledger := map[string]tally{}
	for line := range strings.Lines(h.mustQuery("SELECT session_id, event_id FROM events FINAL")) {
		session, id, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		run, number, _ := strings.Cut(id, ".")
		seq, err := strconv.Atoi(number)
		r.stored++
		if err != nil || seq >= len(rows[run]) || sessionOf(run, seq) != session {
			r.neverSent++
			r.add("never sent: event %q of session %q", id, session)
			continue
		}
		rows[run][seq]++
		t := ledger[session]
		t.events++
		if isClick(run, seq) {
			t.clicks++
		}
		if isReplay(run, seq) {
			t.replay++
		}
		ledger[session] = t
	}
	parts := h.replayBytes()
	for run, outcomes := range runs {
		lastMissing := -1
		for seq, outcome := range outcomes {
			r.sent++
			n := rows[run][seq]
			if n > 1 {
				r.doubled += int(n) - 1
			}
			missing := false
			switch {
			case invalid(run, seq) || outcome == refused:
				r.refused++
				if n > 0 {
					r.refusedStored++
					r.add("refused yet stored: %s.%d", run, seq)
				}
			case outcome == acked:
				r.acked++
				missing = n == 0
			default:
				r.unknown++
			}
			if n > 0 && isReplay(run, seq) {
				id := fmt.Sprintf("%s.%d", run, seq)
				want := len(newEvent(run, seq, time.Now().UnixMilli()).Payload)
				if got := parts[id]; got != want && outcome == acked {
					missing = got < want
					if !missing {
						r.add("replay of %s has %d bytes of %d", id, got, want)
					}
				}
			}
			if missing {
				r.missing++
				if seq/block != lastMissing {
					r.missingBlocks++
					lastMissing = seq / block
				}
			}
		}
	}
	r.wrong = append(r.wrong, h.settled(func() []string { return h.shown(ledger) })...)
	if h.settles > 0 { // negative controls have failed by now
		h.checkQueries(r, ledger)
	}
	return r
}

// settled asks until nothing is wrong, or too long has passed: signals follow their events by seconds.
func (h *house) settled(wrong func() []string) []string {
	for deadline := time.Now().Add(h.settles); ; time.Sleep(500 * time.Millisecond) {
		said := wrong()
		if len(said) == 0 || time.Now().After(deadline) {
			return said
		}
	}
}

// replayBytes is how much of each replay event is there, whole parts put together.
func (h *house) replayBytes() map[string]int {
	bytes := map[string]int{}
	for line := range strings.Lines(h.mustQuery("SELECT event_id, sum(length(data)) FROM replay FINAL GROUP BY event_id")) {
		id, n, _ := strings.Cut(strings.TrimSpace(line), "\t")
		bytes[id], _ = strconv.Atoi(n)
	}
	return bytes
}
