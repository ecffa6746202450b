package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Insights sums up the signals of a period: over time, by page, and by element.
func (r *Reader) Insights(ctx context.Context, f InsightFilter) (Insights, error) {
	out := Insights{From: f.From, To: f.To, BucketMS: f.BucketMS,
		Series: []KindSeries{}, Pages: []PageSignals{}, Elements: []ElementSignals{}}
	where := insightClauses(f, f.From, f.To)
	from := "FROM signals FINAL " + where.sql("WHERE")

	index := map[string]int{}
	series := func(kind string) *KindSeries {
		at, ok := index[kind]
		if !ok {
			at = len(out.Series)
			index[kind] = at
			out.Series = append(out.Series, KindSeries{Kind: kind, Points: []Point{}})
		}
		return &out.Series[at]
	}
	err := r.query(ctx, `SELECT toString(kind), count() AS n, uniqExact(session_id) `+from+
		` GROUP BY kind ORDER BY n DESC, kind`, where.args, func(row driver.Rows) error {
		var kind string
		var count, sessions uint64
		if err := row.Scan(&kind, &count, &sessions); err != nil {
			return err
		}
		s := series(kind)
		s.Total, s.Sessions = count, sessions
		return nil
	})
	if err != nil {
		return out, err
	}
	err = r.query(ctx, `SELECT toString(kind), intDiv(toUnixTimestamp64Milli(ts), @bucket) * @bucket AS t, count() `+from+
		` GROUP BY kind, t ORDER BY kind, t`, append(where.args, named("bucket", f.BucketMS)),
		func(row driver.Rows) error {
			var kind string
			var p Point
			if err := row.Scan(&kind, &p.T, &p.Count); err != nil {
				return err
			}
			s := series(kind)
			s.Points = append(s.Points, p)
			return nil
		})
	if err != nil {
		return out, err
	}
	if err := r.previous(ctx, f, series); err != nil {
		return out, err
	}
	err = r.query(ctx, `SELECT cutQueryStringAndFragment(url) AS page, toString(kind), count() AS n, uniqExact(session_id) `+
		from+` GROUP BY page, kind ORDER BY n DESC, page, kind LIMIT 300`, where.args, func(row driver.Rows) error {
		var p PageSignals
		if err := row.Scan(&p.URL, &p.Kind, &p.Count, &p.Sessions); err != nil {
			return err
		}
		out.Pages = append(out.Pages, p)
		return nil
	})
	if err != nil {
		return out, err
	}
	err = r.query(ctx, `SELECT selector, argMax(text, (ts, signal_id)), cutQueryStringAndFragment(url) AS page, toString(kind),
			count() AS n, uniqExact(session_id) AS visits, argMax(session_id, (ts, signal_id)),
			toUnixTimestamp64Milli(max(ts)) `+from+` AND selector != ''
		GROUP BY selector, page, kind ORDER BY n DESC, visits DESC, selector, page, kind LIMIT 100`, where.args,
		func(row driver.Rows) error {
			var e ElementSignals
			if err := row.Scan(&e.Selector, &e.Text, &e.URL, &e.Kind, &e.Count, &e.Sessions,
				&e.Example.SessionID, &e.Example.TS); err != nil {
				return err
			}
			out.Elements = append(out.Elements, e)
			return nil
		})
	if err != nil {
		return out, err
	}
	return out, r.visits(ctx, f, &out)
}

func insightClauses(f InsightFilter, from, to int64) clauses {
	var where clauses
	where.and("project = @project AND ts >= "+ms("from_ms")+" AND ts < "+ms("to_ms"), "from_ms", from, "to_ms", to)
	if len(f.Kinds) > 0 {
		where.and("kind IN @kinds", "kinds", set(f.Kinds))
	}
	if f.Page != "" {
		where.and("positionCaseInsensitive(url, @page) > 0", "page", f.Page)
	}
	return where
}

// previous adds the totals of the period of equal length before.
func (r *Reader) previous(ctx context.Context, f InsightFilter, series func(string) *KindSeries) error {
	where := insightClauses(f, f.From-(f.To-f.From), f.From)
	return r.query(ctx, `SELECT toString(kind), count() FROM signals FINAL `+where.sql("WHERE")+
		` GROUP BY kind ORDER BY kind`, where.args, func(row driver.Rows) error {
		var kind string
		var count uint64
		if err := row.Scan(&kind, &count); err != nil {
			return err
		}
		series(kind).Previous = count
		return nil
	})
}

// visits counts the period's sessions, and those that a signal of the filter touched.
func (r *Reader) visits(ctx context.Context, f InsightFilter, out *Insights) error {
	where, having := dayClauses(SessionFilter{To: f.To, Page: f.Page}, f.From)
	err := r.query(ctx, `SELECT count() FROM (SELECT session_id FROM session_days `+where.sql("WHERE")+
		` GROUP BY session_id `+having.sql("HAVING")+`)`, append(where.args, having.args...),
		func(row driver.Rows) error { return row.Scan(&out.Visits) })
	if err != nil {
		return fmt.Errorf("count visits: %w", err)
	}
	touched := insightClauses(f, f.From, f.To)
	return r.query(ctx, `SELECT uniqExact(session_id) FROM signals FINAL `+touched.sql("WHERE"), touched.args,
		func(row driver.Rows) error { return row.Scan(&out.Affected) })
}
