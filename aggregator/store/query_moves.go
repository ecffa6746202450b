package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// mostMoved bounds how many visits a map of movement looks at, the latest: each has hundreds of points.
const mostMoved = 500

// moves counts where the pointer was on a page. A pointer's points are in the viewport; the page was scrolled to
// where the visit's last scroll event before them said, on the same page view.
func (r *Reader) moves(ctx context.Context, f HeatFilter, out *Heatmap) error {
	chosen := `session_id IN (SELECT session_id FROM events WHERE project = @project AND ` + inPeriod + `
		AND session_id IN (SELECT session_id FROM session_days WHERE project = @project AND day BETWEEN @first_day AND @last_day
			AND has(touched, @hash) ORDER BY day DESC, ended_at DESC LIMIT @visits)
		AND vw BETWEEN @narrowest AND @widest)`
	return r.query(ctx, `SELECT toUInt16(least(99, greatest(0, intDiv(toInt64(point[2]) * 100, width)))) AS col,
			toUInt32(greatest(0, intDiv(toInt64(point[3] + scrolled), @row_pixels))) AS line, count()
		FROM (
			SELECT moved.points AS points, scroll.page_y AS scrolled, screen.width AS width FROM (
				SELECT session_id, page_id, event_id, ts, JSONExtract(payload, 'points', 'Array(Array(Float64))') AS points
				FROM events FINAL WHERE project = @project AND event_type = 'pointer' AND `+here+`
					AND `+inPeriod+` AND `+chosen+`) AS moved
			ASOF LEFT JOIN (SELECT session_id, page_id, ts, page_y FROM events WHERE project = @project AND event_type = 'scroll'
				AND `+here+` AND `+chosen+`) AS scroll
				ON scroll.session_id = moved.session_id AND scroll.page_id = moved.page_id AND scroll.ts <= moved.ts
			INNER JOIN (SELECT session_id, max(vw) AS width FROM events WHERE project = @project AND vw > 0 AND `+chosen+`
				GROUP BY session_id HAVING width BETWEEN @narrowest AND @widest) AS screen ON screen.session_id = moved.session_id)
		ARRAY JOIN points AS point WHERE length(point) = 3
		GROUP BY col, line ORDER BY line, col LIMIT 50000`,
		append(f.args(), named("first_day", date(f.From)), named("last_day", date(f.To)),
			named("hash", touchHash(touchPage, f.Page)), named("visits", mostMoved), named("row_pixels", HeatRowPixels)),
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
