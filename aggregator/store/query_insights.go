package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// How many rows of each table an answer has.
const (
	mostPages    = 300
	mostElements = 100
)

// Insights sums up the signals of a period: over time, by page, and by element.
func (r *Reader) Insights(ctx context.Context, f InsightFilter) (Insights, error) {
	out := Insights{From: f.From, To: f.To, BucketMS: f.BucketMS,
		Series: []KindSeries{}, Pages: []PageSignals{}, Elements: []ElementSignals{}}
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
	// One look at the signals gives all the sums. Visits are told apart by 64-bit hashes, and the latest example is
	// that of the greatest number: comparing texts and tuples took most of the time. `what` tells the rows of the
	// grouping sets apart; the kinds come first, so that series stand in the order of their totals.
	where := insightClauses(f, f.From, f.To)
	err := r.query(ctx, fmt.Sprintf(`SELECT multiIf(grouping(t) = 0, 1, grouping(element) = 0, 3, grouping(page) = 0, 2, grouping(kind) = 0, 0, 4) AS what,
			toString(kind), t, page, element, count() AS n, uniqExact(visit) AS visits,
			argMax(text, latest), argMax(session_id, latest), toUnixTimestamp64Milli(max(ts))
		FROM (SELECT kind, intDiv(toUnixTimestamp64Milli(ts), @bucket) * @bucket AS t, cutQueryStringAndFragment(url) AS page,
			selector AS element, session_id, text, ts, cityHash64(session_id) AS visit,
			toUnixTimestamp64Milli(ts) * 262144 + cityHash64(signal_id) %% 262144 AS latest FROM signals FINAL %s)
		GROUP BY GROUPING SETS ((kind), (kind, t), (kind, page), (kind, page, element), ())
		HAVING what != 3 OR element != ''
		ORDER BY what, if(what = 1, t, 0), n DESC, visits DESC, element, page, kind
		LIMIT %d BY if(what = 1, toString(kind), toString(what))`, where.sql("WHERE"), max(mostPages, mostPoints)),
		append(where.args, named("bucket", f.BucketMS)), func(row driver.Rows) error {
			var what uint8
			var kind, page, element, text string
			var t int64
			var count, visits uint64
			var example Example
			if err := row.Scan(&what, &kind, &t, &page, &element, &count, &visits, &text, &example.SessionID, &example.TS); err != nil {
				return err
			}
			switch what {
			case 0:
				s := series(kind)
				s.Total, s.Sessions = count, visits
			case 1:
				s := series(kind)
				s.Points = append(s.Points, Point{T: t, Count: count})
			case 2:
				if len(out.Pages) < mostPages {
					out.Pages = append(out.Pages, PageSignals{URL: page, Kind: kind, Count: count, Sessions: visits})
				}
			case 3:
				if len(out.Elements) < mostElements {
					out.Elements = append(out.Elements, ElementSignals{Selector: element, Text: text, URL: page, Kind: kind,
						Count: count, Sessions: visits, Example: example})
				}
			default:
				out.Affected = visits
			}
			return nil
		})
	if err != nil {
		return out, err
	}
	if out.AffectedBefore, err = r.before(ctx, f, series); err != nil {
		return out, err
	}
	if out.Visits, err = r.visits(ctx, f, f.From, f.To); err != nil {
		return out, err
	}
	out.VisitsBefore, err = r.visits(ctx, f, f.From-(f.To-f.From), f.From-1)
	return out, err
}

// visits counts those of a period that came to the filter's page.
func (r *Reader) visits(ctx context.Context, f InsightFilter, from, to int64) (n uint64, err error) {
	where, having, err := r.dayClauses(ctx, SessionFilter{To: to, Page: f.Page}, from)
	if err != nil {
		return 0, err
	}
	err = r.query(ctx, `SELECT count() FROM (SELECT session_id FROM session_days `+where.sql("WHERE")+
		` GROUP BY session_id `+having.sql("HAVING")+`)`, append(where.args, having.args...),
		func(row driver.Rows) error { return row.Scan(&n) })
	return n, err
}

// mostPoints bounds a series; the API allows no finer buckets.
const mostPoints = 1002

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

// before adds the totals of the period of equal length before, and returns how many visits they touched.
func (r *Reader) before(ctx context.Context, f InsightFilter, series func(string) *KindSeries) (affected uint64, err error) {
	where := insightClauses(f, f.From-(f.To-f.From), f.From)
	err = r.query(ctx, `SELECT toUInt8(grouping(kind)), toString(kind), count(), uniqExact(cityHash64(session_id)) FROM signals FINAL `+where.sql("WHERE")+
		` GROUP BY GROUPING SETS ((kind), ()) ORDER BY grouping(kind), kind`, where.args, func(row driver.Rows) error {
		var all uint8
		var kind string
		var count, visits uint64
		if err := row.Scan(&all, &kind, &count, &visits); err != nil {
			return err
		}
		if all == 1 {
			affected = visits
		} else {
			series(kind).Previous = count
		}
		return nil
	})
	return affected, err
}
