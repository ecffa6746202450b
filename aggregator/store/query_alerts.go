package store

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// AlertFilter says which signals an alert rule counts. From and To are Unix milliseconds, To excluded.
type AlertFilter struct {
	Kind string
	// Page is what the URL begins with; where it begins with "/", what the URL's path begins with. "" is every page.
	Page string
	// Selector is the element, exactly; "" is every element.
	Selector string
	From, To int64
}

// AlertExample is a visit that shows what an alert counts. Times are Unix milliseconds.
type AlertExample struct {
	SessionID string
	// TS is the visit's newest such signal; StartedAt is when the visit began, 0 where that is not known yet.
	TS, StartedAt int64
	URL, Selector string
}

// AlertMatch is what an alert rule found.
type AlertMatch struct {
	Signals, Sessions uint64
	// Examples are a few visits, the newest first.
	Examples []AlertExample
}

// AlertSent is one alert that was posted. Times are Unix milliseconds.
type AlertSent struct {
	Project, Rule       string
	WindowStart, SentAt int64
	Signals             uint64
}

const alertExamples = 5

// MatchAlert counts the signals of a filter, and names examples where there are at least enough of them.
func (r *Reader) MatchAlert(ctx context.Context, f AlertFilter, enough uint64) (AlertMatch, error) {
	var where clauses
	where.and("project = @project AND kind = @kind AND ts >= "+ms("from_ms")+" AND ts < "+ms("to_ms"),
		"kind", f.Kind, "from_ms", f.From, "to_ms", f.To)
	switch {
	case f.Page == "":
	case f.Page[0] == '/':
		where.and("startsWith(path(url), @page)", "page", f.Page)
	default:
		where.and("startsWith(url, @page)", "page", f.Page)
	}
	if f.Selector != "" {
		where.and("selector = @selector", "selector", f.Selector)
	}
	from := "FROM signals FINAL " + where.sql("WHERE")
	var match AlertMatch
	err := r.query(ctx, "SELECT count(), uniqExact(session_id) "+from, where.args, func(row driver.Rows) error {
		return row.Scan(&match.Signals, &match.Sessions)
	})
	if err != nil || match.Signals < enough {
		return match, err
	}
	err = r.query(ctx, fmt.Sprintf(`SELECT found.session_id, found.at, began.at, found.last_url, found.last_selector
		FROM (SELECT session_id, toUnixTimestamp64Milli(max(ts)) AS at, argMax(url, ts) AS last_url,
				argMax(selector, ts) AS last_selector %s GROUP BY session_id ORDER BY at DESC, session_id LIMIT %d) AS found
		LEFT JOIN (SELECT session_id, toUnixTimestamp64Milli(min(started_at)) AS at FROM sessions
			WHERE project = @project AND session_id IN (SELECT session_id %s) GROUP BY session_id) AS began
		ON found.session_id = began.session_id ORDER BY found.at DESC, found.session_id`, from, alertExamples, from),
		where.args, func(row driver.Rows) error {
			var e AlertExample
			if err := row.Scan(&e.SessionID, &e.TS, &e.StartedAt, &e.URL, &e.Selector); err != nil {
				return err
			}
			match.Examples = append(match.Examples, e)
			return nil
		})
	return match, err
}

// LastAlert is when a rule last posted (Unix milliseconds), 0 for never.
func (r *Reader) LastAlert(ctx context.Context, rule string) (sentAt int64, err error) {
	err = r.query(ctx, `SELECT toUnixTimestamp64Milli(max(sent_at)) FROM alerts_sent
		WHERE project = @project AND rule = @rule`, []any{named("rule", rule)},
		func(row driver.Rows) error { return row.Scan(&sentAt) })
	return max(sentAt, 0), err
}

// RecordAlert remembers that an alert was posted. The same again changes nothing.
func (s *Store) RecordAlert(ctx context.Context, a AlertSent) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.InsertTimeout)
	defer cancel()
	err := s.conn.Exec(ctx, `INSERT INTO alerts_sent (project, rule, window_start, sent_at, signals)
		SELECT @project, @rule, `+ms("window_ms")+`, `+ms("sent_ms")+`, toUInt64(@signals)`,
		named("project", a.Project), named("rule", a.Rule), named("window_ms", a.WindowStart),
		named("sent_ms", a.SentAt), named("signals", a.Signals))
	if err != nil {
		return fmt.Errorf("record alert of rule %s: %w", a.Rule, err)
	}
	return nil
}
