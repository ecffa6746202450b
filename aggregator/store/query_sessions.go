package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"golang.org/x/sync/errgroup"
)

// activityBuckets is how many bars a visit's activity strip has.
const activityBuckets = 24

// A visit is live while its events keep arriving, and happened just now: history that is loaded late is not.
const (
	liveFor  = 120_000 // ms
	liveExpr = `(max(received_at) > now64(3) - INTERVAL 60 SECOND AND max(ended_at) > now64(3) - INTERVAL 120 SECOND)`
)

// ms makes a DateTime64 of a named argument in Unix milliseconds.
func ms(name string) string { return "fromUnixTimestamp64Milli(toInt64(@" + name + "), 'UTC')" }

// Sessions returns visits, those active last first, and the cursor of the next page ("" on the last). A visit
// that becomes active between two pages moves to the front: it may show twice, never get lost.
func (r *Reader) Sessions(ctx context.Context, f SessionFilter) ([]Session, string, error) {
	after, resume, err := parseCursor("s", f.Cursor)
	if err != nil {
		return nil, "", err
	}
	found, err := r.latest(ctx, f, after, resume)
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

// Days that latest looks through at a time. Whatever most visits have is found in the last day; what few have costs
// a look at all, and a third more for the two before.
var reaches = []int64{1, 8}

// longVisit is longer than almost all are, ms.
const longVisit = 15 * 60_000

// latest finds the filter's visits and one more than its limit, the latest active first.
func (r *Reader) latest(ctx context.Context, f SessionFilter, after position, resume bool) ([]position, error) {
	until := time.Now().UnixMilli()
	if f.LiveOnly {
		f.From = max(f.From, until-liveFor)
	}
	switch {
	case resume:
		until = after.TS
		if f.To == 0 || f.To > until {
			f.To = until // whoever was active last by then had begun
		}
	case f.To > 0:
		until = min(until, f.To)
	}
	reaches := reaches
	if f.User != "" || len(f.Props) > 0 || f.MinDurationMS >= longVisit {
		reaches = nil // so few visits are not found sooner by looking thrice
	}
	for _, days := range append(reaches, 0) {
		since := f.From
		if days > 0 {
			since = max(since, until-days*msPerDay)
		}
		where, having, err := r.dayClauses(ctx, f, since)
		if err != nil {
			return nil, err
		}
		if resume {
			having.and("(last_at, session_id) < (toInt64(@after_ts), @after_id)", "after_ts", after.TS, "after_id", after.ID)
		}
		var found []position
		err = r.query(ctx, `SELECT session_id, toUnixTimestamp64Milli(max(ended_at)) AS last_at
			FROM session_days `+where.sql("WHERE")+` GROUP BY session_id `+having.sql("HAVING")+
			fmt.Sprintf(` ORDER BY last_at DESC, session_id DESC LIMIT %d`, f.Limit+1),
			append(where.args, having.args...), func(row driver.Rows) error {
				var p position
				if err := row.Scan(&p.ID, &p.TS); err != nil {
					return err
				}
				found = append(found, p)
				return nil
			})
		if err != nil || len(found) > f.Limit || since == f.From {
			return found, err
		}
	}
	return nil, nil // the last reach is without end
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
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return r.kinds(ctx, args, byID) })
	group.Go(func() error { return r.activity(ctx, args, byID) })
	if err := group.Wait(); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if s := byID[id]; s != nil {
			sessions = append(sessions, *s)
		}
	}
	return sessions, nil
}

// kinds fills in the visits' signals.
func (r *Reader) kinds(ctx context.Context, args []any, byID map[string]*Session) error {
	return r.query(ctx, `SELECT session_id, toString(kind), count() FROM signals FINAL
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
}

// activity fills in the visits' strips. Events are told apart by their ids here and not by FINAL, which takes twice as
// long over visits that lie far apart.
func (r *Reader) activity(ctx context.Context, args []any, byID map[string]*Session) error {
	var known []string
	var started, ended []int64
	for id, s := range byID {
		known, started, ended = append(known, id), append(started, s.StartedAt), append(ended, s.EndedAt)
	}
	if len(known) == 0 {
		return nil
	}
	return r.query(ctx, fmt.Sprintf(`SELECT session_id, toUInt8(least(%[1]d - 1, intDiv((at - started) * %[1]d, greatest(1, ended - started)))) AS bucket,
			toUInt32(count())
		FROM (SELECT session_id, toUnixTimestamp64Milli(min(ts)) AS at, transform(session_id, @known, CAST(@started, 'Array(Int64)'), toInt64(0)) AS started,
				transform(session_id, @known, CAST(@ended, 'Array(Int64)'), toInt64(0)) AS ended
			FROM events WHERE project = @project AND session_id IN @ids GROUP BY session_id, cityHash64(event_id))
		WHERE at BETWEEN started AND ended GROUP BY session_id, bucket`, activityBuckets),
		append(args, named("known", known), named("started", started), named("ended", ended)),
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
