package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// activityBuckets is how many bars a visit's activity strip has.
const activityBuckets = 24

// A visit is live while its events keep arriving, and happened just now: history that is loaded late is not.
const liveExpr = `(max(received_at) > now64(3) - INTERVAL 60 SECOND AND max(ended_at) > now64(3) - INTERVAL 120 SECOND)`

// ms makes a DateTime64 of a named argument in Unix milliseconds.
func ms(name string) string { return "fromUnixTimestamp64Milli(toInt64(@" + name + "), 'UTC')" }

// Sessions returns visits, those active last first, and the cursor of the next page ("" on the last). A visit
// that becomes active between two pages moves to the front: it may show twice, never get lost.
func (r *Reader) Sessions(ctx context.Context, f SessionFilter) ([]Session, string, error) {
	where, having := sessionClauses(f)
	after, ok, err := parseCursor("s", f.Cursor)
	if err != nil {
		return nil, "", err
	}
	if ok {
		having.and("(last_at, session_id) < (toInt64(@after_ts), @after_id)", "after_ts", after.TS, "after_id", after.ID)
	}
	// Which visits first, by their light columns; what they look like afterwards, for these few alone.
	sql := `SELECT session_id, toUnixTimestamp64Milli(max(ended_at)) AS last_at
		FROM sessions ` + where.sql("WHERE") + ` GROUP BY session_id ` + having.sql("HAVING") +
		fmt.Sprintf(` ORDER BY last_at DESC, session_id DESC LIMIT %d`, f.Limit+1)
	var found []position
	err = r.query(ctx, sql, append(where.args, having.args...), func(row driver.Rows) error {
		var p position
		if err := row.Scan(&p.ID, &p.TS); err != nil {
			return err
		}
		found = append(found, p)
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(found) > f.Limit {
		found = found[:f.Limit]
		next = found[f.Limit-1].cursor("s")
	}
	ids := make([]string, len(found))
	for i, p := range found {
		ids[i] = p.ID
	}
	sessions, err := r.summaries(ctx, ids)
	return sessions, next, err
}

// sessionClauses are the filter as conditions on rows and on whole visits.
func sessionClauses(f SessionFilter) (where, having clauses) {
	where.and("project = @project")
	if f.From > 0 {
		having.and("max(ended_at) >= "+ms("from_ms"), "from_ms", f.From)
	}
	if f.To > 0 {
		having.and("min(started_at) <= "+ms("to_ms"), "to_ms", f.To)
	}
	if f.User != "" {
		having.and("(startsWith(tupleElement(max(last_user), 'user_id'), @user) OR startsWith(session_id, @user))",
			"user", f.User)
	}
	for column, values := range map[string][]string{"country": f.Country, "browser": f.Browser, "device": f.Device} {
		if len(values) > 0 {
			having.and("max("+column+") IN @"+column, column, set(values))
		}
	}
	if f.MinDurationMS > 0 {
		having.and("dateDiff('millisecond', min(started_at), max(ended_at)) >= @min_ms", "min_ms", f.MinDurationMS)
	}
	if f.MaxDurationMS > 0 {
		having.and("dateDiff('millisecond', min(started_at), max(ended_at)) <= @max_ms", "max_ms", f.MaxDurationMS)
	}
	if f.LiveOnly {
		having.and(liveExpr)
	}
	if f.WithErrors {
		having.and("max(notEmpty(error_hashes))")
	}
	for i, kind := range f.Kinds {
		name := fmt.Sprintf("kind%d", i)
		where.and("session_id IN (SELECT session_id FROM signals FINAL WHERE project = @project AND kind = @"+name+")",
			name, kind)
	}
	if f.Page != "" {
		where.and("session_id IN (SELECT session_id FROM events WHERE project = @project AND "+
			"positionCaseInsensitive(url, @page) > 0"+eventPeriod(f)+")", "page", f.Page)
	}
	if f.Event != "" {
		where.and("session_id IN (SELECT session_id FROM events WHERE project = @project AND "+
			"event_type = 'custom' AND name = @event"+eventPeriod(f)+")", "event", f.Event)
	}
	return where, having
}

// eventPeriod narrows a search among events to the filter's period.
func eventPeriod(f SessionFilter) string {
	sql := ""
	if f.From > 0 {
		sql += " AND ts >= " + ms("from_ms")
	}
	if f.To > 0 {
		sql += " AND ts <= " + ms("to_ms")
	}
	return sql
}

// RecentSessions returns at most limit visits that got rows within the window, the latest active first.
func (r *Reader) RecentSessions(ctx context.Context, window time.Duration, limit int) ([]Session, error) {
	sql := fmt.Sprintf(`SELECT session_id FROM sessions
		WHERE project = @project AND inserted_at > now64(3) - INTERVAL @window MILLISECOND
		GROUP BY session_id ORDER BY max(inserted_at) DESC, session_id LIMIT %d`, limit)
	var ids []string
	err := r.query(ctx, sql, []any{named("window", window.Milliseconds())}, func(row driver.Rows) error {
		var id string
		if err := row.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return r.summaries(ctx, ids)
}

// Session returns one visit, or ErrNotFound.
func (r *Reader) Session(ctx context.Context, id string) (Session, error) {
	sessions, err := r.summaries(ctx, []string{id})
	if err != nil {
		return Session{}, err
	}
	if len(sessions) == 0 {
		return Session{}, fmt.Errorf("session %q: %w", id, ErrNotFound)
	}
	return sessions[0], nil
}

// summaries returns these visits in the order of ids, leaving out the unknown.
func (r *Reader) summaries(ctx context.Context, ids []string) ([]Session, error) {
	sessions := make([]Session, 0, len(ids))
	if len(ids) == 0 {
		return sessions, nil
	}
	byID := make(map[string]*Session, len(ids))
	args := []any{named("ids", set(ids))}
	err := r.query(ctx, `SELECT session_id, tupleElement(max(last_user), 'user_id'),
			toUnixTimestamp64Milli(min(started_at)), toUnixTimestamp64Milli(max(ended_at)), `+liveExpr+`,
			length(groupUniqArrayArray(event_hashes)),
			greatest(length(groupUniqArrayArray(page_hashes)), length(groupUniqArrayArray(url_hashes))),
			length(groupUniqArrayArray(click_hashes)), length(groupUniqArrayArray(error_hashes)),
			tupleElement(min(first_url), 'url'), tupleElement(max(latest_url), 'url'),
			toString(max(country)), toString(max(city)), toString(max(browser)), toString(max(os)),
			toString(max(device)), max(has_replay) = 1
		FROM sessions WHERE project = @project AND session_id IN @ids GROUP BY session_id`, args,
		func(row driver.Rows) error {
			s := &Session{Signals: map[string]uint64{}, Activity: make([]uint32, activityBuckets)}
			if err := row.Scan(&s.SessionID, &s.UserID, &s.StartedAt, &s.EndedAt, &s.Live, &s.Events, &s.Pages, &s.Clicks,
				&s.Errors, &s.EntryURL, &s.LastURL, &s.Country, &s.City, &s.Browser, &s.OS, &s.Device, &s.HasReplay); err != nil {
				return err
			}
			byID[s.SessionID] = s
			return nil
		})
	if err != nil {
		return nil, err
	}
	err = r.query(ctx, `SELECT session_id, toString(kind), count() FROM signals FINAL
		WHERE project = @project AND session_id IN @ids GROUP BY session_id, kind`, args,
		func(row driver.Rows) error {
			var id, kind string
			var count uint64
			if err := row.Scan(&id, &kind, &count); err != nil {
				return err
			}
			if s := byID[id]; s != nil {
				s.Signals[kind] = count
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	if err := r.activity(ctx, args, byID); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if s := byID[id]; s != nil {
			sessions = append(sessions, *s)
		}
	}
	return sessions, nil
}

// activity fills the visits' strips. They are drawn, not counted with: an event inserted twice may show twice
// until its rows are merged.
func (r *Reader) activity(ctx context.Context, args []any, byID map[string]*Session) error {
	return r.query(ctx, fmt.Sprintf(`SELECT session_id,
			toUInt8(least(%[1]d - 1, intDiv(at * %[1]d, span))) AS bucket, toUInt32(count())
		FROM (SELECT session_id, dateDiff('millisecond', started, ts) AS at, greatest(1, dateDiff('millisecond', started, ended)) AS span
			FROM events
			INNER JOIN (SELECT session_id, min(started_at) AS started, max(ended_at) AS ended FROM sessions
				WHERE project = @project AND session_id IN @ids GROUP BY session_id) AS visit USING (session_id)
			WHERE project = @project AND session_id IN @ids AND ts >= started AND ts <= ended)
		GROUP BY session_id, bucket`, activityBuckets), args,
		func(row driver.Rows) error {
			var id string
			var bucket uint8
			var count uint32
			if err := row.Scan(&id, &bucket, &count); err != nil {
				return err
			}
			if s := byID[id]; s != nil {
				s.Activity[bucket] = count
			}
			return nil
		})
}

// Facets returns the values that visits active in the period have; 0 leaves a side open.
func (r *Reader) Facets(ctx context.Context, from, to int64) (Facets, error) {
	where, having := sessionClauses(SessionFilter{From: from, To: to})
	args := append(where.args, having.args...)
	visits := `(SELECT session_id, toString(max(country)) AS country, toString(max(browser)) AS browser,
		toString(max(device)) AS device, tupleElement(min(first_url), 'url') AS entry, ` + liveExpr + ` AS live
		FROM sessions ` + where.sql("WHERE") + ` GROUP BY session_id ` + having.sql("HAVING") + `)`
	facets := Facets{
		Countries: []FacetValue{}, Browsers: []FacetValue{}, Devices: []FacetValue{}, Pages: []FacetValue{},
		Kinds: []FacetValue{},
	}
	lists := map[string]*[]FacetValue{
		"country": &facets.Countries, "browser": &facets.Browsers, "device": &facets.Devices,
		"page": &facets.Pages, "kind": &facets.Kinds,
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
			ARRAY JOIN [('country', country), ('browser', browser), ('device', device),
				('page', cutQueryStringAndFragment(entry)), ('all', ''), ('live', toString(live))] AS pair
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
	return facets, err
}
