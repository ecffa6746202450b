package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Facets returns the values that visits active in the period have; 0 leaves a side open.
func (r *Reader) Facets(ctx context.Context, from, to int64) (Facets, error) {
	where, having := dayClauses(SessionFilter{From: from, To: to}, from)
	args := append(where.args, having.args...)
	visits := `(SELECT session_id, toString(max(country)) AS country, toString(max(browser)) AS browser,
		toString(max(device)) AS device, ` + liveExpr + ` AS live
		FROM session_days ` + where.sql("WHERE") + ` GROUP BY session_id ` + having.sql("HAVING") + `)`
	facets := Facets{
		Countries: []FacetValue{}, Browsers: []FacetValue{}, Devices: []FacetValue{}, Pages: []FacetValue{},
		Kinds: []FacetValue{},
	}
	lists := map[string]*[]FacetValue{
		"country": &facets.Countries, "browser": &facets.Browsers, "device": &facets.Devices, "kind": &facets.Kinds,
	}
	signalPeriod := ""
	if from > 0 {
		signalPeriod += " AND ts >= " + ms("from_ms")
	}
	if to > 0 {
		signalPeriod += " AND ts <= " + ms("to_ms")
	}
	sql := `SELECT facet, value, toUInt64(count()) AS sessions FROM (
			SELECT tupleElement(pair, 1) AS facet, tupleElement(pair, 2) AS value FROM ` + visits + `
			ARRAY JOIN [('country', country), ('browser', browser), ('device', device), ('all', ''), ('live', toString(live))] AS pair
			UNION ALL
			SELECT 'kind' AS facet, toString(kind) AS value FROM (
				SELECT session_id, kind FROM signals FINAL WHERE project = @project` + signalPeriod + `
				GROUP BY session_id, kind)
		) GROUP BY facet, value ORDER BY sessions DESC, value LIMIT 50 BY facet`
	err := r.query(ctx, sql, args, func(row driver.Rows) error {
		var facet string
		var v FacetValue
		if err := row.Scan(&facet, &v.Value, &v.Sessions); err != nil {
			return err
		}
		switch {
		case facet == "all":
			facets.Sessions = v.Sessions
		case facet == "live":
			if v.Value == "1" || v.Value == "true" {
				facets.Live = v.Sessions
			}
		case v.Value != "":
			*lists[facet] = append(*lists[facet], v)
		}
		return nil
	})
	if err != nil {
		return facets, err
	}
	pages, err := r.pages(ctx, from, to, 50)
	for _, page := range pages {
		facets.Pages = append(facets.Pages, FacetValue{Value: page.URL, Sessions: page.Sessions})
	}
	return facets, err
}

// TopPages returns the pages that most visits came to in the period.
func (r *Reader) TopPages(ctx context.Context, from, to int64) ([]PageVisits, error) {
	return r.pages(ctx, from, to, 200)
}

// pages are those of visits that were active in the period; what a visit did in a day counts as one.
func (r *Reader) pages(ctx context.Context, from, to int64, limit int) ([]PageVisits, error) {
	var where clauses
	where.and("project = @project")
	if from > 0 {
		where.and("day >= @first_day AND ended_at >= "+ms("from_ms"), "first_day", date(from), "from_ms", from)
	}
	if to > 0 {
		where.and("day <= @last_day AND started_at <= "+ms("to_ms"), "last_day", date(to), "to_ms", to)
	}
	pages := []PageVisits{}
	err := r.query(ctx, `SELECT page.value, touch.visits FROM (
			SELECT hash, uniqExact(session_id) AS visits FROM session_days ARRAY JOIN touched AS hash `+where.sql("WHERE")+`
				AND hash IN (SELECT hash FROM known_values WHERE project = @project AND kind = 'page')
			GROUP BY hash ORDER BY visits DESC LIMIT @most) AS touch
		INNER JOIN (SELECT hash, any(value) AS value FROM known_values WHERE project = @project AND kind = 'page'
			GROUP BY hash) AS page ON page.hash = touch.hash
		ORDER BY touch.visits DESC, page.value`, append(where.args, named("most", limit)),
		func(row driver.Rows) error {
			var p PageVisits
			if err := row.Scan(&p.URL, &p.Sessions); err != nil {
				return err
			}
			pages = append(pages, p)
			return nil
		})
	return pages, err
}
