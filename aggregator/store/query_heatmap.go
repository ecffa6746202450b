package store

import (
	"context"
	"strconv"

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
	if err := r.marks(ctx, f, &out); err != nil {
		return out, err
	}
	if f.Kind == "move" {
		if err := r.moves(ctx, f, &out); err != nil {
			return out, err
		}
	}
	var err error
	out.Snapshot, err = r.snapshot(ctx, f)
	return out, err
}

// Conditions on rows of events and of page_views; their arguments are those of args.
const here = "cutQueryStringAndFragment(url) = @page"

var inPeriod = "ts >= " + ms("from_ms") + " AND ts < " + ms("to_ms")

// onPage are the visits that were on the page in the period. Where a stay began is in page_views; of those that began
// before the period (or whose events came in disorder) the events tell whether they went on in it.
var onPage = `session_id IN (
	SELECT session_id FROM page_views WHERE project = @project AND page = @page AND ` + inPeriod + `
	UNION ALL
	SELECT session_id FROM events WHERE project = @project AND ` + here + ` AND ` + inPeriod + ` AND session_id IN (
		SELECT session_id FROM page_views WHERE project = @project AND page = @page AND (
			ts >= ` + ms("early_ms") + ` AND ts < ` + ms("from_ms") + ` OR ts >= ` + ms("to_ms") + ` AND ts < ` + ms("late_ms") + `)))`

func (f HeatFilter) args() []any {
	width := Viewports[f.Viewport]
	return []any{named("from_ms", f.From), named("to_ms", f.To), named("page", f.Page),
		named("early_ms", f.From-longestVisit), named("late_ms", f.To+longestVisit),
		named("narrowest", width[0]), named("widest", width[1])}
}

// marks counts clicks, or the first events of a kind of signal, and how far visits scrolled, in one pass over what the
// page's visits did. Only clicks and the like know the viewport: it is their visit's.
func (r *Reader) marks(ctx context.Context, f HeatFilter, out *Heatmap) error {
	args := append(f.args(), named("row_pixels", HeatRowPixels))
	var hit string
	switch f.Kind {
	case "move":
		hit = "false"
	case "click":
		hit = "event_type IN ('click', 'dblclick', 'contextmenu')"
	default:
		// A signal stands where its first event happened: that event knows its place on the page.
		hit = "event_id IN (SELECT first_event_id FROM signals FINAL WHERE project = @project AND kind = @kind AND " + here + ")"
		args = append(args, named("kind", f.Kind))
	}
	var depths [21]uint64 // visits by how much of the page they saw, in steps of 5 %
	err := r.query(ctx, `SELECT tupleElement(mark, 1) AS what, tupleElement(mark, 2) AS col, tupleElement(mark, 3) AS line, count()
		FROM (
			SELECT arrayPushFront(arrayMap(hit -> (1, tupleElement(hit, 2), tupleElement(hit, 3)), hits), (0, depth, 0)) AS marks FROM (
				SELECT toUInt16(least(20, greatest(0, intDiv(toInt64(maxIf(value, event_type = 'scroll' AND `+here+`)), 5)))) AS depth,
					groupUniqArrayIf((cityHash64(event_id), toUInt16(least(99, greatest(0, intDiv(toInt64(page_x) * 100, greatest(1, vw))))),
						toUInt32(greatest(0, intDiv(toInt64(page_y), @row_pixels)))),
						vw BETWEEN @narrowest AND @widest AND `+here+` AND `+hit+`) AS hits
				FROM events WHERE project = @project AND `+onPage+` AND (vw > 0 OR event_type = 'scroll') AND `+inPeriod+`
				GROUP BY session_id HAVING max(vw BETWEEN @narrowest AND @widest)))
		ARRAY JOIN marks AS mark GROUP BY what, col, line ORDER BY what, line, col LIMIT 50021`, args,
		func(row driver.Rows) error {
			var what uint8
			var c HeatCell
			if err := row.Scan(&what, &c.Column, &c.Row, &c.Count); err != nil {
				return err
			}
			if what == 0 {
				depths[c.Column] += c.Count
				return nil
			}
			out.Cells = append(out.Cells, c)
			out.Total += c.Count
			return nil
		})
	for _, visits := range depths {
		out.Visits += visits
	}
	for step, left := 0, out.Visits; step < len(depths) && out.Visits > 0; step++ {
		out.Scroll = append(out.Scroll, ScrollShare{Depth: uint8(5 * step), Visits: left}) // all visits saw the top
		left -= depths[step]
	}
	return err
}

// snapshot is a recording of the page on a screen of the class, half a second into it: by then it has drawn itself. It
// is looked for among the so many visits that were active last; nil where none of them has it.
func (r *Reader) snapshot(ctx context.Context, f HeatFilter) (*Example, error) {
	const among = 200
	var found *Example
	// What is made of page_views depends on how events came together; which visits, and when, the others tell.
	err := r.query(ctx, `SELECT session_id, toUnixTimestamp64Milli(minIf(ts, `+here+`)) + 500
		FROM events WHERE project = @project AND `+inPeriod+` AND session_id IN (
			SELECT session_id FROM session_days WHERE project = @project AND `+onPage+`
				AND session_id IN (SELECT session_id FROM replay WHERE project = @project AND `+inPeriod+` AND kind = 'full_snapshot')
			GROUP BY session_id ORDER BY max(ended_at) DESC, session_id LIMIT `+strconv.Itoa(among)+`)
		GROUP BY session_id HAVING max(vw BETWEEN @narrowest AND @widest) AND countIf(`+here+`) > 0
		ORDER BY max(ts) DESC, session_id LIMIT 1`, f.args(), func(row driver.Rows) error {
		found = &Example{}
		return row.Scan(&found.SessionID, &found.TS)
	})
	return found, err
}
