package store

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// personalTables are all tables that have sessions' rows, those of later migrations too.
func (s *Store) personalTables(ctx context.Context) ([]string, error) {
	var tables []string
	err := s.each(ctx, `SELECT table FROM system.columns
		WHERE database = @database AND name IN ('project', 'session_id') AND default_kind != 'ALIAS'
			AND table IN (SELECT name FROM system.tables WHERE database = @database AND engine LIKE '%MergeTree')
		GROUP BY table HAVING count() = 2 ORDER BY table`,
		[]any{named("database", s.cfg.Database)}, func(row driver.Rows) error {
			var table string
			err := row.Scan(&table)
			tables = append(tables, table)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list the tables with people's rows: %w", err)
	}
	return tables, nil
}

// SessionsOf returns the sessions in which a user was seen.
func (s *Store) SessionsOf(ctx context.Context, project, user string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.QueryTimeout)
	defer cancel()
	var sessions []string
	err := s.each(ctx, `SELECT DISTINCT session_id FROM events WHERE project = @project AND user_id = @user ORDER BY session_id`,
		[]any{named("project", project), named("user", user)}, func(row driver.Rows) error {
			var session string
			err := row.Scan(&session)
			sessions = append(sessions, session)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("find the user's sessions: %w", err)
	}
	return sessions, nil
}

// sessionsAtOnce bounds the size of one statement.
const sessionsAtOnce = 500

// personal are the rows of sessions. A mutation's text stays with the table, so users are not named in it.
const personal = " WHERE project = @project AND session_id IN @sessions"

// Erase removes all rows of sessions from every table, and waits until the engine has rewritten the parts that held
// them. It returns how many rows each table lost.
func (s *Store) Erase(ctx context.Context, project string, sessions []string) (map[string]uint64, error) {
	tables, err := s.personalTables(ctx)
	if err != nil {
		return nil, err
	}
	removed := map[string]uint64{}
	for chunk := range slices.Chunk(sessions, sessionsAtOnce) {
		for _, table := range tables {
			args := []any{named("project", project), named("sessions", set(chunk))}
			var rows uint64
			if err := s.conn.QueryRow(ctx, "SELECT count() FROM "+table+personal, args...).Scan(&rows); err != nil {
				return nil, fmt.Errorf("count what is to be erased from %s: %w", table, err)
			}
			if rows == 0 {
				continue
			}
			if err := s.conn.Exec(ctx, "ALTER TABLE "+table+" DELETE"+personal, args...); err != nil {
				return nil, fmt.Errorf("erase from %s: %w", table, err)
			}
			removed[table] += rows
		}
	}
	return removed, s.waitForMutations(ctx)
}

// ForgetVersions drops what registry entries said before: an erasure's name, once it is complete.
func (s *Store) ForgetVersions(ctx context.Context) error {
	if err := s.conn.Exec(ctx, "OPTIMIZE TABLE registry FINAL"); err != nil {
		return fmt.Errorf("merge the registry: %w", err)
	}
	return nil
}

// waitForMutations returns when no part is left to be rewritten.
func (s *Store) waitForMutations(ctx context.Context) error {
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for {
		var left uint64
		var failed string
		err := s.conn.QueryRow(ctx, `SELECT count(), max(latest_fail_reason) FROM system.mutations
			WHERE database = @database AND NOT is_done`, named("database", s.cfg.Database)).Scan(&left, &failed)
		switch {
		case err != nil:
			return fmt.Errorf("follow mutations: %w", err)
		case left == 0:
			return nil
		case failed != "":
			return fmt.Errorf("the engine cannot rewrite a part: %s", failed)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the engine to rewrite parts: %w", ctx.Err())
		case <-poll.C:
		}
	}
}

// ExportSessionsWhole writes every row of sessions, as lines of JSON that say their table.
func (s *Store) ExportSessionsWhole(ctx context.Context, project string, sessions []string, to io.Writer) error {
	tables, err := s.personalTables(ctx)
	if err != nil {
		return err
	}
	reader := s.Reader(project)
	for chunk := range slices.Chunk(sessions, sessionsAtOnce) {
		for _, table := range tables {
			err := reader.export(ctx, "ndjson", "SELECT '"+table+"' AS `table`, * EXCEPT(project) FROM "+table+" FINAL"+personal,
				[]any{named("sessions", set(chunk))}, to)
			if err != nil {
				return err
			}
		}
	}
	return nil
}
