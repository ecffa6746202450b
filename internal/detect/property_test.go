package detect

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// rows is what a store with the contract's versions holds: the centre's word over an edge's, then the higher
// revision.
type rows map[string]row

type row struct {
	Signal
	centre bool
}

func (r rows) put(centre bool, signals []Signal) {
	for _, s := range signals {
		old, known := r[s.SignalId]
		if !known || centre && !old.centre || centre == old.centre && s.Revision >= old.Revision {
			r[s.SignalId] = row{s, centre}
		}
	}
}

// shown lists the rows that a reader sees.
func (r rows) shown() []string {
	var lines []string
	for _, s := range r {
		if !s.Retracted {
			lines = append(lines, fmt.Sprintf("%s %s at %d: %d in %d ms, (%.3f, %.3f) %s %s final=%v", s.Kind, s.FirstEventId,
				s.Timestamp, s.Count, s.DurationMs, s.X, s.Y, s.Url, s.Selector, s.Final))
		}
	}
	slices.Sort(lines)
	return lines
}

// visit draws events of one session, in order of time, that come near to every rule.
func visit(t *rapid.T) []Event {
	var events []Event
	ts := int64(1_800_000_000_000)
	add := func(typ string, at int64, payload string) string {
		id := fmt.Sprintf("%s%d", typ, len(events))
		events = append(events, Event{ID: id, Type: typ, TS: at, Payload: payload, URL: "http://shop/", PageID: "p"})
		return id
	}
	urls := []string{"http://shop/a", "http://shop/b", "http://shop/c"}
	at := 0
	for range rapid.IntRange(1, 60).Draw(t, "n") {
		ts += rapid.SampledFrom([]int64{0, 10, 150, 300, 900, 2500, 7000}).Draw(t, "gap")
		switch rapid.SampledFrom([]string{"click", "click", "click", "burst", "pointer", "scroll", "navigate", "error", "network", "input"}).Draw(t, "type") {
		case "click":
			addClick(t, &ts, add, rapid.SampledFrom([]int{100, 120, 400}).Draw(t, "x"))
		case "burst":
			for range rapid.IntRange(4, 9).Draw(t, "clicks") {
				ts += rapid.SampledFrom([]int64{100, 250, 400}).Draw(t, "gap")
				addClick(t, &ts, add, 100+rapid.IntRange(-25, 25).Draw(t, "jitter"))
			}
		case "pointer":
			for range rapid.IntRange(1, 4).Draw(t, "events") {
				points, x := "", 300
				for i := range rapid.IntRange(1, 12).Draw(t, "points") {
					x = 300 + rapid.SampledFrom([]int{-150, -20, 0, 60, 150}).Draw(t, "dx")
					points += fmt.Sprintf(",[%d,%d,%d]", i*80, x, 300+x%7)
				}
				add("pointer", ts, `{"points":[`+points[1:]+`]}`)
				ts += 900
			}
		case "scroll":
			add("scroll", ts, fmt.Sprintf(`{"depth":5,"y":%d,"page_height":2000}`, rapid.SampledFrom([]int{0, 500, 1500, 1900}).Draw(t, "y")))
		case "navigate":
			from := at
			at = rapid.IntRange(0, 2).Draw(t, "to")
			kind := rapid.SampledFrom([]string{"push", "pop", "replace"}).Draw(t, "kind")
			add("navigate", ts, fmt.Sprintf(`{"from":%q,"to":%q,"kind":%q}`, urls[from], urls[at], kind))
		case "error":
			add("error", ts, `{"message":"x is not a function"}`)
		case "network":
			add("network", ts, fmt.Sprintf(`{"url":"/api/%d"}`, rapid.IntRange(0, 1).Draw(t, "what")))
		case "input":
			add("input", ts, `{}`)
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(a.TS, b.TS) })
	return events
}

func addClick(t *rapid.T, ts *int64, add func(string, int64, string) string, x int) {
	interactive := rapid.SampledFrom([]string{"", `,"interactive":false`, `,"interactive":true`, `,"tag":"div"`}).Draw(t, "interactive")
	id := add("click", *ts, fmt.Sprintf(`{"x":%d,"y":100,"selector":"#a%d"%s}`, x, x/10, interactive))
	if kind := rapid.SampledFrom([]string{"", "none", "mutation", "selection"}).Draw(t, "outcome"); kind != "" {
		after := rapid.SampledFrom([]int64{0, 60, 2400, 2500}).Draw(t, "after")
		if kind == "none" {
			after = 2500
		}
		late := rapid.SampledFrom([]int64{0, 0, 900, 4000}).Draw(t, "outcome late")
		add("click_outcome", *ts+after+late, fmt.Sprintf(`{"click_id":%q,"kind":%q,"after_ms":%d}`, id, kind, after))
	}
}

// arrival is an event, or what an edge said, on its way.
type arrival struct {
	at    int64
	event *Event
	heard *Signal
}

// arrive draws when each event arrives: late by less than the bound, some of them twice.
func arrive(t *rapid.T, events []Event, most int64) []arrival {
	var out []arrival
	for i := range events {
		for range rapid.SampledFrom([]int{1, 1, 1, 2}).Draw(t, "copies") {
			out = append(out, arrival{at: events[i].TS + rapid.Int64Range(0, most).Draw(t, "late"), event: &events[i]})
		}
	}
	sortArrivals(out)
	return out
}

func sortArrivals(a []arrival) {
	slices.SortStableFunc(a, func(a, b arrival) int { return cmp.Compare(a.at, b.at) })
}

// run lets an engine see the arrivals, with time passing between them and a minute after.
func run(t *rapid.T, e *Engine, arrivals []arrival, said func(at int64, signals []Signal)) {
	now := int64(0)
	revisions := map[string]uint32{}
	say := said
	said = func(at int64, signals []Signal) {
		for _, s := range signals {
			if s.Revision <= revisions[s.SignalId] {
				t.Fatalf("revision %d of %s %s after %d", s.Revision, s.Kind, s.FirstEventId, revisions[s.SignalId])
			}
			revisions[s.SignalId] = s.Revision
		}
		say(at, signals)
	}
	for _, a := range arrivals {
		for now < a.at {
			now = max(min(now+300, a.at), a.at-15_000)
			said(now, e.Advance(now))
		}
		if a.heard != nil {
			said(now, e.Adopt("p", "s", a.heard.Signal, now))
			continue
		}
		said(now, e.Observe("p", "s", []Event{*a.event}, now))
	}
	for range 700 {
		now += 100
		said(now, e.Advance(now))
	}
	if n := e.Stats().Sessions; n != 0 {
		t.Fatalf("%d sessions are still followed", n)
	}
}

// plain is what an engine finds that sees each event once, in order and on time.
func plain(t *rapid.T, events []Event) rows {
	var arrivals []arrival
	for i := range events {
		arrivals = append(arrivals, arrival{at: events[i].TS, event: &events[i]})
	}
	found := rows{}
	run(t, engineWith(Default()), arrivals, func(_ int64, s []Signal) { found.put(true, s) })
	return found
}

func TestAnyOrderAndRepetitionGivesTheSameSignals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := visit(t)
		found := rows{}
		run(t, engineWith(Default()), arrive(t, events, Default().LatenessMS), func(_ int64, s []Signal) { found.put(true, s) })
		compare(t, found, plain(t, events))
	})
}

func TestTwoAgentsAndACentreGiveTheSameSignals(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		events := visit(t)
		stored := rows{}
		var toCentre []arrival
		var shares [2][]Event
		for _, ev := range events {
			switch rapid.SampledFrom([]int{0, 1, 2}).Draw(t, "agent") {
			case 0:
				shares[0] = append(shares[0], ev)
			case 1:
				shares[1] = append(shares[1], ev)
			case 2: // the answer was lost, and the SDK tried the other agent
				shares[0], shares[1] = append(shares[0], ev), append(shares[1], ev)
			}
		}
		for _, share := range shares {
			arrivals := arrive(t, share, 6000)
			link := rapid.Int64Range(0, 3000).Draw(t, "link")
			run(t, engineWith(Default()), arrivals, func(at int64, signals []Signal) {
				stored.put(false, signals)
				for i := range signals {
					toCentre = append(toCentre, arrival{at: at + link, heard: &signals[i]})
				}
			})
			for _, a := range arrivals {
				toCentre = append(toCentre, arrival{at: a.at + link, event: a.event})
			}
		}
		slices.SortStableFunc(toCentre, func(a, b arrival) int {
			return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(btoi(a.heard != nil), btoi(b.heard != nil)))
		})
		run(t, engineWith(Default()), toCentre, func(_ int64, s []Signal) { stored.put(true, s) })
		compare(t, stored, plain(t, events))
	})
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func compare(t *rapid.T, got, want rows) {
	if g, w := got.shown(), want.shown(); !slices.Equal(g, w) {
		t.Fatalf("found\n%q\nwant\n%q", g, w)
	}
	for _, s := range slices.Collect(maps.Values(got)) {
		if !s.Final {
			t.Fatalf("%s %s never became final", s.Kind, s.FirstEventId)
		}
	}
}
