package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// A visit is judged by what it did since two days before the time that is asked for. The SDK ends a visit after 24
// hours; one that a client lets run for longer is judged by its last days.
const longestVisit = 2 * msPerDay

// dayClauses are a filter as conditions on rows of session_days and on whole visits, those active at since or later.
// What a visit has, one of its days has; so a condition on visits is the greatest of one on rows, and what few rows
// have is looked up first, by the index on what was touched. A page or an event, which many have, is looked up where
// nothing else is, and else checked as the visits that are left are gone through.
func (r *Reader) dayClauses(ctx context.Context, f SessionFilter, since int64) (where, having clauses, err error) {
	where.and("project = @project")
	days := ""
	if since > 0 {
		days = " AND day >= @first_day"
		where.and("day >= @first_day", "first_day", date(since-longestVisit))
		having.and("max(ended_at) >= "+ms("since_ms"), "since_ms", since)
	}
	if f.To > 0 {
		where.and("day <= @last_day", "last_day", date(f.To+longestVisit))
		having.and("min(started_at) <= "+ms("to_ms"), "to_ms", f.To)
	}
	if f.User != "" {
		where.and("session_id IN (SELECT session_id FROM session_days WHERE project = @project"+days+
			" AND (startsWith(last_user.user_id, @user) OR startsWith(session_id, @user)))", "user", f.User)
	}
	for column, values := range map[string][]string{"country": f.Country, "browser": f.Browser, "device": f.Device} {
		if len(values) > 0 {
			having.and("max("+column+" IN @"+column+")", column, set(values))
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
		having.and("max(failed) = 1")
	}
	for i, kind := range f.Kinds {
		name := fmt.Sprintf("kind%d", i)
		where.and("session_id IN (SELECT session_id FROM signals FINAL WHERE project = @project AND kind = @"+name+
			" AND ts >= "+ms("signals_from")+")", name, kind)
	}
	if len(f.Kinds) > 0 {
		where.and("true", "signals_from", max(0, since-longestVisit))
	}
	looked := f.User != "" || len(f.Kinds) > 0
	lookUp := func(condition, name string, value any, rare bool) {
		if looked && !rare {
			having.and("max("+condition+")", name, value)
			return
		}
		where.and("session_id IN (SELECT session_id FROM session_days WHERE project = @project"+days+" AND "+condition+")", name, value)
		looked = true
	}
	for i, t := range f.touches() {
		name := fmt.Sprintf("touch%d", i)
		lookUp("has(touched, @"+name+")", name, t.hash, t.rare)
	}
	for _, of := range [...]struct{ kind, part string }{{touchError, f.Error}, {touchPage, f.Page}} {
		kind, part := of.kind, of.part
		if part == "" {
			continue
		}
		hashes, err := r.knownHashes(ctx, kind, part)
		if err != nil {
			return where, having, err
		}
		if len(hashes) <= fewHashes {
			// No value has 0, and an empty list has no type.
			lookUp("hasAny(touched, @"+kind+")", kind, append(hashes, 0), kind == touchError)
		} else {
			having.and("max(arrayExists(hash -> hash IN (SELECT hash FROM known_values WHERE project = @project AND kind = '"+
				kind+"' AND positionCaseInsensitive(value, @"+kind+") > 0), touched))", kind, part)
		}
	}
	return where, having, nil
}

// fewHashes are looked for one by one in what a visit touched; more are a set.
const fewHashes = 16

// knownHashes are those of the values of a kind that contain part; one more than fewHashes stands for many.
func (r *Reader) knownHashes(ctx context.Context, kind, part string) ([]uint64, error) {
	var hashes []uint64
	err := r.query(ctx, `SELECT DISTINCT hash FROM known_values WHERE project = @project AND kind = @kind
			AND positionCaseInsensitive(value, @part) > 0 LIMIT @most`,
		[]any{named("kind", kind), named("part", part), named("most", fewHashes+1)}, func(row driver.Rows) error {
			var hash uint64
			if err := row.Scan(&hash); err != nil {
				return err
			}
			hashes = append(hashes, hash)
			return nil
		})
	return hashes, err
}

// touch is what a visit must have touched; rare says that few have, as a rule.
type touch struct {
	hash uint64
	rare bool
}

// touches are what the filter names in full, the rare first. Who has an event's property has the event.
func (f SessionFilter) touches() []touch {
	var all []touch
	for name, value := range f.Props {
		all = append(all, touch{touchHash(touchProp, f.Event+"."+name+"="+value), true})
	}
	if f.Release != "" {
		all = append(all, touch{touchHash(touchRelease, f.Release), false})
	}
	if f.Event != "" && len(f.Props) == 0 {
		all = append(all, touch{touchHash(touchEvent, f.Event), false})
	}
	return all
}
