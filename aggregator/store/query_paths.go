package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// PathFilter asks for the pages that visits went through after a page, or before it.
type PathFilter struct {
	From, To int64 // Unix milliseconds
	Page     string
	Before   bool
	Steps    int
}

// PathLink is how many visits went from one page to the next.
type PathLink struct {
	Step     uint8  `json:"step" doc:"1 is the first move away from the page, or the last one to it."`
	From     string `json:"from" doc:"Empty where the visit began."`
	To       string `json:"to" doc:"Empty where the visit ended."`
	Sessions uint64 `json:"sessions"`
}

// linksPerStep is what a picture of paths can show.
const linksPerStep = 30

// Paths returns the moves of visits from their first stay on the page on, or up to their last stay on it, the most
// frequent first within a step.
func (r *Reader) Paths(ctx context.Context, f PathFilter) ([]PathLink, error) {
	// The route from the page on; for what came before, the same of the reversed route.
	route := "route"
	if f.Before {
		route = "arrayReverse(route)"
	}
	links := []PathLink{}
	err := r.query(ctx, `SELECT step, walk[step], walk[step + 1], count() AS visits FROM (
			SELECT arraySlice(turned, indexOf(turned, @page), @steps + 1) AS walked,
				if(length(walked) > @steps, walked, arrayPushBack(walked, '')) AS walk FROM (
				SELECT session_id, arrayCompact(arrayMap(seen -> seen.2, arraySort(groupArray((ts, page))))) AS route,
					`+route+` AS turned
				FROM page_views WHERE project = @project AND ts >= `+ms("from_ms")+` AND ts < `+ms("to_ms")+`
					AND session_id IN (SELECT session_id FROM session_days WHERE project = @project
						AND day BETWEEN @first_day AND @last_day AND has(touched, @hash))
				GROUP BY session_id HAVING has(route, @page)))
		ARRAY JOIN range(1, length(walk)) AS step
		GROUP BY step, walk[step], walk[step + 1] ORDER BY step, visits DESC, walk[step], walk[step + 1]
		LIMIT @most BY step`,
		[]any{named("from_ms", f.From), named("to_ms", f.To), named("first_day", date(f.From)), named("last_day", date(f.To)),
			named("page", f.Page), named("hash", touchHash(touchPage, f.Page)), named("steps", f.Steps), named("most", linksPerStep)},
		func(row driver.Rows) error {
			var l PathLink
			var step uint64
			if err := row.Scan(&step, &l.From, &l.To, &l.Sessions); err != nil {
				return err
			}
			if l.Step = uint8(step); f.Before {
				l.From, l.To = l.To, l.From
			}
			links = append(links, l)
			return nil
		})
	return links, err
}
