package store

import (
	"fmt"
	"slices"
)

// A visit is judged by what it did since two days before the time that is asked for. The SDK ends a visit after 24
// hours; one that a client lets run for longer is judged by its last days.
const longestVisit = 2 * msPerDay

// dayClauses are a filter as conditions on rows of session_days and on whole visits, those active at since or later.
func dayClauses(f SessionFilter, since int64) (where, having clauses) {
	where.and("project = @project")
	if since > 0 {
		where.and("day >= @first_day", "first_day", date(since-longestVisit))
		having.and("max(ended_at) >= "+ms("since_ms"), "since_ms", since)
	}
	if f.To > 0 {
		where.and("day <= @last_day", "last_day", date(f.To+longestVisit))
		having.and("min(started_at) <= "+ms("to_ms"), "to_ms", f.To)
	}
	// What stands in a whole visit stands in one of its rows. So rows are looked through first, and only what is left is
	// put together by visits, which is what costs.
	visits := daysWith(since)
	if f.User != "" {
		where.and(visits("(startsWith(last_user.user_id, @user) OR startsWith(session_id, @user))"))
		having.and("(startsWith(tupleElement(max(last_user), 'user_id'), @user) OR startsWith(session_id, @user))",
			"user", f.User)
	}
	for column, values := range map[string][]string{"country": f.Country, "browser": f.Browser, "device": f.Device} {
		if len(values) > 0 {
			where.and(visits(column + " IN @" + column))
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
		where.and(visits("failed = 1"))
	}
	touched(&where, f, visits)
	for i, kind := range f.Kinds {
		name := fmt.Sprintf("kind%d", i)
		where.and("session_id IN (SELECT session_id FROM signals FINAL WHERE project = @project AND kind = @"+name+
			" AND ts >= "+ms("signals_from")+")", name, kind)
	}
	if len(f.Kinds) > 0 {
		where.and("true", "signals_from", max(0, since-longestVisit))
	}
	return where, having
}

// daysWith makes a condition on rows of session_days one on visits: one of their days must meet it.
func daysWith(since int64) func(condition string) string {
	days := ""
	if since > 0 {
		days = " AND day >= @first_day"
	}
	return func(condition string) string {
		return "session_id IN (SELECT session_id FROM session_days WHERE project = @project" + days + " AND " + condition + ")"
	}
}

// touched restricts visits to those that touched what the filter names.
func touched(where *clauses, f SessionFilter, visits func(condition string) string) {
	has := func(name, kind, value string) {
		where.and(visits("has(touched, @"+name+")"), name, touchHash(kind, value))
	}
	if f.Event != "" {
		has("event", touchEvent, f.Event)
		names := make([]string, 0, len(f.Props))
		for name := range f.Props {
			names = append(names, name)
		}
		slices.Sort(names)
		for i, name := range names {
			has(fmt.Sprintf("prop%d", i), touchProp, f.Event+"."+name+"="+f.Props[name])
		}
	}
	if f.Release != "" {
		has("release", touchRelease, f.Release)
	}
	part := func(name, kind, value string) {
		where.and(visits("arrayExists(hash -> hash IN (SELECT hash FROM known_values WHERE project = @project AND kind = '"+
			kind+"' AND positionCaseInsensitive(value, @"+name+") > 0), touched)"), name, value)
	}
	if f.Page != "" {
		part("page", touchPage, f.Page)
	}
	if f.Error != "" {
		part("error", touchError, f.Error)
	}
}
