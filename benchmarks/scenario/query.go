package scenario

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gosight/gosight/benchmarks/report"
)

// screen is what the UI or somebody's script asks for, with other values each time.
type screen struct {
	name string
	goal time.Duration // of the p95; 0 has none
	ask  func(*analyst) (path string, query url.Values)
}

const (
	listGoal    = 300 * time.Millisecond
	insightGoal = 500 * time.Millisecond
	replayGoal  = 300 * time.Millisecond
)

var screens = []screen{
	{"sessions", listGoal, list(func(*analyst, url.Values) {})},
	{"sessions of a day", listGoal, list(func(a *analyst, q url.Values) { a.period(q, 24*time.Hour) })},
	{"sessions by page", listGoal, list(func(a *analyst, q url.Values) { q.Set("page", a.some("pages")) })},
	{"sessions by part of an address", listGoal, list(func(a *analyst, q url.Values) { q.Set("page", "/products/"+strconv.Itoa(a.rng.IntN(40))) })},
	{"sessions by user", listGoal, list(func(a *analyst, q url.Values) { q.Set("user", "user-"+strconv.Itoa(a.rng.IntN(20_000))) })},
	{"sessions by country", listGoal, list(func(a *analyst, q url.Values) { q.Set("country", a.some("countries")) })},
	{"sessions by browser and device", listGoal, list(func(a *analyst, q url.Values) {
		q.Set("browser", a.some("browsers"))
		q.Set("device", a.some("devices"))
	})},
	{"sessions by duration", listGoal, list(func(a *analyst, q url.Values) { q.Set("min_duration_ms", strconv.Itoa(60_000*(1+a.rng.IntN(60)))) })},
	{"sessions by signal", listGoal, list(func(a *analyst, q url.Values) { q.Set("kind", a.some("kinds")) })},
	{"sessions with errors", listGoal, list(func(a *analyst, q url.Values) { q.Set("errors", "true") })},
	{"sessions by error", listGoal, list(func(a *analyst, q url.Values) { q.Set("error", a.some("errors")) })},
	{"sessions by custom event", listGoal, list(func(a *analyst, q url.Values) { q.Set("event", a.some("events")) })},
	{"sessions by property", listGoal, list(func(a *analyst, q url.Values) {
		q.Set("event", "coupon")
		q.Set("prop", fmt.Sprintf("code=C%03d", a.rng.IntN(300)))
	})},
	{"sessions by everything", listGoal, list(func(a *analyst, q url.Values) {
		a.period(q, 7*24*time.Hour)
		for name, facet := range map[string]string{"page": "pages", "country": "countries", "device": "devices", "kind": "kinds", "event": "events"} {
			q.Set(name, a.some(facet))
		}
	})},
	{"sessions, nobody found", listGoal, list(func(a *analyst, q url.Values) {
		q.Set("event", "coupon")
		q.Set("prop", "code=none"+strconv.Itoa(a.rng.IntN(1000)))
	})},
	{"facets of a week", 0, ranged("/facets", 7)},
	{"insights of a day", insightGoal, ranged("/insights", 1)},
	{"insights of a week", insightGoal, ranged("/insights", 7)},
	{"insights of a month", insightGoal, ranged("/insights", 30)},
	{"insights of a page", insightGoal, func(a *analyst) (string, url.Values) {
		path, q := ranged("/insights", 7)(a)
		q.Set("page", a.some("pages"))
		return path, q
	}},
	{"one session", listGoal, func(a *analyst) (string, url.Values) { return "/sessions/" + a.session(), url.Values{} }},
	{"its events", 0, func(a *analyst) (string, url.Values) { return "/sessions/" + a.session() + "/events", url.Values{} }},
	{"replay starts", replayGoal, func(a *analyst) (string, url.Values) { return "/sessions/" + a.recorded() + "/replay", url.Values{} }},
	{"heatmap of a week", 0, paged("/heatmap")},
	{"paths of a week", 0, paged("/paths")},
	{"funnel of a week", 0, func(a *analyst) (string, url.Values) {
		path, q := ranged("/funnel", 7)(a)
		q["step"] = []string{"page:/products", "page:/cart", "page:/checkout"}
		return path, q
	}},
	{"retention", 0, ranged("/retention", 30)},
}

func list(filter func(*analyst, url.Values)) func(*analyst) (string, url.Values) {
	return func(a *analyst) (string, url.Values) {
		q := url.Values{}
		filter(a, q)
		return "/sessions", q
	}
}

func ranged(path string, days int) func(*analyst) (string, url.Values) {
	return func(a *analyst) (string, url.Values) {
		q := url.Values{}
		a.period(q, time.Duration(days)*24*time.Hour)
		if path == "/insights" {
			q.Set("bucket_ms", strconv.Itoa(days*3_600_000))
		}
		return path, q
	}
}

func paged(path string) func(*analyst) (string, url.Values) {
	return func(a *analyst) (string, url.Values) {
		_, q := ranged(path, 7)(a)
		q.Set("page", a.some("pages"))
		return path, q
	}
}

// analyst knows what there is to ask for.
type analyst struct {
	rng            *rand.Rand
	now            time.Time
	facets         map[string][]string
	visits, played []string
}

// period ends within the last day, so that no two questions are the same.
func (a *analyst) period(q url.Values, length time.Duration) {
	to := a.now.Add(-time.Duration(a.rng.Int64N(int64(24 * time.Hour))))
	q.Set("from", strconv.FormatInt(to.Add(-length).UnixMilli(), 10))
	q.Set("to", strconv.FormatInt(to.UnixMilli(), 10))
}

func (a *analyst) some(facet string) string {
	if values := a.facets[facet]; len(values) > 0 {
		return values[a.rng.IntN(len(values))]
	}
	return "nothing"
}

func (a *analyst) session() string  { return a.visits[a.rng.IntN(len(a.visits))] }
func (a *analyst) recorded() string { return a.played[a.rng.IntN(len(a.played))] }

// queries loads history, unless it is there, then asks the API what the UI's screens ask, one question at a time.
func (b *Bench) queries(ctx context.Context, s *Scenario, r *report.Result) error {
	if err := b.history(ctx, s); err != nil {
		return err
	}
	a, err := b.meet(ctx)
	if err != nil {
		return err
	}
	stored, err := b.number(ctx, "SELECT count() FROM gosight.events WHERE project = '"+b.System.Project+"'")
	if err != nil {
		return err
	}
	visits, err := b.number(ctx, "SELECT uniqExact(session_id) FROM gosight.session_days WHERE project = '"+b.System.Project+"'")
	if err != nil {
		return err
	}
	table := report.Table{
		Title: fmt.Sprintf("API latency over %s events of %s sessions, one question at a time", count(stored), count(visits)),
		Head:  []string{"screen", "answers", "p50 ms", "p95 ms", "max ms", "goal ms", "met"},
	}
	for _, screen := range screens {
		times, err := b.ask(ctx, a, screen, s.Asked)
		if err != nil {
			return fmt.Errorf("%s: %w", screen.name, err)
		}
		q := report.QuantilesOf(times)
		goal, met := "", ""
		if screen.goal > 0 {
			goal, met = strconv.FormatInt(screen.goal.Milliseconds(), 10), "yes"
			if q.P95 > float64(screen.goal.Milliseconds()) {
				met = "no"
			}
		}
		row := []string{screen.name, strconv.Itoa(len(times)), fmt.Sprintf("%.0f", q.P50), fmt.Sprintf("%.0f", q.P95),
			fmt.Sprintf("%.0f", q.Max), goal, met}
		fmt.Fprintf(b.Screen, "%-32s p50 %6s ms  p95 %6s ms  max %6s ms  goal %s %s\n", row[0], row[2], row[3], row[4], goal, met)
		table.Rows = append(table.Rows, row)
	}
	r.Tables = append(r.Tables, table)
	disk, err := b.disk(ctx)
	if err != nil {
		return err
	}
	r.Tables = append(r.Tables, disk)
	return nil
}

// history has `gosight seed` load what is missing.
func (b *Bench) history(ctx context.Context, s *Scenario) error {
	stored, err := b.number(ctx, "SELECT count() FROM gosight.events WHERE project = '"+b.System.Project+"'")
	if err != nil || stored >= int64(s.Events)*8/10 {
		return err
	}
	seed := exec.CommandContext(ctx, filepath.Join(b.Peer.Bin, "gosight"), "seed", "--clickhouse-url="+b.System.ClickHouse,
		"--project="+b.System.Project, "--events="+strconv.Itoa(s.Events), "--sessions="+strconv.Itoa(s.Sessions))
	seed.Stdout, seed.Stderr = b.Screen, b.Screen
	if err := seed.Run(); err != nil {
		return fmt.Errorf("load history: %w", err)
	}
	return nil
}

// meet learns which values, visits and recordings there are.
func (b *Bench) meet(ctx context.Context) (*analyst, error) {
	a := &analyst{rng: rand.New(rand.NewPCG(1, 2)), now: time.Now(), facets: map[string][]string{}}
	text, err := b.System.API(ctx, "/facets", url.Values{})
	if err != nil {
		return nil, err
	}
	var facets map[string]json.RawMessage
	if err := json.Unmarshal(text, &facets); err != nil {
		return nil, fmt.Errorf("read facets: %w", err)
	}
	for name, list := range facets {
		var values []struct{ Value string }
		if json.Unmarshal(list, &values) == nil { // else it is a number
			for _, v := range values {
				a.facets[name] = append(a.facets[name], v.Value)
			}
		}
	}
	for query, into := range map[string]*[]string{
		"SELECT session_id FROM gosight.session_days WHERE project = '%s' ORDER BY cityHash64(session_id) LIMIT 200": &a.visits,
		"SELECT DISTINCT session_id FROM gosight.replay WHERE project = '%s' AND part = 0 LIMIT 200":                 &a.played,
	} {
		if *into, err = b.System.Column(ctx, fmt.Sprintf(query, b.System.Project)); err != nil {
			return nil, err
		}
		if len(*into) == 0 {
			return nil, fmt.Errorf("nothing is stored: %s", query)
		}
	}
	return a, nil
}

// ask asks for a screen so many times.
func (b *Bench) ask(ctx context.Context, a *analyst, screen screen, often int) (times []time.Duration, err error) {
	for range often {
		path, query := screen.ask(a)
		start := time.Now()
		if _, err := b.System.API(ctx, path, query); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start))
	}
	return times, nil
}

func (b *Bench) number(ctx context.Context, query string) (int64, error) {
	text, err := b.System.Query(ctx, query+" FORMAT TabSeparated")
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(text, 10, 64)
}

// disk is what the tables take for each event, and for each minute of a recorded visit, against the JSON that came.
func (b *Bench) disk(ctx context.Context) (report.Table, error) {
	table := report.Table{Title: "Disk", Head: []string{"what", "bytes on disk", "of raw JSON", "times less"}}
	size := func(tables string) (int64, error) {
		return b.number(ctx, "SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND database = 'gosight' AND table IN ("+tables+")")
	}
	for _, of := range []struct{ what, tables, raw, units string }{
		// Raw is what a client without our batches sends: each event of the published contract as JSON, with its metadata.
		{"an event", "'events', 'sessions', 'session_days', 'page_views', 'known_values'",
			// The average of a million, since all of them take minutes to write out.
			`SELECT toUInt64(avg(length(concat('{"sessionId":', toJSONString(session_id), ',"userId":', toJSONString(user_id),
				',"eventType":', toJSONString(toString(event_type)), ',"payload":', toJSONString(payload),
				',"timestamp":"', toString(toUnixTimestamp64Milli(ts)), '","metadata":', toJSONString(metadata),
				',"eventId":', toJSONString(event_id), '}'))) * (
					SELECT count() FROM gosight.events WHERE event_type NOT IN ('full_snapshot', 'mutation')))
				FROM (SELECT * FROM gosight.events WHERE event_type NOT IN ('full_snapshot', 'mutation') LIMIT 1000000)`,
			"SELECT count() FROM gosight.events WHERE event_type NOT IN ('full_snapshot', 'mutation')"},
		{"a minute of replay", "'replay'", "SELECT sum(length(data)) FROM gosight.replay",
			"SELECT toUInt64(sum(minutes)) FROM (SELECT dateDiff('millisecond', min(ts), max(ts)) / 60000 AS minutes FROM gosight.replay GROUP BY project, session_id)"},
	} {
		bytes, err := size(of.tables)
		if err != nil {
			return table, err
		}
		raw, err := b.number(ctx, of.raw)
		if err != nil {
			return table, err
		}
		units, err := b.number(ctx, of.units)
		if err != nil {
			return table, err
		}
		n := float64(max(1, units))
		table.Rows = append(table.Rows, []string{of.what, fmt.Sprintf("%.0f", float64(bytes)/n), fmt.Sprintf("%.0f", float64(raw)/n),
			fmt.Sprintf("%.1f", float64(raw)/float64(max(1, bytes)))})
	}
	return table, nil
}
