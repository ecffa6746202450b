package store

import (
	"context"
	"fmt"
	"io"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// ExportFormats are what an export can be written in, by ClickHouse's names for them.
var ExportFormats = map[string]string{"csv": "CSVWithNames", "ndjson": "JSONEachRow", "parquet": "Parquet"}

// mostExported bounds an export: whoever wants more asks for a period at a time.
const mostExported = 100_000

// ExportSessions writes the filter's visits, the latest first, with their exact counts.
func (r *Reader) ExportSessions(ctx context.Context, f SessionFilter, format string, to io.Writer) error {
	where, having, err := r.dayClauses(ctx, f, f.From)
	if err != nil {
		return err
	}
	return r.export(ctx, format, `SELECT session_id, tupleElement(max(last_user), 'user_id') AS user_id,
			min(started_at) AS started_at, max(ended_at) AS ended_at, length(groupUniqArrayArray(event_hashes)) AS events,
			greatest(length(groupUniqArrayArray(page_hashes)), length(groupUniqArrayArray(url_hashes))) AS pages,
			length(groupUniqArrayArray(click_hashes)) AS clicks, length(groupUniqArrayArray(error_hashes)) AS errors,
			any(kinds) AS signals, tupleElement(min(first_url), 'url') AS entry_url, tupleElement(max(latest_url), 'url') AS last_url,
			max(country) AS country, max(city) AS city, max(browser) AS browser, max(os) AS os, max(device) AS device
		FROM sessions LEFT JOIN (SELECT session_id, count() AS kinds FROM signals FINAL WHERE project = @project
			GROUP BY session_id) AS found USING (session_id)
		WHERE project = @project AND session_id IN (SELECT session_id FROM session_days `+where.sql("WHERE")+
		` GROUP BY session_id `+having.sql("HAVING")+` ORDER BY max(ended_at) DESC, session_id DESC LIMIT @most)
		GROUP BY session_id ORDER BY max(sessions.ended_at) DESC, session_id DESC`,
		append(append(where.args, having.args...), named("most", mostExported)), to)
}

// ExportSignals writes the signals of a period in time order.
func (r *Reader) ExportSignals(ctx context.Context, f InsightFilter, format string, to io.Writer) error {
	where := insightClauses(f, f.From, f.To)
	return r.export(ctx, format, `SELECT signal_id, kind, ts, session_id, user_id, url, selector, text, x, y, count, duration_ms,
			detected_by FROM signals FINAL `+where.sql("WHERE")+` ORDER BY ts, signal_id LIMIT @most`,
		append(where.args, named("most", mostExported)), to)
}

// ExportEvents writes a visit's events in time order, recordings left out.
func (r *Reader) ExportEvents(ctx context.Context, session, format string, to io.Writer) error {
	return r.export(ctx, format, `SELECT event_id, event_type, ts, url, user_id, payload, metadata,
			toUnixTimestamp64Milli(ts) AS at FROM events FINAL
		WHERE project = @project AND session_id = @session AND event_type NOT IN `+replayTypes+`
		ORDER BY `+inOrder+` LIMIT @most`, []any{named("session", session), named("most", mostExported)}, to)
}

// export copies an answer as the engine writes it.
func (r *Reader) export(ctx context.Context, format, sql string, args []any, to io.Writer) error {
	name, ok := ExportFormats[format]
	if !ok {
		return fmt.Errorf("export: no format %q", format)
	}
	settings := r.settings(ctx)
	settings["date_time_output_format"] = "iso"
	body, err := r.conn.QueryFormat(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), name, sql,
		append([]any{named("project", r.project)}, args...)...)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer body.Close()
	if _, err := io.Copy(to, body); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return nil
}
