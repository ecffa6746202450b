package store

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// replayTypes are the event types whose payload stands in the replay table.
const replayTypes = "('full_snapshot', 'mutation')"

// Signals returns a visit's signals in time order.
func (r *Reader) Signals(ctx context.Context, session string) ([]Signal, error) {
	signals := []Signal{}
	err := r.query(ctx, `SELECT signal_id, toString(kind), toUnixTimestamp64Milli(ts), url, selector, text, x, y, count,
			duration_ms, toString(detected_by), page_id
		FROM signals FINAL WHERE project = @project AND session_id = @session
		ORDER BY ts, signal_id LIMIT 5000`, []any{named("session", session)},
		func(row driver.Rows) error {
			var s Signal
			if err := row.Scan(&s.SignalID, &s.Kind, &s.TS, &s.URL, &s.Selector, &s.Text, &s.X, &s.Y, &s.Count,
				&s.DurationMS, &s.DetectedBy, &s.PageID); err != nil {
				return err
			}
			signals = append(signals, s)
			return nil
		})
	return signals, err
}

// Pages returns the pages and routes that a visit came through, in the order it entered them.
func (r *Reader) Pages(ctx context.Context, session string) ([]PageVisit, error) {
	pages := []PageVisit{}
	err := r.query(ctx, `SELECT page_id, if(event_type = 'navigate', JSONExtractString(payload, 'to'), '') AS target,
			url, JSONExtractString(payload, 'title'), toUnixTimestamp64Milli(ts)
		FROM events FINAL WHERE project = @project AND session_id = @session
			AND event_type IN ('page_load', 'navigate') ORDER BY ts, length(event_id), event_id LIMIT 2000`,
		[]any{named("session", session)},
		func(row driver.Rows) error {
			var p PageVisit
			var target string
			if err := row.Scan(&p.PageID, &target, &p.URL, &p.Title, &p.EnteredAt); err != nil {
				return err
			}
			if target != "" {
				p.URL = target
			}
			pages = append(pages, p)
			return nil
		})
	return pages, err
}

const eventColumns = `event_id, toString(event_type), toUnixTimestamp64Milli(ts) AS at, url, payload, metadata`

// Events returns a visit's events of these types (none: all but replay) in time order, and the next cursor.
func (r *Reader) Events(ctx context.Context, session string, types []string, cursor string, limit int) ([]Event, string, error) {
	var where clauses
	where.and("project = @project AND session_id = @session", "session", session)
	if len(types) > 0 {
		where.and("event_type IN @types", "types", set(types))
	} else {
		where.and("event_type NOT IN " + replayTypes)
	}
	after, ok, err := parseCursor("e", cursor)
	if err != nil {
		return nil, "", err
	}
	if ok {
		where.and(afterPosition, "after_ts", after.TS, "after_id", after.ID)
	}
	events, err := r.events(ctx, where, limit+1)
	if err != nil {
		return nil, "", err
	}
	next := ""
	if len(events) > limit {
		events = events[:limit]
		next = position{events[limit-1].TS, events[limit-1].EventID}.cursor("e")
	}
	return events, next, nil
}

// EventsSince returns a visit's events with a time of at least since, replay left out.
func (r *Reader) EventsSince(ctx context.Context, session string, since int64) ([]Event, error) {
	var where clauses
	where.and("project = @project AND session_id = @session AND event_type NOT IN "+replayTypes, "session", session)
	where.and("ts >= "+ms("since"), "since", since)
	return r.events(ctx, where, 2000)
}

func (r *Reader) events(ctx context.Context, where clauses, limit int) ([]Event, error) {
	events := []Event{}
	err := r.query(ctx, `SELECT `+eventColumns+` FROM events FINAL `+where.sql("WHERE")+
		fmt.Sprintf(` ORDER BY `+inOrder+` LIMIT %d`, limit), where.args,
		func(row driver.Rows) error {
			var e Event
			var payload string
			if err := row.Scan(&e.EventID, &e.EventType, &e.TS, &e.URL, &payload, &e.Metadata); err != nil {
				return err
			}
			e.Payload = json.RawMessage(payload)
			if !json.Valid(e.Payload) {
				e.Payload = json.RawMessage("{}")
			}
			events = append(events, e)
			return nil
		})
	return events, err
}
