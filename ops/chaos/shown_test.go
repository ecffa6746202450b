package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// shown says where numbers that the product shows differ from the ledger.
func (h *house) shown(ledger map[string]tally) []string {
	r := &report{}
	h.checkSessionsTable(r, ledger)
	signals := h.checkSignals(r, ledger)
	h.checkSessionList(r, ledger)
	h.checkVisits(r, ledger)
	h.checkInsights(r, signals)
	h.checkPages(r, ledger)
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

// checkPages wants each page's visits, clicks and rage clicks, and the funnel from a page to a click.
func (h *house) checkPages(r *report, ledger map[string]tally) {
	type page struct{ visits, clicks, rages int }
	pages := map[string]page{} // by run
	visits, clicked := 0, 0
	for session, t := range ledger {
		run := session[:strings.LastIndexByte(session, '-')]
		p := pages[run]
		p.visits++ // whatever is left of it was on the page
		if t.events > t.replay {
			visits++
		}
		if t.clicks > 0 && !strings.HasPrefix(run, "rage") {
			clicked++
		}
		p.clicks += t.clicks
		if strings.HasPrefix(run, "rage") && t.events == rageClicks {
			p.rages++
		}
		pages[run] = p
	}
	now := time.Now()
	span := func(more url.Values) url.Values {
		more.Set("from", fmt.Sprint(now.Add(-48*time.Hour).UnixMilli()))
		more.Set("to", fmt.Sprint(now.Add(48*time.Hour).UnixMilli()))
		return more
	}
	var top struct {
		Pages []struct {
			URL      string `json:"url"`
			Sessions int    `json:"sessions"`
		} `json:"pages"`
	}
	if err := h.get("/pages", span(url.Values{}), &top); err != nil {
		r.add("API pages: %v", err)
		return
	}
	seen := map[string]int{}
	for _, p := range top.Pages {
		seen[p.URL] = p.Sessions
	}
	heated := map[string]bool{"unary0": true, "http1": true, "rage0": true} // each costs a loaded machine seconds
	for run, p := range pages {
		if seen[pageOf(run)] != p.visits {
			r.add("API pages: %s has %d visits, the ledger %d", run, seen[pageOf(run)], p.visits)
		}
		if !heated[run] {
			continue
		}
		for kind, want := range map[string]int{"click": p.clicks, "rage_click": p.rages} {
			var heat struct {
				Total int `json:"total"`
			}
			if err := h.get("/heatmap", span(url.Values{"page": {pageOf(run)}, "kind": {kind}}), &heat); err != nil {
				r.add("API heatmap: %v", err)
			}
			if heat.Total != want {
				r.add("API heatmap: %s has %d of %s, the ledger %d", run, heat.Total, kind, want)
			}
		}
	}
	var funnel struct {
		Levels []struct {
			Sessions int `json:"sessions"`
		} `json:"levels"`
	}
	if err := h.get("/funnel", span(url.Values{"step": {"page:/p/", "click:#f"}}), &funnel); err != nil {
		r.add("API funnel: %v", err)
	} else if got := funnel.Levels; len(got) != 2 || got[0].Sessions != visits || got[1].Sessions != clicked {
		r.add("API funnel: %v, the ledger has %d visits, of which %d clicked", got, visits, clicked)
	}
	var facets struct {
		Sessions int `json:"sessions"`
	}
	if err := h.get("/facets", url.Values{}, &facets); err != nil || facets.Sessions != len(ledger) {
		r.add("API facets: %d sessions, the ledger has %d: %v", facets.Sessions, len(ledger), err)
	}
}

// checkNothingAside wants no dead letters and no batches set aside: nothing here was ever wrong with a batch.
func (h *house) checkNothingAside(r *report) {
	client, err := kgo.NewClient(kgo.SeedBrokers(h.kafkaAddrs...))
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
	client := http.Client{Timeout: 90 * time.Second}
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
