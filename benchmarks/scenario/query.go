package scenario

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/gosight/gosight/benchmarks/report"
)

// queries fills the store, then asks the API what a screen of the UI asks, four at a time.
func (b *Bench) queries(ctx context.Context, s *Scenario, r *report.Result) error {
	run, err := b.measure(ctx, spec{Scenario: s, label: s.Name + " load", rate: s.Rates[0], clients: s.Connections})
	if err != nil {
		return err
	}
	keep(r, run)
	now := time.Now().UnixMilli()
	day := url.Values{"from": {strconv.FormatInt(now-86_400_000, 10)}, "to": {strconv.FormatInt(now, 10)}}
	hourly := url.Values{"from": day["from"], "to": day["to"], "bucket_ms": {"3600000"}}
	session, err := b.System.Query(ctx, fmt.Sprintf("SELECT session_id FROM gosight.events WHERE project = '%s' "+
		"GROUP BY session_id ORDER BY count() DESC LIMIT 1 FORMAT TabSeparated", b.System.Project))
	if err != nil {
		return err
	}
	screens := []struct {
		name, path string
		query      url.Values
	}{
		{"sessions, first page", "/sessions", day},
		{"sessions that raged", "/sessions", url.Values{"from": day["from"], "to": day["to"], "kind": {"rage_click"}}},
		{"one session", "/sessions/" + session, url.Values{}},
		{"its events", "/sessions/" + session + "/events", url.Values{}},
		{"its replay", "/sessions/" + session + "/replay", url.Values{}},
		{"insights of a day", "/insights", hourly},
	}
	table := report.Table{
		Title: fmt.Sprintf("API latency over %s events, four at a time", count(run.Counted)),
		Head:  []string{"screen", "answers", "p50 ms", "p99 ms", "max ms", "kB"},
	}
	for _, screen := range screens {
		times, size, err := b.ask(ctx, screen.path, screen.query)
		if err != nil {
			return err
		}
		q := report.QuantilesOf(times)
		table.Rows = append(table.Rows, []string{screen.name, strconv.Itoa(len(times)),
			fmt.Sprintf("%.1f", q.P50), fmt.Sprintf("%.1f", q.P99), fmt.Sprintf("%.1f", q.Max), fmt.Sprintf("%.1f", float64(size)/1000)})
	}
	r.Tables = append(r.Tables, table)
	return nil
}

// ask repeats a question for five seconds.
func (b *Bench) ask(ctx context.Context, path string, query url.Values) (times []time.Duration, size int, err error) {
	var mu sync.Mutex
	var asking sync.WaitGroup
	end := time.Now().Add(5 * time.Second)
	for range 4 {
		asking.Go(func() {
			own := url.Values{}
			for key, values := range query {
				own[key] = values
			}
			for time.Now().Before(end) {
				start := time.Now()
				answer, failure := b.System.API(ctx, path, own)
				mu.Lock()
				if failure != nil {
					err = failure
					mu.Unlock()
					return
				}
				times, size = append(times, time.Since(start)), len(answer)
				mu.Unlock()
			}
		})
	}
	asking.Wait()
	return times, size, err
}
