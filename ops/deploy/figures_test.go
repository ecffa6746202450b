package deploy

import (
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
)

// figure is what a panel shows.
type figure struct {
	t     *testing.T
	where string
	rows  []map[string]any
}

func number(value any) float64 {
	if n, ok := value.(float64); ok {
		return n
	}
	return math.NaN()
}

func same(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// is checks the panel's one number.
func (f figure) is(want float64) {
	f.t.Helper()
	if len(f.rows) != 1 || len(f.rows[0]) != 1 {
		f.t.Errorf("%s: %v, want %v", f.where, f.rows, want)
		return
	}
	for _, value := range f.rows[0] {
		if !same(number(value), want) {
			f.t.Errorf("%s: %v, want %v", f.where, value, want)
		}
	}
}

// keyed checks a column of numbers by a column of names. NaN as what is wanted asks for the row alone.
func (f figure) keyed(key, column string, want map[string]float64) {
	f.t.Helper()
	got := map[string]float64{}
	for _, row := range f.rows {
		name, ok := row[key].(string)
		if !ok {
			f.t.Errorf("%s: no column %s in %v", f.where, key, row)
			return
		}
		got[name] += number(row[column]) // a time series has a row for each point
	}
	for name, n := range want {
		if _, ok := got[name]; !ok || !math.IsNaN(n) && !same(got[name], n) {
			f.t.Errorf("%s: %s of %q is %v, want %v", f.where, column, name, got[name], n)
		}
	}
	if len(got) != len(want) {
		f.t.Errorf("%s: %v, want %v", f.where, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}

func total(visits []visit, of func(visit) float64) (sum float64) {
	for _, v := range visits {
		sum += of(v)
	}
	return sum
}

func one(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// tally sums what each visit adds by name.
func tally(visits []visit, of func(v visit, add func(name string, n float64))) map[string]float64 {
	sums := map[string]float64{}
	for _, v := range visits {
		of(v, func(name string, n float64) { sums[name] += n })
	}
	return sums
}

func over(sums, by map[string]float64) map[string]float64 {
	shares := map[string]float64{}
	for name, n := range by {
		shares[name] = sums[name] / n
	}
	return shares
}

func unknown(name string) string {
	if name == "" {
		return "unknown"
	}
	return name
}

func hasError(v visit) bool {
	return slices.ContainsFunc(v.events, func(e event) bool { return e.kind == "error" })
}

func pathOf(url string) string { before, _, _ := strings.Cut(url, "?"); return before }

// quantile is ClickHouse's quantileExact: the element at that share of the sorted ones.
func quantile(level float64, of []float64) float64 {
	slices.Sort(of)
	return of[int(level*float64(len(of)))]
}

func checkExperience(figures map[string]figure, visits []visit) {
	panel := func(title string) figure { return figures["experience: "+title] }
	all := float64(len(visits))
	signals := total(visits, func(v visit) float64 { return float64(len(v.signals)) })
	panel("Visits").is(all)
	panel("Signals").is(signals)
	panel("Visits with a signal").is(total(visits, func(v visit) float64 { return one(len(v.signals) > 0) }) / all)
	panel("Visits with an error").is(total(visits, func(v visit) float64 { return one(hasError(v)) }) / all)
	kinds := tally(visits, func(v visit, add func(string, float64)) {
		for _, s := range v.signals {
			add(s.kind, 1)
		}
	})
	panel("Kinds of signals").keyed("kind", "signals", kinds)
	panel("Signals over time").keyed("kind", "signals", kinds)
	panel("Worst pages").keyed("page", "signals", tally(visits, func(v visit, add func(string, float64)) {
		for _, s := range v.signals {
			add(pathOf(s.url), 1)
		}
	}))
	panel("Worst elements").keyed("element", "signals", tally(visits, func(v visit, add func(string, float64)) {
		for _, s := range v.signals {
			if s.selector != "" {
				add(s.selector, 1)
			}
		}
	}))
	// The link into the replay leads to a signal on that element.
	example := panel("Worst elements").rows[0]
	if !slices.ContainsFunc(visits, func(v visit) bool {
		return v.id == example["session"] && slices.ContainsFunc(v.signals, func(s signal) bool {
			return s.selector == example["element"] && float64(s.ts) == number(example["at"])
		})
	}) {
		panel("Worst elements").t.Errorf("no visit has the example that is linked: %v", example)
	}
	for title, of := range map[string]func(visit) string{
		"Signals for 100 visits, by country": func(v visit) string { return unknown(v.country) },
		"… by device":                        func(v visit) string { return v.device },
		"… by browser":                       func(v visit) string { return v.browser },
	} {
		column := title[strings.LastIndex(title, " ")+1:]
		panel(title).keyed(column, "per_100_visits", over(
			tally(visits, func(v visit, add func(string, float64)) { add(of(v), 100*float64(len(v.signals))) }),
			tally(visits, func(v visit, add func(string, float64)) { add(of(v), 1) })))
	}
	var lcp []float64
	deepest, errors := map[[2]string]float64{}, map[string]float64{}
	for _, v := range visits {
		for _, e := range v.events {
			switch e.kind {
			case "web_vital":
				lcp = append(lcp, e.value)
			case "scroll":
				view := [2]string{pathOf(e.url), e.page}
				deepest[view] = max(deepest[view], e.value)
			case "error":
				errors[e.text]++
			}
		}
	}
	panel("Web vitals, 75th percentile").keyed("vital", "p75", map[string]float64{"LCP": quantile(.75, lcp)})
	panel("Web vitals, 75th percentile").keyed("vital", "samples", map[string]float64{"LCP": float64(len(lcp))})
	good := slices.DeleteFunc(slices.Clone(lcp), func(ms float64) bool { return ms > 2500 })
	panel("Web vitals, 75th percentile").keyed("vital", "good",
		map[string]float64{"LCP": float64(len(good)) / float64(len(lcp))})
	depth, views := map[string]float64{}, map[string]float64{}
	for view, d := range deepest {
		depth[view[0]] += d
		views[view[0]]++
	}
	panel("Scroll depth").keyed("page", "depth", over(depth, views))
	panel("Errors").keyed("message", "errors", errors)
}

func checkSessions(figures map[string]figure, visits []visit) {
	panel := func(title string) figure { return figures["sessions: "+title] }
	all := float64(len(visits))
	count := func(of func(visit) string) map[string]float64 {
		return tally(visits, func(v visit, add func(string, float64)) { add(of(v), 1) })
	}
	panel("Visits").is(all)
	panel("Users").is(3)
	panel("Live now").is(0)
	var lasted []float64
	for _, v := range visits {
		lasted = append(lasted, float64(v.end-v.begin))
	}
	panel("Median duration").is(quantile(.5, lasted))
	panel("Pages in a visit").is(total(visits, func(v visit) float64 { return float64(len(v.pages)) }) / all)
	panel("Recorded").is(total(visits, func(v visit) float64 { return one(v.recorded) }) / all)
	panel("Visits over time").keyed("device", "visits", count(func(v visit) string { return v.device }))
	panel("Events over time").keyed("event_type", "events", tally(visits, func(v visit, add func(string, float64)) {
		for _, e := range v.events {
			add(e.kind, 1)
		}
	}))
	panel("Duration").keyed("lasted", "visits", count(func(v visit) string {
		switch s := float64(v.end-v.begin) / 1000; {
		case s < 10:
			return "below 10 s"
		case s < 60:
			return "10 to 60 s"
		case s < 300:
			return "1 to 5 min"
		case s < 1800:
			return "5 to 30 min"
		}
		return "above 30 min"
	}))
	panel("Countries").keyed("name", "visits", count(func(v visit) string { return unknown(v.country) }))
	panel("Browsers").keyed("name", "visits", count(func(v visit) string { return v.browser }))
	panel("Systems").keyed("name", "visits", count(func(v visit) string { return v.os }))
	panel("Devices").keyed("name", "visits", count(func(v visit) string { return v.device }))
	entry := func(v visit) string { return pathOf(v.events[0].url) }
	panel("Entry pages").keyed("page", "visits", count(entry))
	panel("Entry pages").keyed("page", "bounced", over(
		tally(visits, func(v visit, add func(string, float64)) { add(entry(v), one(len(v.pages) == 1)) }), count(entry)))

	latest := slices.Clone(visits)
	slices.SortFunc(latest, func(a, b visit) int { return int(b.begin - a.begin) })
	latest = latest[:100]
	for column, of := range map[string]func(visit) float64{
		"signals": func(v visit) float64 { return float64(len(v.signals)) },
		"pages":   func(v visit) float64 { return float64(len(v.pages)) },
		"clicks": func(v visit) float64 {
			return float64(len(slices.DeleteFunc(slices.Clone(v.events), func(e event) bool { return e.kind != "click" })))
		},
		"duration": func(v visit) float64 { return float64(v.end - v.begin) },
	} {
		panel("Latest visits").keyed("session", column,
			tally(latest, func(v visit, add func(string, float64)) { add(v.id, of(v)) }))
	}
}

func checkReleases(figures map[string]figure, visits []visit) {
	panel := func(title string) figure { return figures["releases: "+title] }
	by := func(of func(visit) float64) map[string]float64 {
		return tally(visits, func(v visit, add func(string, float64)) { add(v.release, of(v)) })
	}
	all := by(func(visit) float64 { return 1 })
	of := func(kind string) func(visit) float64 {
		return func(v visit) (n float64) {
			for _, s := range v.signals {
				n += 100 * one(s.kind == kind || kind == "")
			}
			return n
		}
	}
	side := panel("Side by side")
	side.keyed("release", "visits", all)
	side.keyed("release", "signals for 100 visits", over(by(of("")), all))
	side.keyed("release", "rage clicks for 100 visits", over(by(of("rage_click")), all))
	side.keyed("release", "dead clicks for 100 visits", over(by(of("dead_click")), all))
	side.keyed("release", "visits with an error", over(by(func(v visit) float64 { return one(hasError(v)) }), all))
	duration, lcp := map[string]float64{}, map[string]float64{}
	for release := range all {
		var lasted, paints []float64
		for _, v := range visits {
			if v.release != release {
				continue
			}
			lasted = append(lasted, float64(v.end-v.begin))
			for _, e := range v.events {
				if e.kind == "web_vital" {
					paints = append(paints, e.value)
				}
			}
		}
		duration[release], lcp[release] = quantile(.5, lasted), quantile(.75, paints)
	}
	side.keyed("release", "median duration", duration)
	side.keyed("release", "LCP p75", lcp)
	panel("Visits").keyed("release", "visits", all)

	kinds := panel("Signals by kind")
	for column, release := range map[string]string{"old": "1.4.0", "new": "1.5.0"} {
		kinds.keyed("kind", column, tally(visits, func(v visit, add func(string, float64)) {
			for _, s := range v.signals {
				add(s.kind, 100*one(v.release == release)/all[release])
			}
		}))
	}
	panel("What is new in it").keyed("element", "signals", tally(visits, func(v visit, add func(string, float64)) {
		for _, s := range v.signals {
			if s.selector == "#new-in-1.5" {
				add(s.selector, 1)
			}
		}
	}))
}
