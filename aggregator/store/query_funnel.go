package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// FunnelStep is what a visit has to do next: come to a page, click an element, or send a custom event.
type FunnelStep struct {
	Kind  string // page, click, event
	Match string // part of the page's address or of the element's selector or text, or the event's name
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
	conditions := make([]string, len(f.Steps))
	for i, step := range f.Steps {
		name := fmt.Sprintf("step%d", i)
		args = append(args, named(name, step.Match))
		switch step.Kind {
		case "click":
			conditions[i] = "event_type = 'click' AND (positionCaseInsensitive(selector, @" + name +
				") > 0 OR positionCaseInsensitive(text, @" + name + ") > 0)"
		case "event":
			conditions[i] = "event_type = 'custom' AND name = @" + name
		default:
			// Whatever happened on the page shows that the visit came to it.
			conditions[i] = "event_type NOT IN " + replayTypes + " AND positionCaseInsensitive(url, @" + name + ") > 0"
		}
	}
	levels := make([]FunnelLevel, len(f.Steps))
	for i := range levels {
		levels[i].Dropped = []string{}
	}
	// A click on the page of the step before is both: steps may share a moment, but none comes before its own.
	// windowFunnel looks at times alone, so an event that was inserted twice changes nothing. page_views would be read
	// ten times as fast, but what they hold of a visit in two tabs depends on which of its events came together.
	err := r.query(ctx, `SELECT level, count(), arrayMap(x -> x.2, groupArraySorted(5)((-toUnixTimestamp64Milli(last), session_id)))
		FROM (SELECT session_id, toUInt8(windowFunnel(@window)(toUInt64(toUnixTimestamp64Milli(ts)), `+
		strings.Join(conditions, ", ")+`)) AS level, max(ts) AS last
			FROM events WHERE project = @project AND ts >= `+ms("from_ms")+` AND ts < `+ms("to_ms")+`
				AND (`+strings.Join(conditions, " OR ")+`)
			GROUP BY session_id)
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
