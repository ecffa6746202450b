package grafana

// compared is the visits of the two releases: a visit belongs to the release that its last event says.
const compared = `SELECT session_id, argMax(metadata[${key:sqlstring}], (ts, event_id)) AS release
    FROM gosight.events FINAL
    WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND metadata[${key:sqlstring}] IN (${a:sqlstring}, ${b:sqlstring})
    GROUP BY session_id`

func releases() Dashboard {
	values := `SELECT metadata[${key:sqlstring}] AS release FROM gosight.events
WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND metadata[${key:sqlstring}] != ''
GROUP BY release ORDER BY max(ts) DESC`
	keys := []any{}
	for i, key := range []string{"release", "sdk_version", "browser_version", "agent_region"} {
		keys = append(keys, object{"text": key, "value": key, "selected": i == 0})
	}
	return Dashboard{
		Name: "releases", title: "Release comparison", from: "now-7d",
		about: "Two releases of a site side by side. A release is the metadata `release` that the site sends with its " +
			"events; any other key compares as well.",
		variables: []any{
			projectVariable,
			object{"name": "key", "label": "Compare by", "type": "custom", "query": "release,sdk_version,browser_version,agent_region",
				"options": keys, "current": keys[0], "multi": false, "includeAll": false, "hide": 0},
			chosen("b", "New", values, false), chosen("a", "Old", values, false), kindVariable, uiVariable,
		},
		annotations: []any{object{
			"name": "First seen", "enable": true, "iconColor": "green", "datasource": source(clickhouse),
			"target": object{"refId": "Anno", "editorType": "sql", "format": 1, "queryType": "table", "rawSql": `SELECT min(ts) AS time,
  concat('first visit with ', metadata[${key:sqlstring}]) AS text
FROM gosight.events FINAL
WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND metadata[${key:sqlstring}] != ''
GROUP BY metadata[${key:sqlstring}] ORDER BY time`},
		}},
		panels: []panel{
			{title: "Side by side", kind: "table", w: 24, h: 5,
				about: "All figures are of the visits of the period.",
				columns: []column{{name: "median duration", unit: "ms"}, {name: "visits with an error", unit: "percentunit"},
					{name: "LCP p75", unit: "ms"}},
				sql: `SELECT v.release AS release, count() AS visits, 100 * sum(s.signals) / count() AS "signals for 100 visits",
  100 * sum(s.rage) / count() AS "rage clicks for 100 visits", 100 * sum(s.dead) / count() AS "dead clicks for 100 visits",
  countIf(e.errors > 0) / count() AS "visits with an error", quantileExact(0.5)(e.duration) AS "median duration",
  quantileExactArray(0.75)(e.lcp) AS "LCP p75"
FROM (` + compared + `) AS v
LEFT JOIN (
  SELECT session_id, count() AS signals, countIf(kind = 'rage_click') AS rage, countIf(kind = 'dead_click') AS dead
  FROM gosight.signals FINAL
  WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND kind IN (${kind:sqlstring})
  GROUP BY session_id) AS s ON s.session_id = v.session_id
LEFT JOIN (
  SELECT session_id, countIf(event_type = 'error') AS errors, dateDiff('millisecond', min(ts), max(ts)) AS duration,
    groupArrayIf(value, event_type = 'web_vital' AND name = 'LCP') AS lcp
  FROM gosight.events FINAL
  WHERE project = ${project:sqlstring} AND $__timeFilter(ts)
  GROUP BY session_id) AS e ON e.session_id = v.session_id
GROUP BY release ORDER BY release = ${b:sqlstring} DESC`},
			{title: "Signals for 100 visits", kind: "timeseries", w: 12, h: 9, about: "By release.",
				sql: `SELECT $__timeInterval(began) AS time, v.release AS release, 100 * sum(s.signals) / count() AS per_100_visits
FROM (
  SELECT session_id, argMax(metadata[${key:sqlstring}], (ts, event_id)) AS release, min(ts) AS began FROM gosight.events FINAL
  WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND metadata[${key:sqlstring}] IN (${a:sqlstring}, ${b:sqlstring})
  GROUP BY session_id) AS v
LEFT JOIN (
  SELECT session_id, count() AS signals FROM gosight.signals FINAL
  WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND kind IN (${kind:sqlstring})
  GROUP BY session_id) AS s ON s.session_id = v.session_id
GROUP BY time, release ORDER BY time, release`},
			{title: "Visits", kind: "timeseries", w: 12, h: 9, bars: true, stack: true,
				about: "When each release was met.",
				sql: `SELECT $__timeInterval(began) AS time, release, count() AS visits FROM (
  SELECT session_id, argMax(metadata[${key:sqlstring}], (ts, event_id)) AS release, min(ts) AS began FROM gosight.events FINAL
  WHERE project = ${project:sqlstring} AND $__timeFilter(ts) AND metadata[${key:sqlstring}] IN (${a:sqlstring}, ${b:sqlstring})
  GROUP BY session_id)
GROUP BY time, release ORDER BY time, release`},
			{title: "Signals by kind", kind: "table", w: 10, h: 11,
				about: "For 100 visits; what grew most comes first.",
				sql: `SELECT s.kind AS kind, 100 * countIf(v.release = ${a:sqlstring}) / any(n.old) AS old,
  100 * countIf(v.release = ${b:sqlstring}) / any(n.new) AS new, new - old AS change
FROM gosight.signals AS s FINAL
INNER JOIN (` + compared + `) AS v ON v.session_id = s.session_id
CROSS JOIN (SELECT greatest(1, countIf(release = ${a:sqlstring})) AS old, greatest(1, countIf(release = ${b:sqlstring})) AS new
  FROM (` + compared + `)) AS n
WHERE s.project = ${project:sqlstring} AND $__timeFilter(s.ts) AND s.kind IN (${kind:sqlstring})
GROUP BY kind ORDER BY change DESC, kind`},
			{title: "What is new in it", kind: "table", w: 14, h: 11,
				about: "Elements with signals in the new release and none in the old; the link plays the latest example.",
				columns: []column{
					replay("element"), {name: "kind", width: 140}, {name: "signals", width: 80}, {name: "visits", width: 80},
					{name: "session", hidden: true}, {name: "at", hidden: true, unit: "none"},
				},
				sql: `SELECT s.selector AS element, cutQueryStringAndFragment(s.url) AS page, s.kind AS kind,
  countIf(v.release = ${b:sqlstring}) AS signals, uniqExactIf(s.session_id, v.release = ${b:sqlstring}) AS visits,
  argMaxIf(s.session_id, (s.ts, s.signal_id), v.release = ${b:sqlstring}) AS session,
  toUnixTimestamp64Milli(maxIf(s.ts, v.release = ${b:sqlstring})) AS at
FROM gosight.signals AS s FINAL
INNER JOIN (` + compared + `) AS v ON v.session_id = s.session_id
WHERE s.project = ${project:sqlstring} AND $__timeFilter(s.ts) AND s.kind IN (${kind:sqlstring}) AND s.selector != ''
GROUP BY element, page, kind HAVING countIf(v.release = ${a:sqlstring}) = 0 AND signals > 0
ORDER BY signals DESC, element, page, kind LIMIT 50`},
		},
	}
}
