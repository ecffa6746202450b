package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// What heatmaps are drawn on: columns across the viewport, rows of so many CSS pixels down the page.
const (
	HeatColumns   = 100
	HeatRowPixels = 12
)

// Viewports are the classes of screens that share a layout, by the viewport's width in CSS pixels.
var Viewports = map[string][2]int{"desktop": {1024, 1 << 15}, "tablet": {640, 1023}, "mobile": {1, 639}}

// HeatFilter selects what a heatmap shows.
type HeatFilter struct {
	From, To int64 // Unix milliseconds
	Page     string
	Kind     string // click, move, or a signal's kind
	Viewport string // a key of Viewports
}

// HeatCell is how often something happened in one cell.
type HeatCell struct {
	Column uint16 `json:"column" doc:"From the left, of 100 across the viewport."`
	Row    uint32 `json:"row" doc:"From the top of the page, each 12 CSS pixels high."`
	Count  uint64 `json:"count"`
}

// ScrollShare is how many visits saw at least so much of the page.
type ScrollShare struct {
	Depth  uint8  `json:"depth" doc:"Percent of the page."`
	Visits uint64 `json:"visits"`
}

// Heatmap is where on a page things happened, and a moment whose replay shows that page.
type Heatmap struct {
	Cells    []HeatCell    `json:"cells"`
	Scroll   []ScrollShare `json:"scroll"`
	Total    uint64        `json:"total"`
	Visits   uint64        `json:"visits"`
	Snapshot *Example      `json:"snapshot,omitempty" doc:"A visit that recorded this page on such a screen, and when."`
}

// PageVisits is a page and how many visits came to it.
type PageVisits struct {
	URL      string `json:"url"`
	Sessions uint64 `json:"sessions"`
}

// Heatmap counts what happened where on one page. Every count is of distinct events; of movement, of points.
func (r *Reader) Heatmap(ctx context.Context, f HeatFilter) (Heatmap, error) {
	out := Heatmap{Cells: []HeatCell{}, Scroll: []ScrollShare{}}
	width := Viewports[f.Viewport]
	var where clauses
	where.and("project = @project AND cutQueryStringAndFragment(url) = @page", "page", f.Page)
	where.and("ts >= "+ms("from_ms")+" AND ts < "+ms("to_ms"), "from_ms", f.From, "to_ms", f.To)
	// Visits are found where that is cheap, and their events by the sorting key. Only clicks and the like know the
	// viewport: the other events are of the same visits.
	const here = "session_id IN (SELECT session_id FROM session_days WHERE project = @project AND " +
		"day BETWEEN @first_day AND @last_day AND has(touched, @hash))"
	where.and(here, "first_day", date(f.From), "last_day", date(f.To), "hash", touchHash(touchPage, f.Page))
	where.and("session_id IN (SELECT session_id FROM events WHERE project = @project AND ts >= "+ms("from_ms")+
		" AND ts < "+ms("to_ms")+" AND vw BETWEEN @narrowest AND @widest AND "+here+")",
		"narrowest", width[0], "widest", width[1])
	base, args := where.sql("WHERE"), where.args
	var err error
	if f.Kind == "move" {
		err = r.moves(ctx, f, &out)
	} else {
		err = r.clicks(ctx, f, where, &out)
	}
	if err != nil {
		return out, err
	}
	if err := r.scrollShares(ctx, base, args, &out); err != nil {
		return out, err
	}
	// Half a second into the page it has drawn itself.
	err = r.query(ctx, `SELECT session_id, toUnixTimestamp64Milli(min(ts)) + 500 FROM events `+base+`
			AND session_id IN (SELECT session_id FROM replay WHERE project = @project
				AND ts >= `+ms("from_ms")+` AND ts < `+ms("to_ms")+` AND kind = 'full_snapshot')
		GROUP BY session_id ORDER BY max(ts) DESC, session_id LIMIT 1`, args,
		func(row driver.Rows) error {
			out.Snapshot = &Example{}
			return row.Scan(&out.Snapshot.SessionID, &out.Snapshot.TS)
		})
	return out, err
}

// clicks counts clicks, or the first events of a kind of signal.
func (r *Reader) clicks(ctx context.Context, f HeatFilter, where clauses, out *Heatmap) error {
	where.and("vw BETWEEN @narrowest AND @widest")
	if f.Kind == "click" {
		where.and("event_type IN ('click', 'dblclick', 'contextmenu')")
	} else {
		// A signal stands where its first event happened: that event knows its place on the page.
		where.and("event_id IN (SELECT first_event_id FROM signals FINAL WHERE project = @project AND kind = @kind"+
			" AND cutQueryStringAndFragment(url) = @page)", "kind", f.Kind)
	}
	return r.query(ctx, `SELECT toUInt16(least(99, greatest(0, intDiv(toInt64(page_x) * 100, vw)))) AS col,
			toUInt32(greatest(0, intDiv(toInt64(page_y), @row_pixels))) AS line, uniqExact(session_id, event_id)
		FROM events `+where.sql("WHERE")+` GROUP BY col, line ORDER BY line, col LIMIT 50000`,
		append(where.args, named("row_pixels", HeatRowPixels)),
		func(row driver.Rows) error {
			var c HeatCell
			if err := row.Scan(&c.Column, &c.Row, &c.Count); err != nil {
				return err
			}
			out.Cells = append(out.Cells, c)
			out.Total += c.Count
			return nil
		})
}

// scrollShares counts, for each 5 % of the page, the visits that came so far; all visits saw its top.
func (r *Reader) scrollShares(ctx context.Context, base string, args []any, out *Heatmap) error {
	return r.query(ctx, `SELECT toUInt8(step * 5), countIf(deepest >= step * 5), count() AS visits FROM (
			SELECT session_id, maxIf(value, event_type = 'scroll') AS deepest FROM events `+base+` GROUP BY session_id
		) AS visit CROSS JOIN (SELECT number AS step FROM numbers(21)) AS steps GROUP BY step ORDER BY step`, args,
		func(row driver.Rows) error {
			var s ScrollShare
			if err := row.Scan(&s.Depth, &s.Visits, &out.Visits); err != nil {
				return err
			}
			out.Scroll = append(out.Scroll, s)
			return nil
		})
}
