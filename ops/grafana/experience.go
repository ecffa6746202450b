package grafana

// seen restricts signals to what the variables choose.
const seen = `project = ${project:sqlstring} AND $__timeFilter(ts) AND kind IN (${kind:sqlstring})
  AND positionCaseInsensitive(url, ${page:sqlstring}) > 0`

// happened restricts events likewise.
const happened = `project = ${project:sqlstring} AND $__timeFilter(ts)
  AND positionCaseInsensitive(url, ${page:sqlstring}) > 0`

func experience() Dashboard {
	return Dashboard{
		Name: "experience", title: "Experience", from: "now-24h",
		about:     "Where people get stuck: signals by page and element, with the replay one click away.",
		variables: []any{projectVariable, kindVariable, pageVariable, uiVariable},
		panels: []panel{
			{title: "Visits", kind: "stat", w: 4, h: 4,
				about: "Visits that had an event in the period, on these pages.",
				sql: `SELECT uniqExact(session_id) AS visits FROM gosight.events FINAL
WHERE ` + happened},
			{title: "Signals", kind: "stat", w: 4, h: 4, about: "Rage clicks, dead clicks and the like.",
				sql: `SELECT count() AS signals FROM gosight.signals FINAL
WHERE ` + seen},
			{title: "Visits with a signal", kind: "stat", w: 4, h: 4, unit: "percentunit",
				about: "Share of the visits that met at least one.",
				sql: `SELECT (SELECT uniqExact(session_id) FROM gosight.signals FINAL
WHERE ` + seen + `)
/ greatest(1, (SELECT uniqExact(session_id) FROM gosight.events FINAL
WHERE ` + happened + `)) AS share`},
			{title: "Visits with an error", kind: "stat", w: 4, h: 4, unit: "percentunit",
				about: "Share of the visits in which a script failed.",
				sql: `SELECT uniqExactIf(session_id, event_type = 'error') / greatest(1, uniqExact(session_id)) AS share
FROM gosight.events FINAL
WHERE ` + happened},
			{title: "Kinds of signals", kind: "piechart", w: 8, h: 8, about: "Signals of the period by kind.",
				sql: `SELECT kind, count() AS signals FROM gosight.signals FINAL
WHERE ` + seen + `
GROUP BY kind ORDER BY signals DESC`},
			{title: "Signals over time", kind: "timeseries", w: 16, h: 8, stack: true, bars: true,
				about: "By kind.",
				sql: `SELECT $__timeInterval(ts) AS time, kind, count() AS signals FROM gosight.signals FINAL
WHERE ` + seen + `
GROUP BY time, kind ORDER BY time, kind`},
			{title: "Worst pages", kind: "table", w: 8, h: 10,
				about: "Pages by the signals on them; the link opens their insights.",
				columns: []column{
					{name: "page", link: "${ui}/insights?page=${__data.fields.page:percentencode}", linkTitle: "Insights"},
					{name: "signals", width: 80}, {name: "visits", width: 80},
				},
				sql: `SELECT cutQueryStringAndFragment(url) AS page, count() AS signals, uniqExact(session_id) AS visits
FROM gosight.signals FINAL
WHERE ` + seen + `
GROUP BY page ORDER BY signals DESC, page LIMIT 50`},
			{title: "Worst elements", kind: "table", w: 16, h: 10,
				about: "Elements by the signals on them; the link plays the latest example from shortly before it.",
				columns: []column{
					replay("element"), {name: "text", width: 140}, {name: "kind", width: 140}, {name: "signals", width: 80},
					{name: "visits", width: 80}, {name: "session", hidden: true}, {name: "at", hidden: true, unit: "none"},
				},
				sql: `SELECT selector AS element, argMax(text, (ts, signal_id)) AS text, cutQueryStringAndFragment(url) AS page, kind,
  count() AS signals, uniqExact(session_id) AS visits, argMax(session_id, (ts, signal_id)) AS session,
  toUnixTimestamp64Milli(max(ts)) AS at
FROM gosight.signals FINAL
WHERE ` + seen + ` AND selector != ''
GROUP BY element, page, kind ORDER BY signals DESC, visits DESC, element, page, kind LIMIT 50`},
			{kind: "row", title: "Who"},
			{title: "Signals for 100 visits, by country", kind: "bargauge", w: 8, h: 9,
				about: "Countries with the most visits.",
				sql:   per100("country")},
			{title: "… by device", kind: "bargauge", w: 8, h: 9,
				about: "Desktop, tablet, mobile.", sql: per100("device")},
			{title: "… by browser", kind: "bargauge", w: 8, h: 9,
				about: "Browsers with the most visits.", sql: per100("browser")},
			{kind: "row", title: "How it felt"},
			{title: "Web vitals, 75th percentile", kind: "table", w: 8, h: 9,
				about:   "Good: LCP below 2,500 ms, INP below 200 ms, CLS below 0.1.",
				columns: []column{{name: "good", unit: "percentunit"}},
				sql: `SELECT name AS vital, quantileExact(0.75)(value) AS p75,
  countIf(JSONExtractString(payload, 'rating') = 'good') / count() AS good, count() AS samples
FROM gosight.events FINAL
WHERE ` + happened + ` AND event_type = 'web_vital'
GROUP BY vital ORDER BY vital`},
			{title: "Largest contentful paint, 75th percentile", kind: "timeseries", w: 8, h: 9, unit: "ms",
				about: "By device.",
				sql: `SELECT $__timeInterval(ts) AS time, device, quantileExact(0.75)(value) AS lcp FROM gosight.events FINAL
WHERE ` + happened + ` AND event_type = 'web_vital' AND name = 'LCP'
GROUP BY time, device ORDER BY time, device`},
			{title: "Scroll depth", kind: "bargauge", w: 8, h: 9, unit: "percent",
				about: "How deep a page view gets on average, for the pages with the most views that scrolled.",
				sql: `SELECT page, avg(deepest) AS depth FROM (
  SELECT cutQueryStringAndFragment(url) AS page, session_id, page_id, max(value) AS deepest FROM gosight.events FINAL
  WHERE ` + happened + ` AND event_type = 'scroll'
  GROUP BY page, session_id, page_id)
GROUP BY page ORDER BY count() DESC, page LIMIT 12`},
			{title: "Errors", kind: "table", w: 24, h: 9,
				about: "What scripts failed with; the link plays the latest example.",
				columns: []column{
					replay("message"), {name: "errors", width: 90}, {name: "visits", width: 90},
					{name: "session", hidden: true}, {name: "at", hidden: true, unit: "none"},
				},
				sql: `SELECT text AS message, count() AS errors, uniqExact(session_id) AS visits,
  argMax(session_id, (ts, event_id)) AS session, toUnixTimestamp64Milli(max(ts)) AS at
FROM gosight.events FINAL
WHERE ` + happened + ` AND event_type = 'error'
GROUP BY message ORDER BY errors DESC, message LIMIT 50`},
		},
	}
}

// per100 is signals for 100 visits, by a column of events.
func per100(column string) string {
	return `SELECT if(v.name = '', 'unknown', v.name) AS ` + column + `, 100 * sum(s.signals) / count() AS per_100_visits
FROM (
  SELECT session_id, max(` + column + `) AS name FROM gosight.events FINAL
  WHERE ` + happened + `
  GROUP BY session_id) AS v
LEFT JOIN (
  SELECT session_id, count() AS signals FROM gosight.signals FINAL
  WHERE ` + seen + `
  GROUP BY session_id) AS s ON s.session_id = v.session_id
GROUP BY v.name ORDER BY count() DESC, ` + column + ` LIMIT 12`
}
