package store

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

var (
	// ErrNotFound says that the project has no such session.
	ErrNotFound = errors.New("not found")
	// ErrBadCursor says that a cursor was not made by the list it was given to.
	ErrBadCursor = errors.New("malformed cursor")
)

// Reader answers analysts' questions about one project. It is the only way to read, so that no query runs
// without a project: the engine itself adds the project's filter to every table that has projects, whatever the
// query says or forgets. Every query stops at the context's deadline, in the engine too.
type Reader struct {
	conn    driver.Conn
	project string
	scope   string // additional_table_filters
}

// Reader returns what reads the project's data.
func (s *Store) Reader(project string) *Reader {
	return &Reader{conn: s.conn, project: project, scope: s.scopeOf(project)}
}

// clauses are conditions joined by AND, and the values that they name.
type clauses struct {
	conditions []string
	args       []any
}

// and adds a condition; values are name, value, name, value, …
func (c *clauses) and(condition string, values ...any) {
	c.conditions = append(c.conditions, condition)
	for i := 0; i < len(values); i += 2 {
		c.args = append(c.args, clickhouse.Named(values[i].(string), values[i+1]))
	}
}

// sql is the conditions after keyword, or nothing where there are none.
func (c *clauses) sql(keyword string) string {
	if len(c.conditions) == 0 {
		return ""
	}
	return keyword + " " + strings.Join(c.conditions, " AND ")
}

func named(name string, value any) driver.NamedValue { return clickhouse.Named(name, value) }

// date is the UTC day of a time in Unix milliseconds, as ClickHouse reads it.
func date(ms int64) string { return time.UnixMilli(max(0, ms)).UTC().Format(time.DateOnly) }

// set is the values as a literal for IN; it must not be empty.
func set(values []string) clickhouse.GroupSet {
	group := clickhouse.GroupSet{Value: make([]any, len(values))}
	for i, v := range values {
		group.Value[i] = v
	}
	return group
}

// query runs SQL that names @project, and calls scan for each row.
func (r *Reader) query(ctx context.Context, sql string, args []any, scan func(row driver.Rows) error) error {
	if !strings.Contains(sql, "@project") {
		return errors.New("query without a project")
	}
	bound := append([]any{named("project", r.project)}, args...)
	rows, err := r.conn.Query(clickhouse.Context(ctx, clickhouse.WithSettings(r.settings(ctx))), sql, bound...)
	if err != nil {
		return fmt.Errorf("query: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return fmt.Errorf("scan: %w", err)
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read rows: %w", err)
	}
	return nil
}

// settings bound a query.
func (r *Reader) settings(ctx context.Context) clickhouse.Settings {
	settings := clickhouse.Settings{
		"max_result_rows": 200_000, "max_memory_usage": 2 << 30, "readonly": 2,
		"additional_table_filters": r.scope,
		// Whatever a server's profile says: a repeat may lie in another month.
		"do_not_merge_across_partitions_select_final": 0,
	}
	if deadline, ok := ctx.Deadline(); ok {
		settings["max_execution_time"] = max(1, int(time.Until(deadline).Round(time.Second).Seconds()))
	}
	return settings
}

// IsTimeout says whether the engine gave up because its time ran out.
func IsTimeout(err error) bool {
	const timeoutExceeded, tooSlow = 159, 160
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return exception.Code == timeoutExceeded || exception.Code == tooSlow
	}
	return false
}

// inOrder sorts a visit's events: by time, and within a millisecond by id. An SDK's ids count up without leading
// zeros, so a longer one is later.
const inOrder = "at, length(event_id), event_id"

// afterPosition is the condition for what follows a position in that order.
const afterPosition = "(" + inOrder + ") > (toInt64(@after_ts), length(@after_id), @after_id)"

// position is where a list goes on: after the row with this time and id.
type position struct {
	TS int64  `json:"t"`
	ID string `json:"i"`
}

// cursor encodes the position; list names the list that understands it.
func (p position) cursor(list string) string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // a number and a string always encode
	}
	return base64.RawURLEncoding.EncodeToString(append([]byte(list), text...))
}

// parseCursor is the reverse of cursor; the empty cursor is no position.
func parseCursor(list, cursor string) (p position, ok bool, err error) {
	if cursor == "" {
		return position{}, false, nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return position{}, false, ErrBadCursor
	}
	rest, found := strings.CutPrefix(string(text), list)
	if !found || json.Unmarshal([]byte(rest), &p) != nil {
		return position{}, false, ErrBadCursor
	}
	return p, true, nil
}
