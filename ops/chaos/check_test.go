package chaos

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
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

// shown says where numbers that the product shows differ from the ledger.
func (h *house) shown(ledger map[string]tally) []string {
	r := &report{}
	h.checkSessionsTable(r, ledger)
	signals := h.checkSignals(r, ledger)
	h.checkSessionList(r, ledger)
	h.checkVisits(r, ledger)
	h.checkInsights(r, signals)
	h.checkNothingAside(r)
	return r.wrong
}

func (h *house) checkSessionsTable(r *report, ledger map[string]tally) {
	seen := 0
	for line := range strings.Lines(h.mustQuery("SELECT session_id, sum(events), sum(clicks) FROM sessions FINAL GROUP BY session_id")) {
		var session string
		var events, clicks int
		if _, err := fmt.Sscan(line, &session, &events, &clicks); err != nil {
			r.add("sessions: %q: %v", line, err)
		}
		seen++
		if t := ledger[session]; t.events != events || t.clicks != clicks {
			r.add("sessions FINAL: %s has %d events and %d clicks, the ledger %d and %d", session, events, clicks, t.events, t.clicks)
		}
	}
	if seen != len(ledger) {
		r.add("sessions FINAL: %d sessions, the ledger has %d", seen, len(ledger))
	}
}

// checkSignals wants one rage click, of all its clicks, in each session that is made for it, and none elsewhere.
func (h *house) checkSignals(r *report, ledger map[string]tally) (rages int) {
	found := map[string]int{}
	for line := range strings.Lines(h.mustQuery("SELECT session_id, count FROM signals FINAL WHERE kind = 'rage_click'")) {
		var session string
		var clicks int
		if _, err := fmt.Sscan(line, &session, &clicks); err != nil {
			r.add("signals: %q: %v", line, err)
		}
		rages++
		found[session]++
		if clicks != rageClicks {
			r.add("signals FINAL: rage click of %s has %d clicks", session, clicks)
		}
	}
	for session, t := range ledger {
		want := 0
		if strings.HasPrefix(session, "rage") && t.events == rageClicks {
			want = 1
		}
		if found[session] != want {
			r.add("signals FINAL: %s with %d events has %d rage clicks", session, t.events, found[session])
		}
	}
	return rages
}

func (h *house) checkSessionList(r *report, ledger map[string]tally) {
	seen := map[string]bool{}
	for cursor, first := "", true; first || cursor != ""; first = false {
		var page struct {
			Sessions []struct {
				SessionID string         `json:"session_id"`
				Events    int            `json:"events"`
				Clicks    int            `json:"clicks"`
				Signals   map[string]int `json:"signals"`
			} `json:"sessions"`
			NextCursor string `json:"next_cursor"`
		}
		if err := h.get("/sessions", url.Values{"limit": {"200"}, "cursor": {cursor}}, &page); err != nil {
			r.add("API sessions: %v", err)
			return
		}
		for _, s := range page.Sessions {
			if seen[s.SessionID] {
				r.add("API sessions: %s twice", s.SessionID)
			}
			seen[s.SessionID] = true
			t := ledger[s.SessionID]
			rages := 0
			if strings.HasPrefix(s.SessionID, "rage") && t.events == rageClicks {
				rages = 1
			}
			if s.Events != t.events || s.Clicks != t.clicks || s.Signals["rage_click"] != rages {
				r.add("API sessions: %s has %d events, %d clicks, signals %v; the ledger %+v", s.SessionID, s.Events, s.Clicks,
					s.Signals, t)
			}
		}
		cursor = page.NextCursor
	}
	if len(seen) != len(ledger) {
		r.add("API sessions: %d sessions, the ledger has %d", len(seen), len(ledger))
	}
}

// checkVisits opens some sessions as an analyst does.
func (h *house) checkVisits(r *report, ledger map[string]tally) {
	sessions := make([]string, 0, len(ledger))
	for session := range ledger {
		sessions = append(sessions, session)
	}
	slices.Sort(sessions)
	for i := 0; i < len(sessions); i += max(1, len(sessions)/12) {
		session := sessions[i]
		events, replay := map[string]int{}, map[string]int{}
		for cursor, first := "", true; first || cursor != ""; first = false {
			var page struct {
				Events []struct {
					EventID string `json:"event_id"`
				} `json:"events"`
				NextCursor string `json:"next_cursor"`
			}
			err := h.get("/sessions/"+session+"/events", url.Values{"limit": {"200"}, "cursor": {cursor}}, &page)
			if err != nil {
				r.add("API events: %v", err)
				return
			}
			for _, ev := range page.Events {
				events[ev.EventID]++
			}
			cursor = page.NextCursor
		}
		for cursor, more := "", true; more; {
			var page struct {
				IDs        []string `json:"ids"`
				NextCursor string   `json:"next_cursor"`
				Incomplete int      `json:"incomplete"`
			}
			err := h.get("/sessions/"+session+"/replay", url.Values{"limit": {"100"}, "cursor": {cursor}}, &page)
			if err != nil {
				r.add("API replay: %v", err)
				return
			}
			for _, id := range page.IDs {
				replay[id]++
			}
			if page.Incomplete > 0 {
				r.add("API replay: %s has %d incomplete events", session, page.Incomplete)
			}
			more = page.NextCursor != "" && page.NextCursor != cursor && len(page.IDs) > 0
			cursor = page.NextCursor
		}
		for _, seen := range []map[string]int{events, replay} {
			for id, n := range seen {
				if n > 1 {
					r.add("API: %s shows %s %d times", session, id, n)
				}
			}
		}
		if t := ledger[session]; len(events) != t.events-t.replay || len(replay) != t.replay {
			r.add("API: %s shows %d events and %d of replay, the ledger has %+v", session, len(events), len(replay), t)
		}
	}
}

func (h *house) checkInsights(r *report, rages int) {
	now := time.Now()
	var insights struct {
		Series []struct {
			Points []struct {
				Count int `json:"count"`
			} `json:"points"`
		} `json:"series"`
	}
	err := h.get("/insights", url.Values{
		"from": {fmt.Sprint(now.Add(-3 * time.Hour).UnixMilli())}, "to": {fmt.Sprint(now.Add(time.Hour).UnixMilli())},
		"bucket_ms": {"60000"}, "kind": {"rage_click"},
	}, &insights)
	if err != nil {
		r.add("API insights: %v", err)
		return
	}
	total := 0
	for _, series := range insights.Series {
		for _, point := range series.Points {
			total += point.Count
		}
	}
	if total != rages {
		r.add("API insights: %d rage clicks, signals FINAL has %d", total, rages)
	}
}

// checkNothingAside wants no dead letters and no batches set aside: nothing here was ever wrong with a batch.
func (h *house) checkNothingAside(r *report) {
	client, err := kgo.NewClient(kgo.SeedBrokers(h.kafkaAddr))
	if err != nil {
		r.add("%v", err)
		return
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	ends, err := kadm.NewClient(client).ListEndOffsets(ctx, "gosight.dlq")
	if err != nil {
		r.add("dead letters: %v", err)
	}
	ends.Each(func(end kadm.ListedOffset) {
		if end.Offset > 0 {
			r.add("%d dead letters", end.Offset)
		}
	})
	if entries, err := os.ReadDir(filepath.Join(h.dir, "agent", "rejected")); err == nil && len(entries) > 0 {
		r.add("%d batches set aside by the agent", len(entries))
	}
}

func (h *house) get(path string, query url.Values, into any) error {
	query.Set("project", "default")
	client := http.Client{Timeout: 30 * time.Second}
	response, err := client.Get("http://" + h.api + "/api/v1" + path + "?" + query.Encode())
	if err != nil {
		return err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %.300s", path, response.Status, text)
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
