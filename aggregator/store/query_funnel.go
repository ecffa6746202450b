package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// FunnelStep is what a visit has to do next: come to a page, click an element, or send a custom event.
type FunnelStep struct {
	Kind string // page, click, event
	// Part of the page's address (without its query), or of the element's selector or text; or the event's name.
	Match string
}

// FunnelFilter is an ordered list of steps, to be taken within the window from the first on.
type FunnelFilter struct {
	From, To int64 // Unix milliseconds
	WindowMS int64
	Steps    []FunnelStep
}

// FunnelLevel is how far visits came.
type FunnelLevel struct {
	Sessions uint64   `json:"sessions" doc:"Visits that took this step after those before it."`
	Dropped  []string `json:"dropped" doc:"Some visits that took this step and not the next, the latest first."`
}

// Funnel counts visits by the number of steps that they took in order.
func (r *Reader) Funnel(ctx context.Context, f FunnelFilter) ([]FunnelLevel, error) {
	args := []any{named("from_ms", f.From), named("to_ms", f.To), named("window", f.WindowMS)}
	period := "project = @project AND ts >= " + ms("from_ms") + " AND ts < " + ms("to_ms")
	conditions := make([]string, len(f.Steps))
	var deeds []string
	for i, step := range f.Steps {
		name := fmt.Sprintf("step%d", i)
		args = append(args, named(name, step.Match))
		switch step.Kind {
		case "click":
			conditions[i] = "event_type = 'click' AND (positionCaseInsensitive(selector, @" + name +
				") > 0 OR positionCaseInsensitive(text, @" + name + ") > 0)"
			deeds = append(deeds, conditions[i])
		case "event":
			conditions[i] = "event_type = 'custom' AND name = @" + name
			deeds = append(deeds, conditions[i])
		default:
			conditions[i] = "positionCaseInsensitive(page, @" + name + ") > 0"
		}
	}
	// Where visits came to is in page_views, a row or more for each stay, of which the first counts. Clicks and custom
	// events are looked for among all events, which over a month of many visits takes seconds.
	moments := `SELECT session_id, tupleElement(seen, 1) AS ts, tupleElement(seen, 2) AS page, '' AS event_type, '' AS selector, '' AS text, '' AS name
		FROM (SELECT session_id, arrayCompact(seen -> tupleElement(seen, 2), arraySort(groupArray((ts, page)))) AS route
			FROM page_views WHERE ` + period + ` GROUP BY session_id)
		ARRAY JOIN route AS seen`
	if len(deeds) > 0 {
		moments += ` UNION ALL SELECT session_id, ts, '' AS page, toString(event_type), selector, text, toString(name)
			FROM events WHERE ` + period + ` AND (` + strings.Join(deeds, " OR ") + `)`
	}
	levels := make([]FunnelLevel, len(f.Steps))
	for i := range levels {
		levels[i].Dropped = []string{}
	}
	// Steps may share a moment, but none comes before its own. windowFunnel looks at times alone, so an event that was
	// inserted twice changes nothing.
	err := r.query(ctx, `SELECT level, count(), arrayMap(x -> x.2, groupArraySorted(5)((-toUnixTimestamp64Milli(last), session_id)))
		FROM (SELECT session_id, toUInt8(windowFunnel(@window)(toUInt64(toUnixTimestamp64Milli(ts)), `+
		strings.Join(conditions, ", ")+`)) AS level, max(ts) AS last
			FROM (`+moments+`) GROUP BY session_id)
		WHERE level > 0 GROUP BY level ORDER BY level`, args,
		func(row driver.Rows) error {
			var level uint8
			var count uint64
			var examples []string
			if err := row.Scan(&level, &count, &examples); err != nil {
				return err
			}
			for i := range int(level) {
				levels[i].Sessions += count
			}
			if int(level) < len(levels) {
				levels[level-1].Dropped = examples
			}
			return nil
		})
	return levels, err
}
