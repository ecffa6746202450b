package store

import (
	"context"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// facetValues is how many values of a facet are worth offering.
const facetValues = 50

// Facets returns the values that visits active in the period have; 0 leaves a side open.
func (r *Reader) Facets(ctx context.Context, from, to int64) (Facets, error) {
	facets := Facets{}
	lists := map[string]*[]FacetValue{
		"country": &facets.Countries, "browser": &facets.Browsers, "device": &facets.Devices, "kind": &facets.Kinds,
		touchPage: &facets.Pages, touchEvent: &facets.Events, touchProp: &facets.Props, touchError: &facets.Errors,
		touchRelease: &facets.Releases,
	}
	for _, list := range lists {
		*list = []FacetValue{}
	}
	where, having, err := r.dayClauses(ctx, SessionFilter{From: from, To: to}, from)
	if err != nil {
		return facets, err
	}
	visits := `(SELECT session_id, toString(max(country)) AS country, toString(max(browser)) AS browser,
		toString(max(device)) AS device, ` + liveExpr + ` AS live
		FROM session_days ` + where.sql("WHERE") + ` GROUP BY session_id ` + having.sql("HAVING") + `)`
	signalPeriod := ""
	if from > 0 {
		signalPeriod += " AND ts >= " + ms("since_ms")
	}
	if to > 0 {
		signalPeriod += " AND ts <= " + ms("to_ms")
	}
	err = r.query(ctx, `SELECT facet, value, toUInt64(count()) AS sessions FROM (
			SELECT tupleElement(pair, 1) AS facet, tupleElement(pair, 2) AS value FROM `+visits+`
			ARRAY JOIN [('country', country), ('browser', browser), ('device', device), ('all', ''), ('live', toString(live))] AS pair
			UNION ALL
			SELECT 'kind' AS facet, toString(kind) AS value FROM (
				SELECT session_id, kind FROM signals FINAL WHERE project = @project`+signalPeriod+`
				GROUP BY session_id, kind)
		) GROUP BY facet, value ORDER BY sessions DESC, value LIMIT @most BY facet`,
		append(append(where.args, having.args...), named("most", facetValues)), func(row driver.Rows) error {
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
	err = r.touched(ctx, from, to, "", facetValues, func(kind string, v FacetValue) {
		if list := lists[kind]; list != nil {
			*list = append(*list, v)
		}
	})
	return facets, err
}

// TopPages returns the pages that most visits came to in the period.
func (r *Reader) TopPages(ctx context.Context, from, to int64) ([]PageVisits, error) {
	pages := []PageVisits{}
	err := r.touched(ctx, from, to, touchPage, 200, func(_ string, v FacetValue) {
		pages = append(pages, PageVisits{URL: v.Value, Sessions: v.Sessions})
	})
	return pages, err
}

// touched gives, of a kind or ("") of each, what most of the visits touched that were active in the period. What a
// visit did in one day counts as one.
func (r *Reader) touched(ctx context.Context, from, to int64, kind string, most int, give func(kind string, v FacetValue)) error {
	var where clauses
	where.and("project = @project", "most", most)
	if from > 0 {
		where.and("day >= @first_day AND ended_at >= "+ms("from_ms"), "first_day", date(from), "from_ms", from)
	}
	if to > 0 {
		where.and("day <= @last_day AND started_at <= "+ms("to_ms"), "last_day", date(to), "to_ms", to)
	}
	known := "SELECT DISTINCT hash, toString(kind) AS kind, value FROM known_values WHERE project = @project"
	if kind != "" {
		known += " AND kind = @kind"
		where.args = append(where.args, named("kind", kind))
	}
	// Visits are told apart by 64-bit hashes: by their texts it took six times as long, and ten seconds over 500,000.
	return r.query(ctx, `SELECT known.kind, known.value, touch.visits FROM (
			SELECT hash, uniqExact(visit) AS visits
			FROM (SELECT cityHash64(session_id) AS visit, touched FROM session_days `+where.sql("WHERE")+`)
			ARRAY JOIN touched AS hash WHERE hash IN (SELECT hash FROM (`+known+`))
			GROUP BY hash) AS touch
		INNER JOIN (`+known+`) AS known ON known.hash = touch.hash
		ORDER BY touch.visits DESC, known.value LIMIT @most BY known.kind`, where.args, func(row driver.Rows) error {
		var v FacetValue
		var kind string
		if err := row.Scan(&kind, &v.Value, &v.Sessions); err != nil {
			return err
		}
		give(kind, v)
		return nil
	})
}
