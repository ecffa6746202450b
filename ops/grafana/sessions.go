package grafana

// started restricts visits to those that began in the period.
const started = `project = ${project:sqlstring} AND $__timeFilter(started_at)
  AND startsWith(user_id, ${user:sqlstring})`

func sessions() Dashboard {
	return Dashboard{
		Name: "sessions", title: "Sessions", from: "now-24h",
		about:     "How many visits, how long, by whom, and which of them to watch.",
		variables: []any{projectVariable, typed("user", "User begins with", ""), uiVariable},
		panels: []panel{
			{title: "Visits", kind: "stat", w: 4, h: 4, about: "Visits that began in the period.",
				sql: `SELECT count() AS visits FROM gosight.sessions FINAL
WHERE ` + started},
			{title: "Users", kind: "stat", w: 4, h: 4, about: "Users that the site has named.",
				sql: `SELECT uniqExactIf(user_id, user_id != '') AS users FROM gosight.sessions FINAL
WHERE ` + started},
			{title: "Live now", kind: "stat", w: 4, h: 4, about: "Visits with an event in the last minute.",
				sql: `SELECT count() AS live FROM gosight.sessions FINAL
WHERE project = ${project:sqlstring} AND received_at > now64(3) - INTERVAL 60 SECOND
  AND ended_at > now64(3) - INTERVAL 120 SECOND`},
			{title: "Median duration", kind: "stat", w: 4, h: 4, unit: "ms",
				about: "From the first event to the last.",
				sql: `SELECT quantileExact(0.5)(dateDiff('millisecond', started_at, ended_at)) AS duration FROM gosight.sessions FINAL
WHERE ` + started},
			{title: "Pages in a visit", kind: "stat", w: 4, h: 4, about: "On average.",
				sql: `SELECT avg(pages) AS pages FROM gosight.sessions FINAL
WHERE ` + started},
			{title: "Recorded", kind: "stat", w: 4, h: 4, unit: "percentunit",
				about: "Share of visits that can be replayed.",
				sql: `SELECT avg(has_replay) AS recorded FROM gosight.sessions FINAL
WHERE ` + started},
			{title: "Visits over time", kind: "timeseries", w: 12, h: 8, bars: true, stack: true,
				about: "By device, when they began.",
				sql: `SELECT $__timeInterval(started_at) AS time, device, count() AS visits FROM gosight.sessions FINAL
WHERE ` + started + `
GROUP BY time, device ORDER BY time, device`},
			{title: "Events over time", kind: "timeseries", w: 12, h: 8, stack: true,
				about: "By type; repeats count once.",
				sql: `SELECT $__timeInterval(ts) AS time, event_type, count() AS events FROM gosight.events FINAL
WHERE project = ${project:sqlstring} AND $__timeFilter(ts)
GROUP BY time, event_type ORDER BY time, event_type`},
			{title: "Duration", kind: "bargauge", w: 8, h: 8, about: "Visits by how long they lasted.",
				sql: `SELECT multiIf(s < 10, 'below 10 s', s < 60, '10 to 60 s', s < 300, '1 to 5 min', s < 1800, '5 to 30 min', 'above 30 min')
  AS lasted, count() AS visits
FROM (SELECT dateDiff('millisecond', started_at, ended_at) / 1000 AS s FROM gosight.sessions FINAL
WHERE ` + started + `)
GROUP BY lasted ORDER BY min(s)`},
			{title: "Countries", kind: "bargauge", w: 8, h: 8,
				about: "Visits by country.", sql: visitsBy("country")},
			{title: "Entry pages", kind: "table", w: 8, h: 8,
				about:   "Where visits began, and how many saw only that page.",
				columns: []column{{name: "visits", width: 80}, {name: "bounced", width: 90, unit: "percentunit"}},
				sql: `SELECT cutQueryStringAndFragment(entry_url) AS page, count() AS visits, avg(pages <= 1) AS bounced
FROM gosight.sessions FINAL
WHERE ` + started + `
GROUP BY page ORDER BY visits DESC, page LIMIT 50`},
			{title: "Browsers", kind: "piechart", w: 8, h: 8,
				about: "Visits by browser.", sql: visitsBy("browser")},
			{title: "Systems", kind: "piechart", w: 8, h: 8,
				about: "Visits by operating system.", sql: visitsBy("os")},
			{title: "Devices", kind: "piechart", w: 8, h: 8, about: "Visits by device.", sql: visitsBy("device")},
			{title: "Latest visits", kind: "table", w: 24, h: 12,
				about: "The link plays the visit from its beginning.",
				columns: []column{
					{name: "session", link: "${ui}/sessions/${__data.fields.session}", linkTitle: "Watch it"},
					{name: "duration", unit: "ms"},
				},
				sql: `SELECT v.started AS began, v.session AS session, v.who AS user, v.duration AS duration, v.pages AS pages,
  v.clicks AS clicks, v.errors AS errors, s.signals AS signals, v.country AS country, v.browser AS browser, v.device AS device,
  v.entry AS entry
FROM (
  SELECT started_at AS started, session_id AS session, user_id AS who, dateDiff('millisecond', started_at, ended_at) AS duration,
    pages, clicks, errors, country, browser, device, entry_url AS entry
  FROM gosight.sessions FINAL
  WHERE ` + started + `
  ORDER BY started_at DESC, session_id LIMIT 100) AS v
LEFT JOIN (
  SELECT session_id, count() AS signals FROM gosight.signals FINAL
  WHERE project = ${project:sqlstring}
  GROUP BY session_id) AS s ON s.session_id = v.session
ORDER BY began DESC, session`},
		},
	}
}

func visitsBy(column string) string {
	return `SELECT if(` + column + ` = '', 'unknown', ` + column + `) AS name, count() AS visits FROM gosight.sessions FINAL
WHERE ` + started + `
GROUP BY name ORDER BY visits DESC, name LIMIT 12`
}
